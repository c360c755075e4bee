"""SQL and the plans that EXPLAIN tells of it; and what EXPLAIN ANALYZE adds."""

from __future__ import annotations

import re

import pytest

from tests.plan.golden import Case, N, cases, collection

CASES = cases()
ASKED = [case for case in CASES if "use_index" not in case.text]


def name(case: Case) -> str:
    return case.name


def test_there_are_fixtures() -> None:
    assert len(CASES) > 20


@pytest.mark.parametrize("case", CASES, ids=name)
def test_explains_as_expected(case: Case) -> None:
    assert case.plan() == case.expected


@pytest.mark.parametrize("case", ASKED[::3], ids=name)
def test_analyze_tells_what_was_done(case: Case) -> None:
    plan = collection().explain(case.sql, **case.given).splitlines()
    lines = collection().explain(f"EXPLAIN ANALYZE {case.sql}", **case.given).splitlines()
    assert lines[: len(plan)] == plan
    done = "\n".join(lines[len(plan) :])
    stats = collection().sql(case.sql, **case.given).stats
    rows = re.search(
        r"rows: ([\d,]+) in all, ([\d,]+) selected by metadata, "
        r"([\d,]+) decided by the index alone, ([\d,]+) verified",
        done,
    )
    assert rows is not None
    total, selected, decided, verified = (int(n.replace(",", "")) for n in rows.groups())
    assert total == stats.rows_total == N
    assert selected == stats.rows_selected
    assert decided + verified == selected
    trips = re.search(r"(\d+) round trip", done)
    assert trips is not None and int(trips[1]) == stats.round_trips
    tiles = re.search(r"tiles read: ([\d,]+) of ([\d,]+)", done)
    assert tiles is not None
    assert int(tiles[2].replace(",", "")) == stats.tiles_total
    by_shard = [int(n) for n in re.findall(r"^  shard \d+: .* (\d+) verified", done, re.MULTILINE)]
    assert len(by_shard) == len(stats.shards) and sum(by_shard) == verified


def test_analyze_answers_as_statistics_do() -> None:
    text = "SELECT mask_id FROM masks WHERE CP(mask, box(3, 3, 33, 33), (0.31, 0.77)) > 420"
    stats = collection().sql(text).stats
    assert 0 < stats.rows_verified <= stats.tiles_read
    done = collection().explain(f"EXPLAIN ANALYZE {text}")
    assert f"{stats.rows_verified:,} verified" in done
    assert f"tiles read: {stats.tiles_read:,} of {stats.tiles_total:,}" in done
