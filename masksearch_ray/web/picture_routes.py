"""Routes of pictures: one, or several that lie beside each other in a grid."""

from __future__ import annotations

import base64
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, HTTPException, Path, Query
from fastapi.responses import JSONResponse, Response

from masksearch_ray.errors import CollectionError, InputError, MaskSearchError
from masksearch_ray.render import COLOUR_MAPS, PairShown
from masksearch_ray.web.pictures import Look, Pictures
from masksearch_ray.web.site import Site

__all__ = ["add_pictures", "served"]

# Pictures of a version never change while a server runs: the page's URLs hold the version, and
# which start of the server it is.
_KEEP = {"Cache-Control": "private, max-age=3600, immutable"}
_MOST = 64  # pictures in one answer
_DIGITS = 19  # of an id, which has 64 bits

_log = logging.getLogger("masksearch_ray.web")

Kind = Literal["heat", "pair", "image"]
Draw = Callable[[str], bytes]


@dataclass(frozen=True)
class How:
    """How pictures are drawn, as a URL says it.

    Parameters
    ----------
    size : int
        Longer side at most, pixels.
    map : str
        Colour map of heat maps.
    own : bool
        Whether a heat map's colours go from its own least value to its own greatest.
    at : float
        Value from which on a pixel belongs to a mask of a pair.
    show : str
        What of a pair is told apart.
    of : str
        Column that names the image; files of no other column are shown.
    """

    size: Annotated[int, Query(ge=16, le=1024)] = 160
    map: str = COLOUR_MAPS[0]
    own: bool = False
    at: float = 0.0
    show: PairShown = "all"
    of: Literal["image_path", "clean_path"] = "image_path"

    @property
    def look(self) -> Look:
        """Of heat maps."""
        return Look(self.size, self.map, self.own)

    def drawer(self, pictures: Pictures, kind: Kind) -> Draw:
        """Give what draws a picture by its id; that of a pair is both ids with ``-`` between."""
        match kind:
            case "heat":
                return lambda name: pictures.heat(_number(name), self.look)
            case "image":
                return lambda name: pictures.image(_number(name), self.size, self.of)
            case "pair":
                return lambda name: pictures.pair(*_numbers(name), self.at, self.size, self.show)


def add_pictures(router: APIRouter, site: Site) -> None:
    """Add the routes of pictures.

    Parameters
    ----------
    router : fastapi.APIRouter
    site : Site
    """

    @router.get("/picture/{key}/{version}/{kind}/{name}.png")
    def one(
        key: str,
        version: int,
        kind: Kind,
        name: Annotated[str, Path(pattern=r"^\d+(-\d+)?$")],
        how: Annotated[How, Depends()],
    ) -> Response:
        draw = how.drawer(served(site, key, version).pictures, kind)
        return Response(_drawn(draw, name), media_type="image/png", headers=_KEEP)

    @router.get("/picture/{key}/{version}/{kind}s")
    def several(
        key: str,
        version: int,
        kind: Kind,
        ids: Annotated[str, Query(pattern=r"^[\d,-]+$")],
        how: Annotated[How, Depends()],
    ) -> Response:
        names = ids.split(",")
        if len(names) > _MOST:
            raise HTTPException(422, f"at most {_MOST} pictures are sent together")
        pictures = served(site, key, version).pictures
        if kind == "heat":
            # Masks are read together; one that cannot be read is told of below.
            with contextlib.suppress(MaskSearchError):
                pictures.heats([_number(name) for name in names], how.look)
        draw = how.drawer(pictures, kind)
        # As text, that browsers draw at once; for files they would begin a request each.
        drawn = [_as_text(draw, name) for name in names]
        # What could not be had may be there the next time.
        return JSONResponse(drawn, headers=None if None in drawn else _KEEP)


def served(site: Site, key: str, version: int | None = None) -> Site:
    """Find the collection that a URL names.

    Raises
    ------
    HTTPException
        There is none of this key, or it is served at another version.
    """
    found = site.served(key)
    if found is None:
        raise HTTPException(404, "no such collection is served")
    if version not in (None, found.collection.version):
        raise HTTPException(404, "another version of the collection is served")
    return found


def _numbers(name: str) -> tuple[int, int]:
    first, _, second = name.partition("-")
    return _number(first), _number(second)


def _number(name: str) -> int:
    if not name.isdecimal() or len(name) > _DIGITS:
        raise InputError(f"no picture is called {name!r}")
    return int(name)


def _as_text(draw: Draw, name: str) -> str | None:
    try:
        return base64.b64encode(_drawn(draw, name)).decode("ascii")
    except HTTPException:
        return None


def _drawn(draw: Draw, name: str) -> bytes:
    try:
        return draw(name)
    except MaskSearchError as error:
        if isinstance(error, InputError) and not isinstance(error, CollectionError):
            raise HTTPException(404, str(error)) from error
        # What it says may name files of this machine.
        _log.warning("a picture cannot be drawn: %s", error)
        raise HTTPException(500, "this picture cannot be drawn") from error
