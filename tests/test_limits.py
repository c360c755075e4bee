"""The size limits that scripts/check holds."""

from __future__ import annotations

import pytest

from scripts.limits import excesses

BODY = "".join(f"    x{i} = {i}\n" for i in range(40))


def found(text: str, *, excusable: bool = False) -> list[str]:
    return list(excesses("m.py", text, excusable=excusable))


@pytest.mark.smoke
def test_a_function_may_have_40_lines_and_a_docstring() -> None:
    short = BODY.split("\n", 1)[1]
    assert found(f"def f():\n{short}") == []
    assert found(f'def f():\n    """Say.\n\n    More.\n    """\n{short}') == []
    assert found(f"def f():\n{BODY}") == ["m.py:1: f has 41 lines, 40 are allowed"]


def test_a_method_is_a_function() -> None:
    method = "".join("    " + line for line in f"async def f():\n{BODY}".splitlines(keepends=True))
    assert found(f"class C:\n{method}") == ["m.py:2: f has 41 lines, 40 are allowed"]


def test_a_module_may_have_400_lines() -> None:
    assert found("x = 1\n" * 400) == []
    assert found("x = 1\n" * 401) == ["m.py: 401 lines, 400 are allowed"]


def test_a_stated_reason_lifts_the_limit_where_it_may() -> None:
    function = f"def f():\n    # limit: one pass over the tile\n{BODY}"
    module = "# limit: one kernel for each type\n" + "x = 1\n" * 400
    for text in (function, module):
        assert found(text, excusable=True) == []
        assert len(found(text)) == 1
