"""Classes that pages name are those that the style sheet knows: no script makes up for others."""

from __future__ import annotations

import re
from pathlib import Path

import masksearch_ray.web

WEB = Path(masksearch_ray.web.__file__).parent
STYLE = (WEB / "static" / "masksearch.css").read_text(encoding="utf-8")
# Quasar's and NiceGUI's own, and those of the browser's side that only mark an element.
# Elements that Quasar and the editor make.
MADE = re.compile(r"q-|cm-|nicegui-|body--")
OTHERS = re.compile(r"q-|nicegui-|no-wrap$|text-primary$|ms-")
NAMED = re.compile(r"""(?:classes\((?:\s*|add=|remove=)f?|class=\\?)"([^"]*)\"""")


def test_every_class_has_its_rule() -> None:
    known = set(re.findall(r"\.([a-z][\w-]*)", STYLE))
    used: dict[str, str] = {}
    for file in WEB.rglob("*.py"):
        for names in NAMED.findall(file.read_text(encoding="utf-8")):
            # A name within braces is put in when the page is made.
            used |= {name: file.name for name in re.sub(r"{[^}]*}?", " ", names).split()}
    assert {"w-full", "gap-2", "ms-card"} <= set(used)
    assert {k: v for k, v in used.items() if k not in known and not OTHERS.match(k)} == {}


def test_every_rule_is_of_use() -> None:
    code = "".join(
        file.read_text(encoding="utf-8")
        for pattern in ("*.py", "*.js")
        for file in WEB.rglob(pattern)
    )
    named = set(re.findall(r"[a-z][\w-]*", code))
    known = set(re.findall(r"\.([a-z][\w-]*)", STYLE))
    assert {one for one in known - named if not MADE.match(one)} == set()
