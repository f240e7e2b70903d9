"""`make chaos`: `python -m ivr.lab.chaos`. Exit status 0 when nothing was found, 1 otherwise, each with its story.

CHAOS_JSON=path also writes the figures as JSON.
"""

import argparse
import os
import sys
import time
from pathlib import Path
from typing import Final

from ivr.lab.chaos.broken import BREAKS
from ivr.lab.chaos.many import Many
from ivr.lab.chaos.plan import plain
from ivr.lab.chaos.report import Report, show
from ivr.lab.chaos.run import Result
from ivr.lab.chaos.scenarios import SCENARIOS, by_name
from ivr.lab.chaos.world import dialplan

RUNS: Final = 2000
SHORT_RUNS: Final = 150
MOST_STORIES: Final = 5


def main() -> int:
    """Run them and print the table."""
    parser = argparse.ArgumentParser(prog="python -m ivr.lab.chaos", description=__doc__)
    parser.add_argument("--runs", type=int, default=RUNS, help=f"{RUNS} by default, each point of each payment first")
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--short", action="store_true", help=f"{SHORT_RUNS} seeds, and each point of one payment")
    parser.add_argument("--seed", type=int, help="one run, and its story")
    parser.add_argument("--payment", choices=[one.name for one in SCENARIOS], help="one run of this, and its story")
    parser.add_argument("--point", type=int, help="where --payment is cut")
    parser.add_argument("--broken", choices=list(BREAKS), help="break the product so, and end when that is found")
    asked = parser.parse_args()
    began = time.monotonic()
    report = Report()
    with Many(dialplan(), asked.broken) as many:
        if asked.payment is not None:
            return _tell(next(many.run([plain(by_name(asked.payment), asked.point)])))
        counted = many.count()
        if asked.seed is not None:
            return _tell(next(many.seeds([asked.seed])))
        report.add(counted)
        every = [SCENARIOS[0].name] if asked.short else [one.name for one in SCENARIOS]
        stop = asked.broken is not None
        if not stop:
            report.add(many.every_point(every))
        seeds = SHORT_RUNS if asked.short else max(0, asked.runs - report.total.runs)
        report.add(many.seeds(range(asked.first, asked.first + seeds)), stop=stop)
    report.seconds = time.monotonic() - began
    show(report, [(one.name, one.provider) for one in SCENARIOS])
    for result in report.failed[:MOST_STORIES]:
        _tell(result)
    if path := os.environ.get("CHAOS_JSON"):
        Path(path).write_text(report.as_json(), encoding="utf-8")
    return 1 if report.failed else 0


def _tell(result: Result) -> int:
    lines = [str(result.plan), *result.story, *(f"FOUND {kind}: {text}" for kind, text in result.findings)]
    sys.stdout.write("\n".join(lines) + "\n\n")
    return 1 if result.findings else 0


if __name__ == "__main__":
    sys.exit(main())
