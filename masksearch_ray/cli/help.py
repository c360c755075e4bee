"""Help that teaches: plain text, options in groups, examples at the end.

Typer's own rich help takes longer to import than all the rest of the command line.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

__all__ = ["Command", "Group", "add_command", "option", "repeated"]

_COMMANDS = "Commands"
_OPTIONS = "Options"
_ARGUMENTS = "Arguments"
# Taken out before commands are looked at, as it may stand anywhere.
_LOG_LEVEL = ("--log-level LEVEL", "Log from debug, info, warning or error on.")


def add_command(
    app: typer.Typer, function: Callable[..., None], group: str, *examples: str
) -> None:
    """Add a command.

    Parameters
    ----------
    app : typer.Typer
    function : callable
        Its docstring is the help, its name the command's.
    group : str
        Heading under which the list of commands shows it.
    *examples : str
        Command lines, shown as they are.
    """
    app.command(
        name=function.__name__,
        cls=Command,
        help=inspect.getdoc(function),
        rich_help_panel=group,
        epilog="\n".join(examples),
    )(function)


def option(*names: str, group: str | None = None, **how: Any) -> Any:
    """Describe an option that may be left out, so that its help shows no default.

    Parameters
    ----------
    *names : str
        By default the name of the parameter.
    group : str, optional
        Heading under which its help stands.
    **how
        As `typer.Option` takes it.
    """
    return typer.Option(*names, rich_help_panel=group, show_default=False, **how)


def repeated(*names: str, group: str | None = None, **how: Any) -> Any:
    """Describe an option that may be given several times; see `option`."""
    return option(*names, group=group, default_factory=list, **how)


class Command(TyperCommand):
    """A command whose help groups its options."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Name arguments without braces."""
        return [piece.strip("{}") for piece in super().collect_usage_pieces(ctx)]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write arguments and options by group, in order of appearance."""
        groups: dict[str, list[tuple[str, str]]] = {_ARGUMENTS: []}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                argument = parameter.param_type_name == "argument"
                group = getattr(parameter, "rich_help_panel", None)
                group = _ARGUMENTS if argument else group or _OPTIONS
                # Of an argument the usage says whether it is required, and its help what it is.
                name, told = record
                plain = (name.partition(" <")[0], told.removesuffix("[required]").rstrip())
                groups.setdefault(group, []).append(plain if argument else record)
        # What every command has is least interesting.
        *own, last = groups.pop(_OPTIONS, [])  # the last is --help
        groups[_OPTIONS] = [*own, _LOG_LEVEL, last]
        _write(groups, formatter)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write the examples as they are."""
        if self.epilog:
            with formatter.section("Examples"):
                lines = "\n".join(f"  {line}" for line in self.epilog.splitlines())
                formatter.write(f"{lines}\n")


class Group(TyperGroup):
    """The list of commands, by group."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write commands, then options."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for name in self.list_commands(ctx):
            command = self.get_command(ctx, name)
            if command is not None and not command.hidden:
                group = getattr(command, "rich_help_panel", None) or _COMMANDS
                summary = (command.help or "").partition("\n")[0]
                groups.setdefault(group, []).append((f"{name:<8}", summary))
        _write(groups, formatter)
        records = [parameter.get_help_record(ctx) for parameter in self.get_params(ctx)]
        _write({_OPTIONS: [record for record in records if record is not None]}, formatter)


def _write(groups: dict[str, list[tuple[str, str]]], formatter: Any) -> None:
    for name, records in groups.items():
        if records:
            with formatter.section(name):
                formatter.write_dl(records)
