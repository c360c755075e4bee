"""``demo``."""

from __future__ import annotations

import shutil
import sys
import textwrap
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from masksearch_ray.cli.help import add_command
from masksearch_ray.cli.options import Address, RuntimeName, RuntimeOption
from masksearch_ray.cli.output import Destination, emit
from masksearch_ray.cli.serve import Port, check_installed, serve_page
from masksearch_ray.errors import InputError
from masksearch_ray.model.text import count, duration, size

if TYPE_CHECKING:
    from masksearch_ray.demo import Ending, Step

__all__ = ["add_to"]

_GROUP = "Try it"

Out = Annotated[
    Path, typer.Option("--out", "-o", metavar="FOLDER", help="Where collection and picture go.")
]
Made = Annotated[
    str | None,
    typer.Option("--collection", metavar="URL", help="Make the collection here, as on s3://…."),
]

Page = Annotated[
    bool,
    typer.Option("--web", help="Serve the masks on a web page then, and open it; Ctrl-C ends it."),
]


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    add_command(
        app, demo, _GROUP, "masksearch demo", "masksearch demo --runtime local --out trial/ --web"
    )


def demo(
    out: Out = Path("demo-out"),
    runtime: RuntimeOption = RuntimeName.ray,
    address: Address = None,
    collection: Made = None,
    web: Page = False,
    port: Port = 8080,
) -> None:
    """Find out by SQL what a model learnt wrongly.

    Two classifiers learn to read digits, one of them from images of which one class carries a
    mark. Where both look in every image becomes a collection, and five queries find the mark.
    """
    # Its modules import scikit-learn late, when a folder is made already.
    if find_spec("sklearn") is None:
        raise InputError("the demonstration needs scikit-learn: pip install 'masksearch-ray[demo]'")
    from masksearch_ray.demo import Ending, Step, run_demo

    if web:
        check_installed()
    began = time.perf_counter()
    for part in run_demo(out, runtime.value, address=address, collection=collection):
        match part:
            case Step():
                _show_step(part)
            case Ending():
                _show_ending(part)
                collection = part.collection
            case _:
                print(_wrapped(part), flush=True)
    print(f"\nTook {duration(time.perf_counter() - began)}.")
    if web and collection is not None:
        serve_page(collection, port=port, open_page=True)


def _show_step(step: Step) -> None:
    stats = step.stats
    print(f"\n== {step.question.title}\n{_wrapped(step.question.asked)}\n")
    print(textwrap.indent(step.question.sql, "    "), end="\n\n")
    emit(step.table, Destination())
    print(f"\n{_wrapped(f'-> {step.note}', '   ')}")
    print(
        f"   {duration(stats.seconds)}; the index decided "
        f"{count(stats.rows_decided_by_index)} of {count(stats.rows_selected, 'row')}; read: "
        f"{count(stats.tiles_read)} of {count(stats.tiles_total, 'tile')}, "
        f"{size(stats.bytes_read)}",
        flush=True,
    )


def _wrapped(sentence: str, indent: str = "") -> str:
    """Break a sentence between words where a terminal would break it anywhere."""
    if not sys.stdout.isatty():
        return sentence
    width = shutil.get_terminal_size().columns
    return textwrap.fill(sentence, width, subsequent_indent=indent)


def _show_ending(ending: Ending) -> None:
    print()
    for sentence in (str(ending.finding), ending.read, ending.check):
        print(_wrapped(sentence))
    print(f"\nPicture:    {ending.picture}\nCollection: {ending.collection}")
    print(f"Attacked:   {ending.attacked}")
