"""What was measured, as tables of a document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from masksearch_ray.bench.contenders import Measured
from masksearch_ray.bench.documents import filled, told_bytes, told_seconds, told_table
from masksearch_ray.bench.questions import Question
from masksearch_ray.bench.suite.setting import Setting
from masksearch_ray.errors import InputError
from masksearch_ray.render import Chart, chart_png

__all__ = [
    "Section",
    "SuiteReport",
    "Target",
    "check_docs",
    "floors",
    "limit",
    "measured_of",
    "ratio",
    "targets_table",
    "times_table",
    "told_times",
    "verified_table",
    "write_report",
]

DOCUMENT = "benchmarks.md"
CHART = "images/benchmarks.png"


@dataclass(frozen=True)
class Target:
    """One thing that is aimed at.

    Parameters
    ----------
    what, wanted, reached : str
    met : bool or None
        None: it could not be measured here; `reached` says why.
    limit : str
        What the machine could do at most, measured in the same run, and how far that is.
    """

    what: str
    wanted: str
    reached: str
    met: bool | None
    limit: str = "–"


@dataclass(frozen=True)
class Section:
    """What one part of the benchmark found.

    Parameters
    ----------
    name : str
    targets : tuple of Target
    tables : mapping of str to str
        Tables in Markdown, by the place of the document that they fill.
    charts : tuple of Chart
    """

    name: str
    targets: tuple[Target, ...] = ()
    tables: Mapping[str, str] = field(default_factory=dict)
    charts: tuple[Chart, ...] = ()


@dataclass(frozen=True)
class SuiteReport:
    """What was found.

    Parameters
    ----------
    sections : tuple of Section
    """

    sections: tuple[Section, ...]

    @property
    def targets(self) -> list[tuple[str, Target]]:
        """All targets, each with the name of its section."""
        return [(section.name, target) for section in self.sections for target in section.targets]

    @property
    def tables(self) -> dict[str, str]:
        """Tables by the place that they fill."""
        found = {}
        for section in self.sections:
            if section.targets:
                found[f"{section.name}-targets"] = targets_table(section.targets)
            found |= section.tables
        return found


def check_docs(docs: Path) -> Path:
    """Where the document of a folder lies.

    Raises
    ------
    InputError
        There is none.
    """
    document = docs / DOCUMENT
    if not document.is_file():
        raise InputError(f"{document}: no such file, whose tables would be filled in")
    return document


def write_report(report: SuiteReport, docs: Path) -> None:
    """Fill in the tables of ``benchmarks.md`` that were measured, and draw its chart.

    Raises
    ------
    InputError
        There is no such document, or it has no places for the tables.
    """
    document = check_docs(docs)
    text = filled(document.read_text(encoding="utf-8"), report.tables)
    charts = [chart for section in report.sections for chart in section.charts]
    if charts:
        (docs / CHART).parent.mkdir(exist_ok=True)
        (docs / CHART).write_bytes(chart_png(charts))
    document.write_text(text, encoding="utf-8")


def targets_table(targets: Sequence[Target]) -> str:
    """Table of targets in Markdown."""
    met = {True: "yes", False: "**no**", None: "not measured"}
    return told_table(
        ["what", "target", "reached", "met", "physical limit"],
        [[t.what, t.wanted, t.reached, met[t.met], t.limit] for t in targets],
        words=5,
    )


def told_times(measured: Measured) -> str:
    """Median, with the smallest and the largest."""
    times = measured.times
    return f"{told_seconds(times.median)} ({told_seconds(times.low)} … {told_seconds(times.high)})"


def ratio(other: Measured, ours: Measured) -> float:
    """How many times as long another takes, by the medians."""
    return other.times.median / ours.times.median


def times_table(
    questions: Sequence[str],
    ours: Sequence[Measured],
    others: Sequence[Measured],
    floor: Mapping[tuple[str, str], float],
) -> str:
    """Times of all who answered some questions.

    Parameters
    ----------
    questions : sequence of str
        Names, in order.
    ours, others : sequence of Measured
        The ratio is theirs to the first of ours that answered the question.
    floor : mapping of (str, str) to float
        By contender and question: seconds in which the machine could move the bytes it must read.
    """
    rows = []
    for question in questions:
        engine = [m for m in ours if m.question == question]
        for m in [*engine, *(m for m in others if m.question == question)]:
            least = floor.get((m.who, question))
            rows.append(
                [
                    question,
                    f"{m.who}, {m.setting}" if m.setting else m.who,
                    told_times(m),
                    f"{ratio(m, engine[0]):,.3g}" if engine else "–",
                    "–" if not least else f"{m.times.median / least:,.3g}",
                ]
            )
    header = ["question", "who", "median (least … most)", "× ours", "× memory limit"]
    return told_table(header, rows, words=2)


def verified_table(asked: Sequence[Question], ours: Sequence[Measured]) -> str:
    """How much the engine read for every question, the last time."""
    rows = []
    for question in asked:
        stats = measured_of(ours, question).details["stats"]
        rows.append(
            [
                question.name,
                f"{len(question.answer):,}",
                f"{100 * question.ties:.3g} %",
                f"{stats.rows_verified:,} of {stats.rows_selected:,}",
                f"{stats.tiles_read:,} of {stats.tiles_total:,}",
                told_bytes(stats.bytes_read),
            ]
        )
    header = ["question", "answer", "tied", "rows verified", "tiles read", "bytes read"]
    return told_table(header, rows)


def measured_of(
    measured: Sequence[Measured], question: Question, who: str | None = None
) -> Measured:
    """What a contender took for a question."""
    return next(m for m in measured if m.question == question.name and who in (None, m.who))


def floors(
    setting: Setting, asked: Sequence[Question], measured: Sequence[Measured]
) -> dict[tuple[str, str], float]:
    """Seconds in which all cores could read what each contender must, by contender and question.

    That is the index columns for the engine, and all pixels of the regions for a scan.
    """
    pixels = {question.name: question.scan.pixels(setting.dataset) for question in asked}
    sizes = {
        (m.who, m.question): m.details["plan"].expanded if m.details else pixels[m.question]
        for m in measured
    }
    return {key: size / setting.machine.read_all for key, size in sizes.items()}


def limit(known: Mapping[tuple[str, str], float], mine: Measured) -> str:
    """Say how far the engine is from the limit of memory."""
    floor = known[mine.who, mine.question]
    if not floor:
        return "–"
    return (
        f"reading its index columns takes {told_seconds(floor)}; "
        f"it takes {mine.times.median / floor:,.3g} × that"
    )
