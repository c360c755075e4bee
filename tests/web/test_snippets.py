"""What is copied from the page runs as it is, and gives the same answer."""

from __future__ import annotations

import ast
import contextlib
import io
import json
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import masksearch_ray as ms
from masksearch_ray.cli import main
from masksearch_ray.web.build import Built, Condition, Pair, Pixels, first_built, to_sql
from masksearch_ray.web.snippets import as_command, as_python, snippets
from tests.web.small import small


@pytest.fixture(scope="module")
def col(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ms.Collection]:
    with small(tmp_path_factory.mktemp("a b"), "it's $HOME") as collection:
        yield collection


def queries(col: ms.Collection) -> list[str]:
    quotes = Condition("prediction", "=", ("it's",))
    backslash = Condition("label", "<>", ('\\n"""',))
    pair = Pair("model_id", 1, 2)
    built = [
        first_built(col.catalog),
        Built("filter", "share", Pixels(low=0.5), threshold=0.4, where=(quotes, backslash)),
        Built("filter", "iou", Pixels(low=0.5), pair=pair, threshold=0.3),
    ]
    one_line = 'SELECT mask_id AS "a ""b" FROM masks -- $(exit) `exit` !x\n'
    return [*(to_sql(b, col.catalog) for b in built), one_line]


@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize("use_index", [True, False])
def test_snippets_give_the_same_answer(
    col: ms.Collection, place: int, use_index: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    sql = queries(col)[place]
    expected = col.sql(sql).table.to_pylist()
    assert expected
    made = snippets(sql, col.url, use_index=use_index)
    assert made.sql == sql
    assert run_python(made.python) == expected
    program, *arguments = shlex.split(made.command)
    assert program == "masksearch"
    capsys.readouterr()
    assert main([*arguments, "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == expected


def run_python(code: str) -> Any:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(code, "snippet", "exec"), {})
    return ast.literal_eval(out.getvalue())


def test_python_is_what_a_person_would_write() -> None:
    assert as_python("SELECT mask_id\nFROM masks", "maps") == (
        "import masksearch_ray as ms\n"
        "\n"
        "with ms.open('maps') as collection:\n"
        '    result = collection.sql("""SELECT mask_id\nFROM masks""")\n'
        "    print(result.table.to_pylist())\n"
    )


def test_where_a_query_runs_is_told() -> None:
    how: Any = {"runtime": "ray", "address": "here:6379", "use_index": False}
    code = as_python("SELECT 1", "maps", **how)
    assert "ms.open('maps', runtime='ray', address='here:6379')" in code
    assert "collection.sql('SELECT 1', use_index=False)" in code
    assert as_command("SELECT 1", "maps", **how) == (
        "masksearch sql maps 'SELECT 1' --runtime ray --address here:6379 --no-index"
    )


@given(sql=st.text(st.characters(codec="utf-8")), url=st.text(st.characters(codec="utf-8")))
def test_any_text_is_quoted(sql: str, url: str) -> None:
    call = ast.parse(as_python(sql, url)).body[1]
    assert isinstance(call, ast.With)
    constants = [n.value for n in ast.walk(call) if isinstance(n, ast.Constant)]
    assert {sql, url} <= set(constants)
    assert shlex.split(as_command(sql, url)) == ["masksearch", "sql", url, sql]
