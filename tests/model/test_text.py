"""Numbers, sizes and strings as people read them."""

from __future__ import annotations

import pytest

from masksearch_ray.model.text import count, duration, percent, printable, size


@pytest.mark.smoke
def test_size() -> None:
    cases = {0: "0 B", 999: "999 B", 1000: "1.0 KB", 88_000: "88.0 KB", 99_960: "100 KB"}
    cases |= {999_600: "1.0 MB", 12_345_678: "12.3 MB", 4 * 10**15: "4,000 TB"}
    assert {number: size(number) for number in cases} == cases


def test_percent_never_rounds_some_to_none_nor_most_to_all() -> None:
    assert [percent(part, 10_000) for part in (0, 1, 10, 9_999, 10_000)] == [
        "0.0 %",
        "< 0.1 %",
        "0.1 %",
        "> 99.9 %",
        "100.0 %",
    ]
    assert percent(0, 0) == "–"


def test_count_and_duration() -> None:
    assert [count(1, "row"), count(3594, "row"), count(0, "row")] == [
        "1 row",
        "3,594 rows",
        "0 rows",
    ]
    assert [duration(s) for s in (0.0004, 1.25, 125)] == ["0.4 ms", "1.25 s", "2 min 5 s"]


def test_printable_leaves_nothing_for_a_terminal_to_obey() -> None:
    assert printable("a\x1b[31mb\tc\nd") == "a\\x1b[31mb\\tc d"
    assert printable("a\nb", keep_lines=True) == "a\nb"
    assert printable("Katze, 猫, ñ") == "Katze, 猫, ñ"
    assert "\u202e" not in printable("\u202etxt.exe")
    printable("\udcff").encode()
