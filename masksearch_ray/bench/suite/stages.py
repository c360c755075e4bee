"""Section: where the time of a query goes."""

from __future__ import annotations

from masksearch_ray.bench.documents import told_seconds, told_table
from masksearch_ray.bench.questions import Question, filters, ious, means, tops
from masksearch_ray.bench.suite.report import Section
from masksearch_ray.bench.suite.setting import Setting

__all__ = ["measure"]

_WHO = "engine"


def measure(setting: Setting) -> Section:
    """Stages of one query of every kind, first asked and asked again."""
    dataset = setting.dataset
    one: list[Question] = [
        filters(dataset, ("constant",), ((0.6, 1.0),), (0.01,))[0],
        filters(dataset, ("full",), ((0.6, 1.0),), (0.01,))[0],
        tops(dataset)[0],
        tops(dataset, column="plain_box")[0],
    ]
    both = [means(dataset)[0], *ious(dataset)]
    names = ["", "", "", ", no ROI histogram"] + [""] * len(both)
    found = setting.ask(_WHO, one, setting.first) + setting.ask(_WHO, both)
    rows, kinds = [], ["read metadata", "read index", "decide", "read tiles"]
    for measured, more in zip(found, names, strict=True):
        for when in ("first", "stats"):
            stats = measured.details[when]
            spent = [stats.stages.get(kind, 0.0) for kind in kinds]
            shards = max(1, len(stats.shards))
            rest = stats.seconds - max(
                (shard.seconds for shard in stats.shards.values()), default=0.0
            )
            rows.append(
                [
                    f"{measured.question}{more}",
                    "first" if when == "first" else "again",
                    told_seconds(stats.seconds),
                    *(told_seconds(seconds) for seconds in spent),
                    told_seconds(max(0.0, rest)),
                    str(shards),
                ]
            )
    header = ["query", "asked", "whole", *kinds, "beside the slowest shard", "shards"]
    return Section("stages", tables={"stages": told_table(header, rows, words=2)})
