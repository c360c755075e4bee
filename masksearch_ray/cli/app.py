"""The commands, in the order in which a newcomer meets them."""

from __future__ import annotations

from typing import Annotated

import typer

from masksearch_ray._version import __version__
from masksearch_ray.cli import bench, build, care, get, info, query, scale, serve, status, trial
from masksearch_ray.cli.help import Group, option
from masksearch_ray.model.logs import LEVEL_VARIABLE

__all__ = ["app"]

_HELP = """Exact SQL over the pixels of saliency maps and other image masks.

From a folder to an answer:

\b
  masksearch ingest maps/ masks/ --metadata rows.csv
  masksearch sql maps/ "SELECT mask_id FROM masks
      WHERE CP(mask, full_image, (0.8, 1.0)) > 1000"

CP(mask, roi, (low, high)) counts the pixels of a mask inside a region whose value lies in a range:
low <= value < high, the upper end included where it is the largest value that there can be. A
region is full_image, box(x0, y0, x1, y1), a column of boxes, outside(...) or polygon(...).

Exit status: 0, or 2 where the input cannot be taken, 1 where carrying it out failed, 130 after
Ctrl-C."""

app = typer.Typer(
    add_completion=False,
    cls=Group,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


@app.callback(invoke_without_command=True, help=_HELP)
def masksearch(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", help="Say which version this is.", show_default=False)
    ] = False,
    debug: Annotated[
        bool,
        typer.Option("--debug", help="Show tracebacks; may stand anywhere.", show_default=False),
    ] = False,
    log_level: Annotated[
        str | None,
        option(
            metavar="LEVEL",
            help="Log to standard error from this level on: debug, info, warning or error; by "
            f"default {LEVEL_VARIABLE}, else warning. May stand anywhere.",
        ),
    ] = None,
) -> None:
    """Answer what is asked of no command; ``--debug`` and ``--log-level`` are taken out before."""
    if version:
        typer.echo(f"masksearch {__version__}")
    elif context.invoked_subcommand is None:
        typer.echo(context.get_help())


for _module in (build, query, serve, get, info, care, status, trial, bench, scale):
    _module.add_to(app)
