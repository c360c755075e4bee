"""Reading images and writing pictures."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from masksearch_ray.errors import DataError
from masksearch_ray.render.colour import RGB

__all__ = ["png_bytes", "read_image", "resize", "write_png"]


def read_image(source: str | Path | bytes, shape: tuple[int, int] | None = None) -> RGB:
    """Read an image file of any common format.

    Parameters
    ----------
    source : str, Path or bytes
        Path of the file, or its content.
    shape : tuple of int, optional
        ``(height, width)`` to bring the image to, such as the mask's.

    Returns
    -------
    ndarray of uint8, shape (H, W, 3)
        The image; transparency is dropped.

    Raises
    ------
    DataError
        No file there, or not an image.
    """
    name = "the image" if isinstance(source, bytes) else str(source)
    stream = io.BytesIO(source) if isinstance(source, bytes) else source
    try:
        with Image.open(stream) as file:
            picture = np.asarray(file.convert("RGB"))
    except FileNotFoundError:
        raise DataError(f"{name}: no image there") from None
    except UnidentifiedImageError:
        raise DataError(f"{name}: cannot be read as an image (of no known format)") from None
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"{name}: cannot be read as an image ({error})") from error
    return picture if shape is None else resize(picture, shape)


def resize(picture: RGB, shape: tuple[int, int]) -> RGB:
    """Bring a picture to another size, smoothly.

    Parameters
    ----------
    picture : ndarray of uint8, shape (H, W, 3)
        The picture; returned as it is where it has the size already.
    shape : tuple of int
        ``(height, width)`` asked for.

    Returns
    -------
    ndarray of uint8, shape (height, width, 3)
        The picture in its new size.
    """
    if picture.shape[:2] == tuple(shape):
        return picture
    height, width = shape
    image = Image.fromarray(picture).resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(image)


def png_bytes(picture: RGB) -> bytes:
    """Encode a picture as PNG.

    Parameters
    ----------
    picture : ndarray of uint8, shape (H, W, 3) or (H, W)
        Colours, or grey levels.

    Returns
    -------
    bytes
        The file's content; the same picture gives the same bytes.
    """
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, format="PNG")
    return stream.getvalue()


def write_png(path: str | Path, picture: RGB) -> None:
    """Write a picture as a PNG file, replacing one that is there.

    Parameters
    ----------
    path : str or Path
        Where to; the folder exists.
    picture : ndarray of uint8, shape (H, W, 3) or (H, W)
        Colours, or grey levels.
    """
    Path(path).write_bytes(png_bytes(picture))
