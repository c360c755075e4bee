from __future__ import annotations

import uuid

import pytest

from masksearch_ray.errors import InputError
from masksearch_ray.storage import MemoryStorage, Storage, open_storage
from tests.conformance.storage import StorageTests


class TestMemoryStorage(StorageTests):
    @pytest.fixture
    def storage(self) -> Storage:
        return MemoryStorage(f"memory://{uuid.uuid4().hex}")


class TestMemoryStorageBelowAPrefix(StorageTests):
    @pytest.fixture
    def storage(self) -> Storage:
        name = uuid.uuid4().hex
        MemoryStorage(f"memory://{name}").put("deep", b"beside the prefix")
        return MemoryStorage(f"memory://{name}/deep/er/")


def test_names_are_apart() -> None:
    one, other = (open_storage(f"memory://{uuid.uuid4().hex}") for _ in range(2))
    one.put("a", b"x")
    assert list(other.list()) == []


@pytest.mark.parametrize("url", ["memory://", "memory:///", "memory://name/../other"])
def test_bad_url(url: str) -> None:
    with pytest.raises(InputError):
        open_storage(url)
