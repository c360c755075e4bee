"""Images of masks, by the paths that a collection names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from masksearch_ray.errors import DataError
from masksearch_ray.render import RGB, read_image
from masksearch_ray.storage import open_storage

__all__ = ["Images"]

_FILE = "file://"


class Images:
    """Reads images.

    Parameters
    ----------
    folders : sequence of Path
        Where relative paths begin, those after the first where there is no such file before; by
        default the working folder.
    options : mapping
        Of the storage where images are URLs.
    confined : bool
        Refuse what does not lie below one of the folders, wherever a path or a symbolic link in it
        leads. Without folders nothing is refused.
    """

    def __init__(
        self, folders: Sequence[Path], options: Mapping[str, Any], *, confined: bool = False
    ) -> None:
        self._folders = tuple(folders)
        self._options = dict(options)
        self._confined = confined and bool(folders)

    def read(self, path: str) -> RGB:
        """Read an image.

        Parameters
        ----------
        path : str
            As the collection names it: relative, absolute, or a URL.

        Returns
        -------
        ndarray of uint8, shape (H, W, 3)

        Raises
        ------
        DataError
            There is none, it cannot be read, or it is none that may be.
        StorageError
            A URL cannot be read.
        """
        if "://" in path and not (self._confined and path.startswith(_FILE)):
            if self._confined:
                raise DataError(f"{path}: not below a folder of images")
            parent, _, name = path.rpartition("/")
            options = {} if path.startswith(_FILE) else self._options
            return read_image(open_storage(parent, options).get(name))
        local = unquote(urlsplit(path).path) if path.startswith(_FILE) else path
        return read_image(self._found(local))

    def _found(self, path: str) -> Path:
        """Where it lies: in the first folder that has it."""
        folders = self._folders or (Path(),)
        places = [folder / path for folder in folders]
        try:
            place = next((place for place in places if place.exists()), places[0])
            real = place.resolve()
            inside = any(real.is_relative_to(folder.resolve()) for folder in folders)
        except (OSError, RuntimeError, ValueError) as error:  # links that go round, odd names
            raise DataError(f"{path}: cannot be looked for ({error})") from error
        if self._confined and not inside:
            raise DataError(f"{path}: not below a folder of images")
        return real if self._confined else place
