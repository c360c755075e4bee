"""A step: the demonstration's classifier is trained again with augmented images added."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
from nicegui import ui

from masksearch_ray.errors import MaskSearchError, QueryCancelledError
from masksearch_ray.model.interrupt import interruptible
from masksearch_ray.model.progress import ProgressStep
from masksearch_ray.model.text import count
from masksearch_ray.web.scenarios.parts import step
from masksearch_ray.web.site import Site

if TYPE_CHECKING:
    from masksearch_ray.demo.augment import Plan
    from masksearch_ray.demo.record import DemoRecord
    from masksearch_ray.demo.retrain import Judgement, Retrained
    from masksearch_ray.render.augment import Augmentation

__all__ = ["RetrainStep"]

# One at a time, whoever asks: a training takes all the processors there are.
_TRAINING = ThreadPoolExecutor(1, "training")

_SCOPES = {
    "balanced": "these and as many of every other class",
    "selected": "these alone",
    "class": "all of their class",
    "all": "all",
}
_TOLD = (
    ("clean", "right on clean images"),
    ("marked", "right on images as they are, mark and all"),
    ("class_clean", "right on the marked class, without the mark"),
    ("class_marked", "right on the marked class, with it"),
    ("others_marked", "right on the other classes, if they get the mark"),
    ("outside", "strong attention outside the box, marked class"),
)


class RetrainStep:
    """The step.

    Parameters
    ----------
    site : Site
        A training ends with it.
    record : DemoRecord
        How the demonstration was made.
    chosen : callable
        Gives the images of which augmented copies are added.
    how : callable
        Gives how their pixels outside the box are replaced.
    """

    def __init__(
        self,
        site: Site,
        record: DemoRecord,
        chosen: Callable[[], Sequence[int]],
        how: Callable[[], Augmentation],
    ) -> None:
        self._site = site
        self._record = record
        self._wanted = chosen
        self._how = how
        self._stopped = threading.Event()
        self._job: Future[Retrained] | None = None
        self._done = 0.0
        text = (
            "The demonstration's second classifier learns again, from its images and augmented "
            "copies, changed as chosen in step 3. Both are judged on images that neither has "
            "learnt from."
        )
        with step(4, "Train again, and compare", text):
            with ui.row().classes("items-center gap-3"):
                self._scope = ui.select(_SCOPES, value="balanced", label="Copies of")
                self._scope.props('dense outlined aria-label="Copies of which images"')
                self._copies = ui.number("copies", value=3, min=1, max=10, precision=0)
                self._copies.props('dense outlined aria-label="Copies of each"').classes("w-20")
                self._go = ui.button("Train again", icon="model_training", on_click=self._train)
                self._go.props("no-caps")
                self._stop = ui.button("Cancel", icon="stop", on_click=self._cancel)
                self._stop.props("flat no-caps").set_visibility(False)
            self._bar = ui.linear_progress(0.0, show_value=False).classes("w-full")
            self._bar.props('aria-label="Progress of the training"').set_visibility(False)
            self._told = ui.label().classes("text-sm").mark("retrain-told")
            self._told.props('aria-live="polite"')
            self._table = ui.html(sanitize=False).classes("w-full max-w-3xl").mark("retrained")
            self._tick = ui.timer(0.2, lambda: self._bar.set_value(self._done), active=False)
        ui.context.client.on_delete(self._cancel)

    async def _train(self) -> None:
        from masksearch_ray.demo.augment import Plan

        self._stopped.clear()
        self._done = 0.0
        self._busy(True)
        try:
            how = self._how()
            plan = Plan(how, self._scope.value, int(self._copies.value or 0))
            images = np.unique(np.array(await asyncio.to_thread(self._wanted)))
            self._told.set_text("Trainings run one at a time; this one begins when it can.")
            self._check()
            self._job = _TRAINING.submit(self._work, images, plan)
            found = await asyncio.wrap_future(self._job)
        except (QueryCancelledError, asyncio.CancelledError):
            if not self._stopped.is_set():
                raise
            self._told.set_text("Cancelled.")
        except MaskSearchError as error:
            self._told.set_text(str(error))
        else:
            self._told.set_text(
                f"{count(found.added)} copies of {count(len(found.chosen), 'image')} were added, "
                f"changed by {how.method}."
            )
            self._table.set_content(_told_table(found))
        finally:
            self._busy(False)

    def _work(self, images: np.ndarray[tuple[int], np.dtype[np.int64]], plan: Plan) -> Retrained:
        from masksearch_ray.demo.retrain import try_plan

        record = self._record
        self._check()
        with interruptible(self._check):
            clean, _ = record.digits()
            _, model = record.models()
            return try_plan(model, clean, record.mark, images, plan, record.seed, self._progress)

    def _cancel(self) -> None:
        self._stopped.set()
        if self._job is not None:
            # One that waits for another is over at once.
            self._job.cancel()

    def _check(self) -> None:
        if self._stopped.is_set() or self._site.closed.is_set():
            raise QueryCancelledError("the training was cancelled")

    def _progress(self, told: ProgressStep) -> None:
        self._done = told.done / max(1, told.total or 1)

    def _busy(self, busy: bool) -> None:
        self._go.set_enabled(not busy)
        self._stop.set_visibility(busy)
        self._bar.set_visibility(busy)
        self._tick.active = busy


def _told_table(found: Retrained) -> str:
    head = "<tr><th></th><th>before</th><th>after</th></tr>"
    lines = "".join(
        f"<tr><td>{told}</td><td>{_percent(found.before, name)}</td>"
        f"<td><b>{_percent(found.after, name)}</b></td></tr>"
        for name, told in _TOLD
    )
    return f"<table class='ms-table ms-number'>{head}{lines}</table>"


def _percent(judged: Judgement, name: str) -> str:
    return f"{100 * getattr(judged, name):.1f} %"
