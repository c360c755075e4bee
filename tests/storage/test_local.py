from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from masksearch_ray.errors import (
    ExistsError,
    InputError,
    NotFoundError,
    ReadOnlyError,
    StorageError,
)
from masksearch_ray.storage import LocalStorage, Storage, open_storage
from tests.conformance.storage import StorageTests, keys


class TestLocalStorage(StorageTests):
    @pytest.fixture
    def storage(self, tmp_path: Path) -> Storage:
        return LocalStorage(str(tmp_path / "not yet there"))


class TestFileUrl(StorageTests):
    @pytest.fixture
    def storage(self, tmp_path: Path) -> Storage:
        return open_storage((tmp_path / "with space").as_uri())


@pytest.fixture
def local(tmp_path: Path) -> LocalStorage:
    return LocalStorage(str(tmp_path))


def files(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if not p.is_dir())


@pytest.fixture
def locked(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalStorage]:
    """A folder with one object, without write permission, seen by a user who is not root."""
    folder = Path(tempfile.mkdtemp())
    storage = LocalStorage(str(folder))
    storage.put("a", b"kept")
    folder.chmod(0o555)
    is_root = os.geteuid() == 0
    if is_root:  # whom permission bits do not stop
        os.seteuid(65534)
    try:
        yield storage
    finally:
        if is_root:
            os.seteuid(0)
        folder.chmod(0o755)
        shutil.rmtree(folder)


def test_a_read_only_folder_can_be_read(locked: LocalStorage) -> None:
    assert locked.get("a") == b"kept"
    assert keys(locked) == ["a"]


@pytest.mark.parametrize("key", ["a", "b", "new/folder"])
def test_a_read_only_folder_cannot_be_written(locked: LocalStorage, key: str) -> None:
    with pytest.raises(ReadOnlyError, match="no permission to write") as caught:
        locked.put(key, b"x")
    assert caught.value.object == f"{locked.url}/{key}"
    with pytest.raises(ReadOnlyError if key != "a" else ExistsError):
        locked.put_if_absent(key, b"x")
    assert keys(locked) == ["a"]
    assert locked.get("a") == b"kept"


def test_a_read_only_folder_keeps_its_objects(locked: LocalStorage) -> None:
    with pytest.raises(ReadOnlyError):
        locked.delete("a")
    assert locked.get("a") == b"kept"


@pytest.mark.parametrize("operation", ["put", "put_if_absent"])
@pytest.mark.parametrize(
    ("number", "kind", "text"),
    [
        (errno.ENOSPC, StorageError, "no space left"),
        (errno.EDQUOT, StorageError, "no space left"),
        (errno.EROFS, ReadOnlyError, "no permission"),
        (errno.EIO, StorageError, "input/output error"),
    ],
)
def test_a_write_that_fails_half_way_leaves_nothing(
    tmp_path: Path,
    local: LocalStorage,
    monkeypatch: pytest.MonkeyPatch,
    operation: str,
    number: int,
    kind: type[StorageError],
    text: str,
) -> None:
    local.put("old", b"old")
    write = os.write

    def half(descriptor: int, data: memoryview) -> int:
        if len(data) > 50:
            return write(descriptor, data[:50])
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", half)
        with pytest.raises(StorageError, match=text) as caught:
            getattr(local, operation)("some/new", b"x" * 120)
    assert type(caught.value) is kind
    assert caught.value.object == f"{local.url}/some/new"
    assert files(tmp_path) == ["old"]


def test_a_full_disk_keeps_the_object_that_was_to_be_replaced(
    local: LocalStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    local.put("a", b"old")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(StorageError, match="no space left"):
            local.put("a", b"new")
    assert local.get("a") == b"old"
    assert keys(local) == ["a"]


def test_short_writes_are_continued(local: LocalStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:7]))
    local.put("a", [b"0123456789" * 3, b"abc"])
    assert local.get("a") == b"0123456789" * 3 + b"abc"


