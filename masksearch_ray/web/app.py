"""The server of the page."""

from __future__ import annotations

import asyncio
import secrets
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import uvicorn
from fastapi import FastAPI
from nicegui import app as app_of_pages
from nicegui import ui
from starlette.middleware.gzip import GZipMiddleware
from starlette.staticfiles import StaticFiles

from masksearch_ray.errors import FailedError
from masksearch_ray.web.explore.page import add_explore
from masksearch_ray.web.frame import STATIC
from masksearch_ray.web.opening import open_site
from masksearch_ray.web.options import ServeOptions, is_loopback
from masksearch_ray.web.routes import make_router
from masksearch_ray.web.scenarios.attacked import add_attacked
from masksearch_ray.web.scenarios.attention import add_attention
from masksearch_ray.web.scenarios.classifier import add_classifier
from masksearch_ray.web.security import Guard
from masksearch_ray.web.site import Site

__all__ = ["make_app", "make_token", "serve"]

_THREADS = 32  # that make tiles and wait; queries have their own
_COMPRESSION = 1
_TICK = 0.02
_GRACE = 2  # seconds that what is being sent may take when the server ends
_RECONNECT = 10.0  # seconds that a page may be cut off before the server forgets it


def make_token() -> str:
    """Make a token that nobody guesses."""
    return secrets.token_urlsafe(24)


def make_app(site: Site) -> FastAPI:
    """Make the application; once a process, as NiceGUI keeps its pages there.

    Parameters
    ----------
    site : Site
    """
    app = FastAPI(title="masksearch", docs_url=None, redoc_url=None, openapi_url=None)
    app.include_router(make_router(site))
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    add_explore(site)
    add_classifier(site)
    add_attacked(site)
    add_attention(site)
    app_of_pages.on_startup(_widen)
    # No storage secret: the page keeps nothing of a person but what the URL says.
    ui.run_with(
        app,
        title="masksearch",
        dark=None,  # as the browser prefers it
        # What its classes mean is in static/masksearch.css.
        tailwind=False,
        # The best that can be had costs tenths of a second for each visitor.
        gzip_middleware_factory=lambda inner: GZipMiddleware(inner, compresslevel=_COMPRESSION),
        reconnect_timeout=_RECONNECT,
        show_welcome_message=False,
    )
    app.add_middleware(Guard, token=site.options.token)
    return app


async def _widen() -> None:
    """Let tiles be made though some pages wait for what is read but once."""
    threads = ThreadPoolExecutor(_THREADS, "page")
    asyncio.get_running_loop().set_default_executor(threads)


def serve(options: ServeOptions, ready: Callable[[str], None] = lambda url: None) -> None:
    """Serve the page until the process is interrupted.

    Parameters
    ----------
    options : ServeOptions
    ready : callable, optional
        Told the URL to open once the server listens.

    Raises
    ------
    MaskSearchError
        The collection cannot be opened, or the port cannot be listened at.
    """
    site = open_site(options)
    try:
        listening = _listen(options.host, options.port)
        config = uvicorn.Config(
            make_app(site),
            log_level="warning",
            access_log=False,
            ws="websockets-sansio",
            server_header=False,
            timeout_graceful_shutdown=_GRACE,
        )
        server = uvicorn.Server(config)
        threading.Thread(target=_warm_up, args=(site, server), daemon=True).start()
        ready(_url(options, listening.getsockname()[1]))
        server.run([listening])
    finally:
        site.close()


def _warm_up(site: Site, server: uvicorn.Server) -> None:
    """Read what the first visitor would wait for: code that is compiled, columns' values.

    Only once the server has started: NiceGUI looks at all objects of the process then, and Python
    fails where another thread is in the middle of making a tuple.
    """
    while not server.started and not server.should_exit:
        time.sleep(_TICK)
    site.warm_up()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(128)
    except OSError as error:
        listening.close()
        told = f"cannot listen at {host}, port {port}: {error.strerror or error}"
        raise FailedError(f"{told}; --port names another, 0 any that is free") from error
    return listening


def _url(options: ServeOptions, port: int) -> str:
    host = "localhost" if is_loopback(options.host) else options.host
    # Nobody else can open the name by which all of this machine's names are meant.
    host = socket.gethostname() if host in ("0.0.0.0", "::") else host
    host = f"[{host}]" if ":" in host else host
    token = "" if options.token is None else f"?token={quote(options.token, safe='')}"
    return f"http://{host}:{port}/{token}"
