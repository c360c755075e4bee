"""A client: it asks and changes, one thing after another, and counts."""

from __future__ import annotations

import random
import threading
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import masksearch_ray as ms
from masksearch_ray.errors import FailedError
from masksearch_ray.runtime.types import Runtime
from tests.oracle.collection import Collection as Held
from tests.oracle.compare import check
from tests.oracle.draw import NumpyDraw
from tests.oracle.strategies import make_case
from tests.soak.life import NEW, Life

__all__ = ["CHANGES", "Client", "Scene", "Totals"]

CHANGES = {
    "append": "appends",
    "delete": "deletes",
    "compact": "compactions",
    "vacuum": "vacuums",
    "index": "indexes built",
}
"""Kinds of changes, and what those that were made are counted as."""

KEPT_ROWS = 60  # beyond which nothing is appended: the oracle is slow
GRACE = 60.0  # seconds that vacuum spares


@dataclass
class Totals:
    """What has happened so far."""

    counts: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, what: str, times: int = 1) -> None:
        with self.lock:
            self.counts[what] += times

    def wrong(self, what: str, text: str) -> None:
        with self.lock:
            self.counts[what] += 1
            self.problems.append(text)

    def missing(self) -> list[str]:
        """What has not happened once: a soak in which nothing is answered shows nothing."""
        with self.lock:
            return [what for what in ("answers", *CHANGES.values()) if not self.counts[what]]

    def verdict(self) -> list[str]:
        """What was wrong, if anything."""
        return [*self.problems, *(f"in the whole run no {what}" for what in self.missing())]

    def text(self) -> str:
        with self.lock:
            return ", ".join(f"{times} {what}" for what, times in sorted(self.counts.items()))


class Scene(Protocol):
    """What clients share."""

    seed: int
    totals: Totals
    over: threading.Event
    runtime: Runtime
    life: Life


class Client:
    """Asks and changes, one thing after another."""

    def __init__(self, scene: Scene, number: int) -> None:
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.scene, self.totals = scene, scene.totals
        self.rng = random.Random(f"{scene.seed}-{number}")
        self.number, self.asked, self.alive = number, 0, time.monotonic()

    def _run(self) -> None:
        while not self.scene.over.is_set():
            life = self.scene.life
            try:
                with self._opened(life, None) as opened:
                    while life is self.scene.life and not self.scene.over.is_set():
                        self.alive = time.monotonic()
                        self._step(life, opened)
                        if life.given_up.is_set() or self.rng.random() < 0.05:
                            break
            except ms.QueryTimeoutError:
                self._late(life)
            except FailedError as error:
                self.totals.add(f"{type(error).__name__}s")
            except Exception:
                self.totals.wrong("unexpected errors", f"{life.url}\n{traceback.format_exc()}")
            if life.given_up.is_set():
                self.scene.over.wait(0.2)
        self.alive = float("inf")

    def _late(self, life: Life) -> None:
        """Count what took as long as a hang would."""
        self.totals.wrong("queries out of time", f"{life.url}\n{traceback.format_exc()}")

    def _opened(self, life: Life, version: int | None) -> ms.Collection:
        return ms.open(life.url, self.scene.runtime, storage_options=life.options, version=version)

    def _step(self, life: Life, opened: ms.Collection) -> None:
        what = self.rng.choices(
            ["ask", "append", "delete", "compact", "vacuum", "look back", "index"],
            [80, 9, 4, 2, 2, 2, 1],
        )[0]
        missing = self.totals.missing()
        lacking = [change for change, counted in CHANGES.items() if counted in missing]
        if lacking and self.rng.random() < 0.3:
            what = self.rng.choice(["append", *lacking])  # there must be rows to delete and merge
        if what == "ask":
            opened.refresh()
            self._ask(life, opened)
        elif what == "look back":
            version = max(life.first, opened.version - self.rng.randrange(3))
            with self._opened(life, version) as old:
                self._ask(life, old)
        else:
            self._change(what, life, opened)

    def _ask(self, life: Life, opened: ms.Collection) -> None:
        held = life.state(opened.version)
        if held is None:
            return
        self.asked += 1
        case = make_case(NumpyDraw([life.seed, self.number, self.asked]), held)
        use_index = self.rng.random() < 0.9

        def ask(text: str, given: Any, roi: Any) -> Any:
            table = opened.sql(text, given, roi=roi, use_index=use_index, timeout=120).table
            self.totals.add("answers")
            return table

        try:
            check(case, ask, (ms.QueryError,))
        except AssertionError as error:
            told = f"{life.url} seed {life.seed} version {opened.version}: {error}\n{case!r}"
            self.totals.wrong("differences", told)
        self.totals.add("queries")

    def _change(self, what: str, life: Life, opened: ms.Collection) -> None:
        try:
            getattr(self, f"_{what}")(life, opened)
        except ms.ConflictError:
            self.totals.add("conflicts")
        except ms.QueryTimeoutError:
            self._late(life)
            life.give_up()
        except FailedError as error:
            self.totals.add(f"{type(error).__name__}s in changes")
            life.give_up()

    def _append(self, life: Life, opened: ms.Collection) -> None:
        if len(opened) > KEPT_ROWS:
            return
        more = life.more(self.rng)
        report = opened.append(more.masks, more.table())
        life.happened(
            report.version,
            lambda held: replace(
                held, masks=[*held.masks, *more.masks], rows=[*held.rows, *more.rows]
            ),
        )
        self.totals.add("appends")

    def _delete(self, life: Life, opened: ms.Collection) -> None:
        part, model = self.rng.randrange(4), self.rng.randint(1, 3)
        low = NEW + part * 8
        report = opened.delete(
            "mask_id BETWEEN :low AND :high AND model_id = :model",
            low=low, high=low + 7, model=model,
        )  # fmt: skip
        if report.rows:
            life.happened(report.version, lambda held: _without(held, low, model))
            self.totals.add("deletes")

    def _compact(self, life: Life, opened: ms.Collection) -> None:
        report = opened.compact(threads=1)
        if report.merged:
            life.happened(report.version, lambda held: held)
            self.totals.add("compactions")

    def _vacuum(self, life: Life, opened: ms.Collection) -> None:
        opened.vacuum(keep_versions=3, older_than=GRACE)
        self.totals.add("vacuums")

    def _index(self, life: Life, opened: ms.Collection) -> None:
        opened.build_index([(1, 1, 9, self.rng.randint(5, 12))], 7, threads=1)
        self.totals.add("indexes built")


def _without(held: Held, low: int, model: int) -> Held:
    kept = [
        n
        for n, row in enumerate(held.rows)
        if not (low <= row["mask_id"] <= low + 7 and row["model_id"] == model)
    ]
    return replace(held, masks=[held.masks[n] for n in kept], rows=[held.rows[n] for n in kept])
