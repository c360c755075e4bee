"""Any sequence of operations shows what a dictionary would show."""

from __future__ import annotations

import random
import tempfile
import uuid

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from masksearch_ray.errors import DamagedError, ExistsError, NotFoundError
from masksearch_ray.storage import LocalStorage, MemoryStorage, Storage, open_storage

PARTS = st.sampled_from(["a", "b", "ab", "a-", "a.b", "é"])
# Files and folders differ in name, for on a disk one path cannot be both.
KEYS = st.builds(
    lambda folders, name: "/".join([*folders, f"{name}.bin"]), st.lists(PARTS, max_size=2), PARTS
)
DATA = st.binary(max_size=20)


class StorageMachine(RuleBasedStateMachine):
    storage: Storage

    def make(self) -> Storage:
        raise NotImplementedError

    @initialize()
    def begin(self) -> None:
        self.storage = self.make()
        self.model: dict[str, bytes] = {}

    @rule(key=KEYS, data=DATA)
    def put(self, key: str, data: bytes) -> None:
        self.storage.put(key, data)
        self.model[key] = data

    @rule(key=KEYS, data=DATA)
    def put_if_absent(self, key: str, data: bytes) -> None:
        if key in self.model:
            with pytest.raises(ExistsError):
                self.storage.put_if_absent(key, data)
        else:
            self.storage.put_if_absent(key, data)
            self.model[key] = data

    @rule(key=KEYS)
    def delete(self, key: str) -> None:
        self.storage.delete(key)
        self.model.pop(key, None)

    @precondition(lambda self: self.model)
    @rule(choice=st.randoms(use_true_random=False))
    def delete_something(self, choice: random.Random) -> None:
        self.delete(choice.choice(sorted(self.model)))

    @rule(key=KEYS)
    def get(self, key: str) -> None:
        if key in self.model:
            assert self.storage.get(key) == self.model[key]
            assert self.storage.info(key).size == len(self.model[key])
        else:
            with pytest.raises(NotFoundError):
                self.storage.get(key)

    @precondition(lambda self: self.model)
    @rule(
        choice=st.randoms(use_true_random=False),
        ranges=st.lists(st.tuples(st.integers(0, 22), st.integers(0, 22)), max_size=4),
    )
    def get_ranges(self, choice: random.Random, ranges: list[tuple[int, int]]) -> None:
        key = choice.choice(sorted(self.model))
        data = self.model[key]
        if all(start <= stop <= len(data) for start, stop in ranges):
            found = [bytes(piece) for piece in self.storage.get_ranges(key, ranges)]
            assert found == [data[start:stop] for start, stop in ranges]
        else:
            with pytest.raises(DamagedError):
                self.storage.get_ranges(key, ranges)

    @rule(key=KEYS, length=st.integers(0, 8))
    def list_by_prefix(self, key: str, length: int) -> None:
        prefix = key[:length]
        found = [one.key for one in self.storage.list(prefix)]
        assert found == sorted(name for name in self.model if name.startswith(prefix))

    @rule()
    def reopen(self) -> None:
        self.storage = open_storage(*self.storage.describe())

    @invariant()
    def lists_what_is_there(self) -> None:
        found = [(one.key, one.size) for one in self.storage.list()]
        assert found == sorted((name, len(data)) for name, data in self.model.items())


class LocalMachine(StorageMachine):
    def make(self) -> Storage:
        self.folder = tempfile.TemporaryDirectory()
        return LocalStorage(self.folder.name)

    def teardown(self) -> None:
        self.folder.cleanup()


class MemoryMachine(StorageMachine):
    def make(self) -> Storage:
        return MemoryStorage(f"memory://{uuid.uuid4().hex}")


TestLocalMachine = LocalMachine.TestCase
TestLocalMachine.settings = settings(max_examples=30, stateful_step_count=25, deadline=None)
TestMemoryMachine = MemoryMachine.TestCase
TestMemoryMachine.settings = settings(max_examples=50, stateful_step_count=25, deadline=None)
