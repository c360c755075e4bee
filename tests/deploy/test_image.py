"""The Dockerfile, read: there is no engine here that could build it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
TEXT = (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8")
IGNORED = (ROOT / "deploy" / "Dockerfile.dockerignore").read_text(encoding="utf-8")


def instructions() -> Iterator[tuple[str, str]]:
    """Each instruction and its arguments, on one line."""
    joined = re.sub(r"\\\n\s*", "", re.sub(r"^\s*#.*\n", "", TEXT, flags=re.MULTILINE))
    for line in filter(None, map(str.strip, joined.splitlines())):
        name, _, rest = line.partition(" ")
        yield name, rest


def of(kind: str) -> list[str]:
    return [rest for name, rest in instructions() if name == kind]


def test_only_known_instructions_in_order() -> None:
    names = [name for name, _ in instructions()]
    assert set(names) <= {"ARG", "FROM", "RUN", "WORKDIR", "COPY", "ENV", "USER", "CMD"}
    assert names[:2] == ["ARG", "FROM"]


def test_the_base_is_named_by_version() -> None:
    (default,) = of("ARG")
    image, _, tag = default.partition("=")[2].partition(":")
    assert image == "python"
    assert re.fullmatch(r"3\.\d+-slim-\w+", tag)
    assert "latest" not in TEXT


def test_who_runs_it_is_not_root() -> None:
    (user,) = of("USER")
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user)
    last = [name for name, _ in instructions()]
    assert last.index("USER") > max(i for i, name in enumerate(last) if name in ("RUN", "COPY"))


def test_every_package_is_pinned() -> None:
    (install,) = [run for run in of("RUN") if "pip install" in run]
    assert install.startswith("PIP_CONSTRAINT=/opt/masksearch/constraints.txt ")
    assert "--no-cache-dir" in install
    (extras,) = re.findall(r"\.\[([\w,]+)\]", install)
    known = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert set(extras.split(",")) <= set(known["project"]["optional-dependencies"])


def test_lists_of_packages_are_not_left_in_the_image() -> None:
    for run in of("RUN"):
        if "apt-get install" in run:
            assert "--no-install-recommends" in run
            assert "rm -rf /var/lib/apt/lists/*" in run


def test_only_what_is_needed_is_copied() -> None:
    rules = [line for line in IGNORED.splitlines() if line and not line.startswith("#")]
    assert rules[0] == "*"
    allowed = {rule[1:] for rule in rules if rule.startswith("!")}
    copied = {source for copy in of("COPY") for source in copy.split()[:-1]}
    assert copied == allowed
    assert all((ROOT / source).exists() for source in copied)
    # What the build reads is among it.
    assert {"pyproject.toml", "constraints.txt", "LICENSE", "masksearch_ray"} <= copied


def test_it_holds_no_secret() -> None:
    assert not re.search(r"(?i)password|secret|aws_access|token\s*=|BEGIN .* KEY", TEXT)
    assert not any(fnmatch(source, "*.env*") for copy in of("COPY") for source in copy.split())
