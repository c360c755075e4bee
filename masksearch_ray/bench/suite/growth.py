"""Section: time against masks, workers and shards."""

from __future__ import annotations

from collections.abc import Sequence

from masksearch_ray.bench.columns import BoundsTimes, time_growth
from masksearch_ray.bench.contenders import Measured
from masksearch_ray.bench.documents import told_seconds, told_table
from masksearch_ray.bench.engine import growth
from masksearch_ray.bench.questions import filters
from masksearch_ray.bench.simulate import QUESTIONS, SimulatedRun, SimulateOptions, simulate
from masksearch_ray.bench.suite.report import Section, Target, told_times
from masksearch_ray.bench.suite.setting import Setting
from masksearch_ray.render import Chart, Curve

__all__ = ["measure"]

ENGINE, NUMPY = "engine", "NumPy, masks in memory"
_SIMULATED = ("filter, 10 rows a shard", "top 25")
_CONSTANT = 1.5  # how much dearer a shard may get, from 10 shards on


def measure(setting: Setting) -> Section:
    """End to end for more and more masks; bounds for millions; the coordinator for many shards."""
    dataset = setting.dataset
    sizes = growth(dataset.images)
    engine, numpy = [], []
    for images, version in sizes.items():
        asked = filters(dataset, ("constant",), ((0.6, 1.0),), (0.01,), images=images)
        engine += setting.ask(ENGINE, asked, version)
        numpy += setting.scan(NUMPY, "NumPy", asked, in_memory=True)
    setting.note(f"bounds of up to {setting.options.bounded:,} masks")
    options = setting.options
    bounds = setting.apart(
        time_growth, options.drawn, options.bounded, options.dataset.seed, options.repeats
    )
    setting.note("shards at the coordinator")
    questions = tuple(q for q in QUESTIONS if q.name in _SIMULATED)
    runs = simulate(SimulateOptions(shards=options.shards, fans=(1,), questions=questions))
    tables = {
        "growth-masks": _masks(list(sizes), engine, numpy),
        "growth-bounds": _bounds(bounds),
        "growth-shards": _shards(runs),
        "growth-workers": _workers(setting),
    }
    charts = _charts(list(sizes), engine, numpy, bounds, runs)
    return Section("growth", _targets(runs), tables, charts)


def _targets(runs: Sequence[SimulatedRun]) -> tuple[Target, ...]:
    targets = []
    for question in dict.fromkeys(run.question for run in runs):
        some = [run for run in runs if run.question == question and run.shards >= 10]
        some = some or [run for run in runs if run.question == question]
        more = some[-1].a_shard / some[0].a_shard
        targets.append(
            Target(
                f"coordinator, {question}: its work a shard, {some[-1].shards:,} shards "
                f"by {some[0].shards:,}",
                f"constant (<= {_CONSTANT} ×)",
                f"{more:.2g} × ({told_seconds(some[-1].a_shard)} a shard)",
                more <= _CONSTANT,
            )
        )
    return tuple(targets)


def _masks(sizes: Sequence[int], engine: Sequence[Measured], numpy: Sequence[Measured]) -> str:
    rows = [
        [
            f"{size:,}",
            told_times(mine),
            told_times(other),
            f"{other.times.median / mine.times.median:,.3g}",
        ]
        for size, mine, other in zip(sizes, engine, numpy, strict=True)
    ]
    return told_table(["masks", ENGINE, NUMPY, "ratio"], rows)


def _bounds(found: Sequence[BoundsTimes]) -> str:
    rows = [
        [f"{one.rows:,}", told_seconds(one.times.median), f"{1e9 * one.a_mask:,.3g}"]
        for one in found
    ]
    return told_table(["masks", "bounds, one core", "ns a mask"], rows)


def _shards(runs: Sequence[SimulatedRun]) -> str:
    rows = [
        [
            run.question,
            f"{run.shards:,}",
            told_seconds(run.coordinator),
            told_seconds(run.a_shard),
            f"{run.messages:,}",
        ]
        for run in runs
    ]
    return told_table(["query", "shards", "coordinator", "a shard", "messages"], rows)


def _workers(setting: Setting) -> str:
    """The same filters on one thread or two workers, where Ray is measured."""
    asked = filters(setting.dataset, ("constant", "full"), ((0.6, 1.0),), (0.01,))
    found = [("threads of this process", setting.ask(ENGINE, asked, setting.first))]
    if setting.options.ray:
        for workers in (1, 2):
            mine = setting.ask(ENGINE, asked, setting.first, runtime="ray", workers=workers)
            name = "1 Ray worker" if workers == 1 else f"{workers} Ray workers"
            found.append((name, mine))
    rows = [[name, *(told_times(m) for m in mine)] for name, mine in found]
    return told_table(["who answers", *(question.name for question in asked)], rows)


def _charts(
    sizes: Sequence[int],
    engine: Sequence[Measured],
    numpy: Sequence[Measured],
    bounds: Sequence[BoundsTimes],
    runs: Sequence[SimulatedRun],
) -> tuple[Chart, ...]:
    shards = []
    for question in dict.fromkeys(run.question for run in runs):
        some = [run for run in runs if run.question == question]
        at = [run.shards for run in some]
        shards.append(Curve(question, at, [1e6 * run.a_shard for run in some]))
    return (
        Chart(
            "A filter, end to end, and bounds alone",
            "masks",
            "ms",
            [
                Curve(NUMPY, sizes, [1e3 * m.times.median for m in numpy]),
                Curve(ENGINE, sizes, [1e3 * m.times.median for m in engine]),
                Curve(
                    "bounds, one core",
                    [one.rows for one in bounds],
                    [1e3 * one.times.median for one in bounds],
                ),
            ],
        ),
        Chart("Coordinator", "simulated shards", "µs a shard", shards),
    )
