"""`python -m ivr.lab.ussd_load`: users of USSD by the thousand, two workers, one of them killed.

Exit status 0 when nothing was found, 1 otherwise, each with its story.
"""

import argparse
import asyncio
import sys
from pathlib import Path

from ivr.domain.errors import IvrError
from ivr.lab.postgres import running
from ivr.lab.ussd_load.run import Outcome, Plan, run


def main() -> int:
    """Run it and print what was seen."""
    usual = Plan()
    parser = argparse.ArgumentParser(prog="python -m ivr.lab.ussd_load", description=__doc__)
    parser.add_argument("--sessions", type=int, default=usual.sessions)
    parser.add_argument("--at-once", type=int, default=usual.at_once)
    parser.add_argument("--seed", type=int, default=usual.seed, help="the same dice again")
    parser.add_argument("--uncalled", type=float, default=usual.uncalled, help="share of payments without a callback")
    parser.add_argument("--home", type=Path, help="keep the workers' logs and files there")
    asked = parser.parse_args()
    plan = Plan(asked.sessions, asked.at_once, asked.seed, asked.uncalled)
    try:
        with running() as server:
            outcome = asyncio.run(run(server, plan, asked.home.absolute() if asked.home else None))
    except IvrError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(told(outcome))
    return 1 if outcome.findings else 0


def told(outcome: Outcome) -> str:
    """For people."""
    plan, tally = outcome.plan, outcome.tally
    lines = [
        f"{plan.sessions} sessions (seed {plan.seed}) in {outcome.seconds:.0f} s: {tally.requests} requests, "
        f"{tally.repeated} repeated, {tally.reordered} reordered, {tally.tried_again} tried again, {tally.looks} looks",
        f"{tally.callbacks} callbacks, {tally.callbacks_lost} of them to nobody",
        f"{outcome.paid} paid, {outcome.approved} approved",
        *(f"FOUND {finding}" for finding in outcome.findings),
        "nothing was found" if not outcome.findings else f"{len(outcome.findings)} findings",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
