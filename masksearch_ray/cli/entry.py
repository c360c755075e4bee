"""From the process's arguments to its exit status: every failure becomes one line."""

from __future__ import annotations

import os
import sys
import traceback
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import typer

from masksearch_ray.errors import MaskSearchError, QueryError
from masksearch_ray.model.logs import log_to_stderr
from masksearch_ray.model.text import printable

__all__ = ["Interrupted", "main"]

INTERRUPTED = 130
"""Exit status of a process ended by Ctrl-C, as shells count it."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C during work of which the user should know how it can go on."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments; by default those of the process.

    Returns
    -------
    int
        0, or the exit status of the failure: 2 where the input cannot be taken, 1 where carrying it
        out failed, 130 after Ctrl-C.
    """
    given = _taken_out(sys.argv[1:] if argv is None else argv)
    if sys.stdout is None:  # closed, as by `>&-`
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
    try:
        log_to_stderr(given.log_level)
        with warnings.catch_warnings():
            if not given.debug:  # of libraries about bad files: the error says it in one line
                warnings.simplefilter("ignore", UserWarning)
            _invoke(given.arguments)
        sys.stdout.flush()
    except typer.Exit as done:
        return done.exit_code
    except BrokenPipeError:
        # Quietly, as when `head` has seen enough.
        _settle_output()
    except (Exception, KeyboardInterrupt) as error:
        if given.debug:
            traceback.print_exc()
        status, message = _verdict(error)
        _settle_output()
        print(message, file=sys.stderr)
        return status
    return 0


@dataclass
class _Given:
    """Arguments of a command, and what may stand anywhere among them."""

    arguments: list[str]
    debug: bool = False
    log_level: str | None = None


def _taken_out(argv: Sequence[str]) -> _Given:
    """Take ``--debug`` and ``--log-level`` out, wherever they stand before a ``--``."""
    end = list(argv).index("--") if "--" in argv else len(argv)
    given = _Given([])
    left = iter(argv[:end])
    for argument in left:
        if argument == "--debug":
            given.debug = True
        elif argument == "--log-level":
            # Nothing after it is a wrong level, which is told as any other.
            given.log_level = next(left, "nothing")
        elif argument.startswith("--log-level="):
            given.log_level = argument.partition("=")[2] or "nothing"
        else:
            given.arguments.append(argument)
    given.arguments += argv[end:]
    return given


def _invoke(arguments: list[str]) -> None:
    from masksearch_ray.cli.app import app

    command = typer.main.get_command(app)
    with command.make_context("masksearch", arguments) as context:
        command.invoke(context)


def _verdict(error: BaseException) -> tuple[int, str]:
    """Exit status and the line, or for SQL the lines, that say what happened."""
    match error:
        case KeyboardInterrupt():
            return INTERRUPTED, f"interrupted{f': {error}' if str(error) else ''}"
        case QueryError():
            return error.exit_status, f"error: {printable(str(error), keep_lines=True)}"
        case MaskSearchError():
            return error.exit_status, f"error: {printable(str(error))}"
        case OSError():
            where = f"{error.filename}: " if error.filename else ""
            return 1, f"error: {printable(where + (error.strerror or str(error)))}"
        case typer.TyperException():
            return 2, f"error: {printable(_usage(error))}"
        case typer.Abort():
            return 1, "aborted"
        case _:
            told = printable(f"{type(error).__name__}: {error}")
            return 1, f"internal error: {told} (run with --debug for the traceback)"


def _usage(error: typer.TyperException) -> str:
    """Word a usage error as a line that ends with where help is."""
    format_message = getattr(error, "format_message", lambda: str(error))
    message = " ".join(str(format_message()).split()).rstrip(".").replace("Value error, ", "")
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "masksearch"
    return f"{message} (see '{path} --help')"


def _settle_output() -> None:
    """Drop what cannot be written: it would fail again when the interpreter flushes it."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