def test_short_reads_are_continued(local: LocalStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    local.put("a", b"0123456789")
    pread = os.pread
    monkeypatch.setattr(os, "pread", lambda file, size, at: pread(file, min(size, 3), at))
    assert local.get_ranges("a", [(1, 9), (0, 3)]) == [b"12345678", b"012"]


def test_without_hard_links_there_is_no_create(
    tmp_path: Path, local: LocalStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(source: str, target: str) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    with pytest.raises(ReadOnlyError, match="no atomic create"):
        local.put_if_absent("a", b"x")
    assert files(tmp_path) == []


@pytest.mark.parametrize("operation", ["put", "put_if_absent"])
@pytest.mark.parametrize("step", ["fsync", "link", "replace"])
def test_a_writer_that_is_killed_shows_nothing(
    tmp_path: Path, local: LocalStorage, operation: str, step: str
) -> None:
    (tmp_path / "a").mkdir()
    program = (
        "import os, sys\n"
        "from masksearch_ray.storage import LocalStorage\n"
        f"os.{step} = lambda *_: os._exit(9)\n"
        f"LocalStorage(sys.argv[1]).{operation}('a/b', b'half')\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False, timeout=60)
    reached = step == "fsync" or (step == "link") == (operation == "put_if_absent")
    assert done.returncode == (9 if reached else 0)
    assert keys(local) == ([] if reached else ["a/b"])
    if reached:
        assert len(files(tmp_path)) == 1
    local.put("a/b", b"whole")
    assert local.get("a/b") == b"whole"


def test_leftovers_are_no_objects(tmp_path: Path, local: LocalStorage) -> None:
    local.put("a/b", b"x")
    (tmp_path / "a" / ".tmp-123").write_bytes(b"half")
    (tmp_path / ".tmp-folder").mkdir()
    (tmp_path / ".tmp-folder" / "c").write_bytes(b"half")
    assert keys(local) == keys(local, "") == ["a/b"]
    assert keys(local, "a/") == ["a/b"]
    assert keys(local, "a/.t") == []


def test_old_leftovers_are_removed(tmp_path: Path, local: LocalStorage) -> None:
    local.put("a/b", b"x")
    for name in ["a/.tmp-old", ".tmp-old", "a/.tmp-young", "alone/.tmp-old"]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"half")
        if name.endswith("old"):
            os.utime(tmp_path / name, (1e9, 1e9))
    os.utime(tmp_path / "a/b", (1e9, 1e9))
    assert local.remove_leftovers(older_than=60) == 3
    assert files(tmp_path) == ["a/.tmp-young", "a/b"]
    assert not (tmp_path / "alone").exists()
    assert LocalStorage(str(tmp_path / "nowhere")).remove_leftovers(0) == 0


def test_writing_leaves_nothing_but_the_object(tmp_path: Path, local: LocalStorage) -> None:
    local.put("a", b"1")
    local.put("a", b"2")
    local.put_if_absent("b", b"1")
    with pytest.raises(ExistsError):
        local.put_if_absent("b", b"2")
    assert files(tmp_path) == ["a", "b"]


def test_a_lost_race_leaves_nothing(
    tmp_path: Path, local: LocalStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = os.link

    def late(source: str, target: str) -> None:
        Path(target).write_bytes(b"theirs")
        link(source, target)

    monkeypatch.setattr(os, "link", late)
    with pytest.raises(ExistsError):
        local.put_if_absent("a", b"ours")
    assert files(tmp_path) == ["a"]
    assert local.get("a") == b"theirs"


def test_deleting_removes_folders_left_empty_but_not_the_root(
    tmp_path: Path, local: LocalStorage
) -> None:
    local.put("a/b/c", b"x")
    local.put("a/d", b"x")
    local.delete("a/b/c")
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["a", "d"]
    local.delete("a/d")
    assert tmp_path.is_dir()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_pruned_while_it_is_written_to_is_made_again(
    local: LocalStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_file = os.open
    pruned: list[str] = []

    def prune_once(path: str, *args: int) -> int:
        if not pruned and "/.tmp-" in path and os.path.isdir(os.path.dirname(path)):
            pruned.append(path)
            os.rmdir(os.path.dirname(path))
        return open_file(path, *args)

    monkeypatch.setattr(os, "open", prune_once)
    local.put("a/b/c", b"x")
    assert pruned
    assert local.get("a/b/c") == b"x"


def test_an_object_is_no_folder(local: LocalStorage) -> None:
    local.put("a", b"x")
    with pytest.raises(StorageError, match="not a directory"):
        local.put("a/b", b"y")
    local.put("c/d", b"x")
    with pytest.raises(StorageError):
        local.put("c", b"y")
    assert keys(local) == ["a", "c/d"]


def test_a_root_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    storage = LocalStorage(str(tmp_path / "file"))
    assert keys(storage) == []
    with pytest.raises(NotFoundError):
        storage.get("a")
    with pytest.raises(StorageError):
        storage.put("a", b"x")


def test_links_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    (tmp_path / "else").mkdir()
    (tmp_path / "else" / "mask.npy").write_bytes(b"12345")
    root = tmp_path / "root"
    root.mkdir()
    (root / "folder").symlink_to(tmp_path / "else")
    (root / "mask.npy").symlink_to(tmp_path / "else" / "mask.npy")
    (root / "circle").symlink_to(root)
    (root / "broken").symlink_to(tmp_path / "nowhere")
    os.mkfifo(root / "pipe")
    found = list(LocalStorage(str(root)).list())
    assert [(one.key, one.size) for one in found] == [("folder/mask.npy", 5), ("mask.npy", 5)]


def test_a_name_that_is_no_text_is_listed_but_refused(tmp_path: Path, local: LocalStorage) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.npy")).write_bytes(b"x")
    (key,) = keys(local)
    with pytest.raises(InputError, match="no text") as caught:
        local.get(key)
    str(caught.value).encode()


def test_the_url_is_the_absolute_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    storage = open_storage("some/masks")
    assert storage.url == str(tmp_path / "some" / "masks")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert open_storage("~/masks").url == str(tmp_path / "masks")


@pytest.mark.parametrize("url", ["file://server/share", "file:relative", "file://"])
def test_file_urls_that_cannot_be(url: str) -> None:
    with pytest.raises(InputError, match="absolute path"):
        open_storage(url)
