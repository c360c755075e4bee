"""Opening what is served: a collection, and where it is the demonstration's, what belongs to it."""

from __future__ import annotations

import logging
from dataclasses import replace
from importlib.util import find_spec
from typing import TYPE_CHECKING

from masksearch_ray.errors import CollectionError, MaskSearchError
from masksearch_ray.web.options import ServeOptions
from masksearch_ray.web.site import Site

if TYPE_CHECKING:
    from masksearch_ray.demo.record import DemoRecord

__all__ = ["open_site"]

_log = logging.getLogger("masksearch_ray.web")


def open_site(options: ServeOptions) -> Site:
    """Open a collection to be served.

    Parameters
    ----------
    options : ServeOptions

    Returns
    -------
    Site
        With the demonstration's record, and its attacked images beside its masks.
    """
    site = Site(options)
    site.record = record = _demo_record(options)
    if record is not None and record.part == "masks" and record.home:
        key = "attacked"
        try:
            # A version that was asked for is one of the masks.
            how = {name: value for name, value in options.how.items() if name != "version"}
            site.beside[key] = Site(replace(options, url=f"{record.home}/{key}", how=how), key)
        except CollectionError:
            _log.info("no collection of attacked images beside %s", options.url)
        except BaseException:
            site.close()
            raise
    return site


def _demo_record(options: ServeOptions) -> DemoRecord | None:
    """How the demonstration made what is served; None where it did not, or is not installed."""
    if find_spec("sklearn") is None or find_spec("threadpoolctl") is None:
        return None
    from masksearch_ray.demo.record import recall

    try:
        return recall(options.url, options.how.get("storage_options"))
    except MaskSearchError:
        return None
