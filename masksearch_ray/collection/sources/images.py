"""Masks from gray .png and .tif files."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from PIL import Image, UnidentifiedImageError

from masksearch_ray.collection.sources.types import Mask
from masksearch_ray.collection.values import check_size
from masksearch_ray.errors import DataError

T = TypeVar("T")

__all__ = ["PNG_HEADER", "PngHeader", "read_png", "read_png_header", "read_tiff"]

PNG_HEADER = 33
"""Bytes from which the size and kind of a .png file are known."""

_SIGNATURE = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
_PNG_COLOURS = {2: "RGB", 3: "palette", 4: "gray with transparency", 6: "RGBA"}
# Pillow stretches 2 and 4 bits to 8, which keeps every pixel's place in the value domain.
_PNG_DTYPES = {1: "bool", 2: "uint8", 4: "uint8", 8: "uint8", 16: "uint16"}

_BITS, _PHOTOMETRIC = 258, 262  # TIFF tags
_TIFF_KINDS = {
    ("1", 1): "bool",
    ("L", 2): "uint8",
    ("L", 4): "uint8",
    ("L", 8): "uint8",
    ("I;16", 16): "uint16",
    ("I;16B", 16): "uint16",
    ("F", 32): "float32",
}


@dataclass(frozen=True)
class PngHeader:
    """Shape in pixels and dtype of the mask in a gray .png file."""

    height: int
    width: int
    dtype: str


def read_png_header(data: bytes | memoryview, name: str) -> PngHeader:
    """Read the first `PNG_HEADER` bytes of a .png file.

    Raises
    ------
    DataError
        If it is no .png file, or not a gray one, or has too many pixels.
    """
    head = bytes(data[:PNG_HEADER])
    if len(head) < PNG_HEADER or not head.startswith(_SIGNATURE):
        raise DataError(f"{name}: not a .png file, or a truncated one")
    colour, bits = head[25], head[24]
    if colour in _PNG_COLOURS:
        raise DataError(f"{name}: a {_PNG_COLOURS[colour]} picture; a mask is gray (one channel)")
    if colour != 0 or bits not in _PNG_DTYPES:
        raise DataError(f"{name}: a damaged .png header")
    width, height = int.from_bytes(head[16:20]), int.from_bytes(head[20:24])
    check_size(height, width, name)
    return PngHeader(height, width, _PNG_DTYPES[bits])


def read_png(data: bytes | memoryview, name: str) -> Mask:
    """Decode a gray .png: 1 bit to bool, up to 8 bits to uint8, 16 bits to uint16.

    Raises
    ------
    DataError
        If it is damaged, truncated, animated or not gray.
    """
    header = read_png_header(data, name)

    def decode(image: Image.Image) -> Mask:
        if getattr(image, "n_frames", 1) > 1:
            raise DataError("an animated picture; a mask is one picture")
        return np.asarray(image).astype(header.dtype, copy=False)

    return _decode(data, name, "PNG", decode)


def read_tiff(data: bytes | memoryview, name: str) -> list[Mask]:
    """Decode the pages of a gray .tif: bool, uint8, uint16 or float32.

    Raises
    ------
    DataError
        If it is damaged, truncated, not gray, or of another type.
    """
    return _decode(data, name, "TIFF", lambda image: list(_pages(image)))


def _pages(image: Image.Image) -> Iterator[Mask]:
    for page in range(getattr(image, "n_frames", 1)):
        image.seek(page)
        tags = image.tag_v2  # type: ignore[attr-defined]
        bits = tags.get(_BITS, (1,))
        dtype = _TIFF_KINDS.get((image.mode, bits[0])) if len(bits) == 1 else None
        check_size(image.height, image.width, f"page {page}")
        # Pillow turns "0 is white" round for up to 8 bits only.
        if dtype is None or (tags.get(_PHOTOMETRIC) == 0 and bits[0] > 8):
            kind = f"mode {image.mode}, {'+'.join(map(str, bits))} bits"
            raise DataError(f"{kind}; a mask is gray, of 1, 8 or 16 bits or float32")
        yield np.array(image).astype(dtype, copy=False)


def _decode(
    data: bytes | memoryview, name: str, kind: str, decode: Callable[[Image.Image], T]
) -> T:
    try:
        with Image.open(io.BytesIO(data), formats=[kind]) as image:
            return decode(image)
    except DataError as error:
        raise DataError(f"{name}: {error}") from None
    except UnidentifiedImageError as error:  # names the object that Pillow read from
        raise DataError(f"{name}: unreadable or truncated: no {kind} picture") from error
    except Exception as error:  # decoders of damaged files raise whatever they stumble over
        raise DataError(f"{name}: unreadable or truncated picture: {error}") from error
