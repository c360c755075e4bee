"""Which row of some metadata speaks of which mask: by path, base name or stem."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Sequence

from masksearch_ray.collection.sources.files import SUFFIXES
from masksearch_ray.collection.sources.location import suffix_of
from masksearch_ray.errors import DataError

__all__ = ["IMAGE_SUFFIXES", "NameIndex", "image_id_of", "listed"]

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".gif", ".tif", ".tiff")
_KNOWN = {*SUFFIXES, *IMAGE_SUFFIXES}
_AMBIGUOUS = -1
_SHOWN = 5


class NameIndex:
    """Finds the row that is named after a mask, whatever suffix and folders its name has.

    Parameters
    ----------
    names : sequence of str
        Of the rows, in order; paths, base names or stems.
    what : str
        What holds the rows, for errors.

    Raises
    ------
    DataError
        If two rows have one name.
    """

    def __init__(self, names: Sequence[str], what: str) -> None:
        self._names = names
        self.what = what
        self._exact = {name: row for row, name in enumerate(names)}
        if len(self._exact) < len(names):
            raise DataError(f"{what}: more than one row for {listed(_repeated(names))}")
        self._loose: dict[str, int] = {}
        for row, name in enumerate(names):
            for form in _forms(name):
                if self._loose.setdefault(form, row) != row:
                    self._loose[form] = _AMBIGUOUS
        self._by_form: dict[str, list[int]] | None = None
        self._with_parts = {name.rpartition("#")[0] for name in names if "#" in name}

    def find(self, key: str, lone: bool = False) -> int | None:
        """Row that a mask belongs to.

        Parameters
        ----------
        key : str
            Of the mask, as its source names it.
        lone : bool
            Whether all masks are parts of one file or array, so that a part's own name or number
            will do.

        Raises
        ------
        DataError
            If two rows fit equally well.
        """
        file, part = _split(key)
        forms = list(_forms(file))
        wanted = [f"{form}#{part}" for form in forms] if part else []
        for form in (*wanted, *forms, *([part] if part and lone else [])):
            row = self._exact.get(form, self._loose.get(form))
            if row == _AMBIGUOUS:
                fits = [name for name in self._names if form in _forms(name)]
                raise DataError(f"{self.what}: {listed(fits)} all fit {key}; give their paths")
            if row is not None:
                return row
        return None

    def near(self, names: Iterable[str], lone: bool = False) -> list[int]:
        """Rows, ascending, on which finding these masks, or masks in these files, depends.

        An index of these rows alone finds for each of them what this one finds.
        """
        if self._by_form is None:
            self._by_form = {}
            for row, name in enumerate(self._names):
                for form in {stem for spelt in _forms(name) for stem in _stems(spelt)}:
                    self._by_form.setdefault(form, []).append(row)
        rows: set[int] = set()
        for key in names:
            file, part = _split(key)
            wanted = [*_forms(key), *_forms(file), *([part] if part and lone else [])]
            rows.update(row for form in wanted for row in self._by_form.get(form, ()))
        return sorted(rows)

    def part(self, rows: Sequence[int]) -> NameIndex:
        """Index of some of the rows, numbered anew."""
        return NameIndex([self._names[row] for row in rows], self.what)

    def may_find(self, file: str) -> bool:
        """Whether there may be a row for every mask in a file."""
        forms = set(_forms(file))
        known = (self._exact, self._loose, self._with_parts)
        return any(form in names for form in forms for names in known)


def image_id_of(key: str) -> str:
    """Image that a mask is about by its name: the stem of its file, and its part."""
    file, part = _split(key)
    stem = posixpath.splitext(posixpath.basename(file))[0]
    return f"{stem}#{part}" if part else stem


def listed(names: Sequence[str]) -> str:
    """Name the first few of some names."""
    shown = ", ".join(names[:_SHOWN])
    return f"{shown} and {len(names) - _SHOWN} more" if len(names) > _SHOWN else shown


def _split(key: str) -> tuple[str, str]:
    """Split the key of one of several masks in a file into the file's path and the part."""
    if "#" not in key or suffix_of(key) in _KNOWN:
        return key, ""
    file, _, part = key.rpartition("#")
    return file, part


def _stems(form: str) -> Iterator[str]:
    """Yield a form, and what stands before each mark of a part in it."""
    yield form
    while "#" in form:
        form = form.rpartition("#")[0]
        yield form


def _forms(name: str) -> Iterator[str]:
    """Spellings of a path, the most exact first."""
    bare = name[: -len(suffix_of(name))] if suffix_of(name) in _KNOWN else name
    yield from dict.fromkeys((name, bare, posixpath.basename(name), posixpath.basename(bare)))


def _repeated(names: Sequence[str]) -> list[str]:
    seen: set[str] = set()
    return list(dict.fromkeys(name for name in names if name in seen or seen.add(name)))  # type: ignore[func-returns-value]
