"""`make bench`: `python -m ivr.lab.bench`. Exit status 0 when it ran; what it found stands in the table.

BENCH_JSON=path also writes the figures as JSON.
"""

import argparse
import json
import os
import sys
from pathlib import Path

import uvloop

from ivr.domain.errors import IvrError
from ivr.lab.asterisk import ensure_asterisk
from ivr.lab.bench import ussd
from ivr.lab.bench.report import as_json, show
from ivr.lab.bench.run import run
from ivr.lab.bench.settings import SHORT, Plan
from ivr.lab.town import HOUSE
from ivr.recordings.commands import prompts_build


def main() -> int:
    """Run it and print the table."""
    parser = argparse.ArgumentParser(prog="python -m ivr.lab.bench", description=__doc__)
    parser.add_argument("--short", action="store_true", help="one small round: only to see that everything works")
    parser.add_argument("--home", type=Path, help="keep logs, books and Asterisk's files there")
    parser.add_argument("--recordings", type=Path, default=HOUSE / "var" / "prompts", help="built prompts")
    asked = parser.parse_args()
    plan = SHORT if asked.short else Plan()
    ussd_plan = ussd.SHORT if asked.short else ussd.Plan()
    try:
        asterisk = ensure_asterisk(_progress)
        if prompts_build(HOUSE / "prompts", asked.recordings):
            return 1
        home = asked.home.absolute() if asked.home else None
        results = uvloop.run(run(asterisk, asked.recordings, plan, _progress, home))
        screens = uvloop.run(ussd.run(ussd_plan, _progress, home / "ussd" if home else None))
    except IvrError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    show(results)
    ussd.show(screens)
    if path := os.environ.get("BENCH_JSON"):
        figures = {**json.loads(as_json(results)), "ussd": ussd.as_dict(screens)}
        Path(path).write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    return 0


def _progress(line: str) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main())
