"""Many runs on all processors.

Law: workers are forked before anything has threads, and do one run after the other. They are never killed: who wants no
more runs asks for none, and a worker that is under way comes to its end and cleans up.
"""

import multiprocessing
import os
import sys
import traceback
from collections.abc import Iterable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from typing import Final, NoReturn

from ivr.flow.model import Dialplan
from ivr.lab.chaos.plan import Plan, plain, throw
from ivr.lab.chaos.run import Result, run
from ivr.lab.chaos.scenarios import SCENARIOS

WORKERS: Final = 2 * (os.cpu_count() or 1)
"""Half of the time a run waits for a provider that does not answer."""


class Many:
    """`with Many(dialplan) as many`. `broken`: which fault of `broken.BREAKS` all runs have."""

    def __init__(self, dialplan: Dialplan, broken: str | None = None) -> None:
        self._workers: list[Connection] = []
        self._pids: list[int] = []
        self.points: Sequence[int] = ()
        """How many points each scenario has when nothing goes wrong."""
        for _ in range(WORKERS):
            ours, theirs = multiprocessing.Pipe()
            pid = os.fork()
            if pid == 0:
                for other in [ours, *self._workers]:
                    other.close()
                _work(theirs, dialplan, broken)
            theirs.close()
            self._workers.append(ours)
            self._pids.append(pid)

    def run(self, plans: Iterable[Plan]) -> Iterator[Result]:
        """Their results, as they come. Whoever stops asking stops the runs."""
        left = iter(plans)
        idle, busy = list(self._workers), list[Connection]()
        while True:
            while idle and (plan := next(left, None)) is not None:
                idle[-1].send(plan)
                busy.append(idle.pop())
            if not busy:
                return
            for worker in wait(busy):
                assert isinstance(worker, Connection)
                busy.remove(worker)
                idle.append(worker)
                yield worker.recv()

    def count(self) -> list[Result]:
        """Run each scenario once without a cut, and count its points."""
        results = {result.plan.scenario.name: result for result in self.run(plain(one) for one in SCENARIOS)}
        self.points = [results[scenario.name].points for scenario in SCENARIOS]
        return list(results.values())

    def every_point(self, names: Sequence[str]) -> Iterator[Result]:
        """A cut at each point of these scenarios, nothing else going wrong."""
        return self.run(
            plain(scenario, cut)
            for scenario, points in zip(SCENARIOS, self.points, strict=True)
            if scenario.name in names
            for cut in range(1, points + 1)
        )

    def seeds(self, seeds: Sequence[int]) -> Iterator[Result]:
        """The plan of each seed."""
        return self.run(throw(seed, self.points) for seed in seeds)

    def __enter__(self) -> "Many":
        return self

    def __exit__(self, *exc: object) -> None:
        for worker in self._workers:
            worker.close()
        for pid in self._pids:
            os.waitpid(pid, 0)


def _work(end: Connection, dialplan: Dialplan, broken: str | None) -> NoReturn:
    status = 0
    try:
        while True:
            end.send(run(end.recv(), dialplan, broken))
    except (EOFError, BrokenPipeError):
        pass  # nobody wants more
    except BaseException:  # noqa: BLE001 - nothing may go on in this fork
        sys.stderr.write(traceback.format_exc())
        status = 1
    finally:
        os._exit(status)
