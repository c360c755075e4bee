"""A query to be taken away: as SQL, as Python and as a command of a shell."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Snippets", "as_command", "as_python", "snippets"]


@dataclass(frozen=True)
class Snippets:
    """The same query in three forms.

    Parameters
    ----------
    sql, python, command : str
    """

    sql: str
    python: str
    command: str


def snippets(
    sql: str,
    url: str,
    *,
    runtime: str = "local",
    address: str | None = None,
    use_index: bool = True,
) -> Snippets:
    """A query in all forms.

    Parameters
    ----------
    sql : str
        As the collection takes it; parameters are not written along.
    url : str
        Of the collection.
    runtime : {"local", "ray"}
    address : str, optional
        Of the Ray cluster.
    use_index : bool
        False where it was run as a full scan.
    """
    how: Any = {"runtime": runtime, "address": address, "use_index": use_index}
    return Snippets(sql, as_python(sql, url, **how), as_command(sql, url, **how))


def as_python(
    sql: str,
    url: str,
    *,
    runtime: str = "local",
    address: str | None = None,
    use_index: bool = True,
) -> str:
    """Python that prints the answer, and runs as it is."""
    opened = _arguments({"runtime": runtime, "address": address}, {"runtime": "local"})
    asked = _arguments({"use_index": use_index}, {"use_index": True})
    return (
        "import masksearch_ray as ms\n\n"
        f"with ms.open({url!r}{opened}) as collection:\n"
        f"    result = collection.sql({_python_text(sql)}{asked})\n"
        "    print(result.table.to_pylist())\n"
    )


def as_command(
    sql: str,
    url: str,
    *,
    runtime: str = "local",
    address: str | None = None,
    use_index: bool = True,
) -> str:
    """A `masksearch` command, quoted for a POSIX shell."""
    words = ["masksearch", "sql", url, sql]
    words += [] if runtime == "local" else ["--runtime", runtime]
    words += [] if address is None else ["--address", address]
    words += [] if use_index else ["--no-index"]
    return shlex.join(words)


def _arguments(given: Mapping[str, Any], usual: Mapping[str, Any]) -> str:
    told = {name: value for name, value in given.items() if value != usual.get(name)}
    return "".join(f", {name}={value!r}" for name, value in told.items())


def _python_text(sql: str) -> str:
    """A literal that is read as `sql`: over several lines where it can be."""
    plain = all(c == "\n" or c.isprintable() for c in sql)
    if "\n" in sql and plain and "\\" not in sql and '"""' not in sql and sql[-1:] != '"':
        return f'"""{sql}"""'
    return repr(sql)
