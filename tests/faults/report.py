"""Write what was tried into docs/faults.md.

make test-faults ARGS=--faults-report=/tmp/faults.json
python -m tests.faults.report /tmp/faults.json

Several files, of parts of the lane that ran one after the other, are taken together.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[2] / "docs" / "faults.md"
BEGIN = "<!-- tried: written by python -m tests.faults.report -->\n"
END = "<!-- end of tried -->\n"


def table(records: list[dict[str, Any]]) -> str:
    """Cases by fault: during what, how many, and how they ended."""
    cases: dict[str, Counter[str]] = {}
    during: dict[str, set[str]] = {}
    for record in records:
        fault = record["fault"]
        cases.setdefault(fault, Counter())[record["outcome"]] += record["times"]
        during.setdefault(fault, set()).add(record["during"].partition(":")[0])
    lines = ["| fault | during | cases | exact | one clear error |", "|---|---|---|---|---|"]
    total: Counter[str] = Counter()
    for fault, ends in sorted(cases.items()):
        total.update(ends)
        where = ", ".join(sorted(during[fault]))
        lines.append(f"| {fault} | {where} | {ends.total()} | {ends['exact']} | {ends['error']} |")
    lines.append(f"| **all** | | {total.total()} | {total['exact']} | {total['error']} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Replace the table in the page."""
    records = [record for file in sys.argv[1:] for record in json.loads(Path(file).read_text())]
    before, begin, rest = PAGE.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        print(f"error: {PAGE} has no place for the table", file=sys.stderr)
        return 1
    PAGE.write_text(f"{before}{begin}{table(records)}{end}{after}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
