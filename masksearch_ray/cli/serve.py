"""``serve``."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from masksearch_ray.cli.help import add_command, option, repeated
from masksearch_ray.cli.opening import opening
from masksearch_ray.cli.options import (
    Address,
    Cache,
    Collection,
    KeepAlive,
    RuntimeName,
    RuntimeOption,
    StorageOption,
    Version,
    Workers,
)
from masksearch_ray.errors import InputError

__all__ = ["Port", "add_to", "check_installed", "serve_page"]

_PAGE = "The page"

Images = Annotated[
    list[Path],
    repeated(
        metavar="FOLDER",
        help="Where relative paths of images begin; by default the working folder. May be "
        "repeated. Where it is given, no image that lies elsewhere is shown.",
        group=_PAGE,
    ),
]
Host = Annotated[
    str,
    typer.Option(
        "--host",
        help="Address to listen at; beyond this machine's own, a token is part of the URL.",
        rich_help_panel=_PAGE,
    ),
]
Port = Annotated[
    int,
    typer.Option("--port", min=0, max=65535, help="0 for any that is free.", rich_help_panel=_PAGE),
]
Token = Annotated[
    str | None,
    option(
        metavar="TEXT",
        help="What the URL must hold; by default none on this machine, else a new one.",
        group=_PAGE,
    ),
]
Open = Annotated[
    bool,
    typer.Option("--open/--no-open", help="Open the page in the browser.", rich_help_panel=_PAGE),
]
Seconds = Annotated[
    float,
    typer.Option(
        "--timeout",
        metavar="SECONDS",
        min=0.1,
        help="Give up queries after so long.",
        rich_help_panel=_PAGE,
    ),
]
Rows = Annotated[
    int,
    typer.Option(
        "--rows",
        metavar="N",
        min=1,
        help="Most rows of an answer that are shown.",
        rich_help_panel=_PAGE,
    ),
]


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    add_command(
        app,
        serve,
        "Ask",
        "masksearch serve maps/",
        "masksearch serve s3://bucket/maps --runtime ray --address auto --host 0.0.0.0",
    )


def serve(
    collection: Collection,
    storage_option: StorageOption,
    images: Images,
    host: Host = "127.0.0.1",
    port: Port = 8080,
    token: Token = None,
    open_page: Open = False,
    timeout: Seconds = 60.0,
    rows: Rows = 100_000,
    version: Version = None,
    runtime: RuntimeOption = RuntimeName.local,
    address: Address = None,
    cache: Cache = None,
    keep_alive: KeepAlive = None,
    workers: Workers = None,
) -> None:
    """Serve a web page on which to search the collection and look at its masks."""
    how = opening(
        storage_option,
        runtime,
        address,
        version=version,
        cache=cache,
        keep_alive=keep_alive,
        workers=workers,
    )
    serve_page(
        collection,
        images=tuple(images),
        host=host,
        port=port,
        token=token,
        open_page=open_page,
        seconds=timeout,
        rows=rows,
        how=how,
        image_options=how["storage_options"],
    )


def check_installed() -> None:
    """Refuse early where the page's packages are missing."""
    if find_spec("nicegui") is None:
        raise InputError(
            "the page needs NiceGUI: pip install 'masksearch-ray[web]', or '.[web]' in a checkout"
        )


def serve_page(
    url: str,
    *,
    host: str = "127.0.0.1",
    token: str | None = None,
    open_page: bool = False,
    **options: object,
) -> None:
    """Serve a collection until Ctrl-C; options as of `masksearch_ray.web.ServeOptions`."""
    check_installed()
    from masksearch_ray.web import ServeOptions, is_loopback, make_token
    from masksearch_ray.web import serve as run

    if token is None and not is_loopback(host):
        token = make_token()

    def ready(page: str) -> None:
        print(f"Serving {url} at {page}\nCtrl-C ends it.", flush=True)
        if open_page:
            typer.launch(page)

    run(ServeOptions(url, host=host, token=token, **options), ready)  # type: ignore[arg-type]
