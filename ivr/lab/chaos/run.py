"""One run: processes one after the other, cut as planned, until nothing is left to find out; then the judgement.

Law: whatever was started is ended. What a run leaves behind is removed unless it found something.
"""

import gc
import json
import os
import select
import shutil
import signal
import socket
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ivr.flow.model import Dialplan
from ivr.lab.chaos.clock import SPEED
from ivr.lab.chaos.judge import Finding, judge, read
from ivr.lab.chaos.line import message
from ivr.lab.chaos.plan import Plan
from ivr.lab.chaos.process import Orders, begin
from ivr.lab.chaos.sandbox import Sandbox
from ivr.lab.chaos.steps import Passed, passed
from ivr.lab.chaos.telephone import Telephone
from ivr.sandbox.faults import FaultKind
from ivr.store.opening import open_reading

BEGIN: Final = 1_700_000_000.0
"""Where the first process's clock begins."""
FINISHED: Final = 200_000.0
"""Seconds by which the clock may have been sent ahead by a process that was finishing."""
GLANCE: Final = 0.02
"""Seconds between two looks at what is due."""
MOST_SECONDS: Final = 60.0
"""A run that takes longer has come to a stop."""
MOST_PROCESSES: Final = 6
SHARED: Final = Path("/dev/shm")  # noqa: S108 - memory, where there is some: the disk is not what is on trial


@dataclass(slots=True)
class Result:
    """What one run came to."""

    plan: Plan
    findings: list[Finding] = field(default_factory=list)
    story: list[str] = field(default_factory=list)
    cut: list[Passed] = field(default_factory=list)
    """Where processes were cut."""
    points: int = 0
    """How many the first process passed."""
    charges: int = 0
    by_call: int = 0
    by_reconciler: int = 0
    for_people: int = 0
    declined: int = 0
    seconds: float = 0.0


def run(plan: Plan, dialplan: Dialplan, broken: str | None = None) -> Result:
    """Do it. The process that calls this must have no threads and no event loop."""
    gc.freeze()
    place = SHARED if os.access(SHARED, os.W_OK) else None
    directory = Path(tempfile.mkdtemp(prefix="ivr-chaos-", dir=place))
    try:
        with Sandbox(plan.seed) as sandbox:
            for fault in plan.faults:
                if fault.kind is not FaultKind.REFUSE:
                    sandbox.set_fault(fault)
            began = time.monotonic()
            result = _Run(plan, dialplan, broken, directory, sandbox).result()
            result.seconds = time.monotonic() - began
            return result
    finally:
        shutil.rmtree(directory)


class _Run:
    def __init__(self, plan: Plan, dialplan: Dialplan, broken: str | None, directory: Path, sandbox: Sandbox) -> None:
        self._plan = plan
        self._dialplan = dialplan
        self._broken = broken
        self._directory = directory
        self._sandbox = sandbox
        self._telephone = Telephone(plan, sandbox, self._is_paid)
        self._result = Result(plan, story=self._telephone.story)
        self._finishing = False
        self._ends = time.monotonic() + MOST_SECONDS

    def result(self) -> Result:
        """Processes until one comes to its end, and what is left then."""
        clock = BEGIN
        for number in range(1, MOST_PROCESSES + 1):
            began = time.monotonic()
            if self._one(number, clock):
                return self._judged()
            clock += (time.monotonic() - began) * SPEED + (FINISHED if self._finishing else 1.0)
        self._result.findings.append(("no_end", "no process came to its end"))
        return self._judged()

    def _one(self, number: int, clock: float) -> bool:
        """Whether this process did all there was to do."""
        plan = self._plan
        cut = plan.cuts[number - 1] if number <= len(plan.cuts) else None
        orders = Orders(
            plan.scenario,
            self._directory,
            self._sandbox.urls,
            clock,
            number,
            cut,
            self._broken,
            plan.seed + number,
            [fault for fault in plan.faults if fault.kind is FaultKind.REFUSE],
        )
        living = self._telephone.living()
        self._telephone.story.append(f"process {number}, with {len(living)} callers on the line")
        ours, theirs = socket.socketpair()
        pid = os.fork()
        if pid == 0:
            ours.close()
            begin(orders, self._dialplan, living, theirs)
        theirs.close()
        self._telephone.goes_up()
        try:
            done = self._converse(ours)
        finally:
            ours.close()
            if time.monotonic() > self._ends:
                os.kill(pid, signal.SIGKILL)
            _, status = os.waitpid(pid, 0)
            self._telephone.goes_down()
        self._ended(number, status, cut)
        return done and status == 0

    def _ended(self, number: int, status: int, cut: int | None) -> None:
        came = passed(self._directory / f"steps{number}")
        if number == 1:
            self._result.points = len(came)
        if os.WIFSIGNALED(status) and cut is not None and came and came[-1].number == cut:
            self._result.cut.append(came[-1])
            self._telephone.story.append(f"  CUT at point {cut}: {came[-1].kind}, {came[-1].what}")
        elif status != 0:
            self._result.findings.append(("crashed", f"process {number} ended with status {status}"))

    def _converse(self, end: socket.socket) -> bool:
        """Until it is done or dead. Returns whether it said that it is done."""
        telephone, rest, done = self._telephone, b"", False
        while time.monotonic() < self._ends:
            if select.select([end], [], [], GLANCE)[0]:
                try:
                    some = end.recv(65536)
                except ConnectionResetError:
                    some = b""
                if not some:
                    return done
                *lines, rest = (rest + some).split(b"\n")
                for line in lines:
                    words = json.loads(line)
                    if words[0] == "done":
                        done = True
                    else:
                        telephone.take(words)
            telephone.tick()
            self._flush(end)
            if telephone.is_over and not done:
                self._finish(end)
        self._result.findings.append(("stuck", "the run did not come to an end"))
        return False

    def _finish(self, end: socket.socket) -> None:
        telephone = self._telephone
        if telephone.asks_to_finish():
            if not self._finishing:
                time.sleep(self._plan.late)
                self._finishing = True
            self._sandbox.recover()  # a process that is dead may have left a door closed
            telephone.out.append(message("finish"))
            self._flush(end)

    def _flush(self, end: socket.socket) -> None:
        out, self._telephone.out = self._telephone.out, []
        try:
            for one in out:
                end.sendall(one)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it is dead, and `recv` says so

    def _is_paid(self) -> bool:
        with open_reading(self._directory) as book:
            return any(
                payment.state.value == "approved" for payment in book.each(provider=self._plan.scenario.provider)
            )

    def _judged(self) -> Result:
        result = self._result
        left = read(self._plan, self._directory, self._sandbox.books(), self._sandbox.otps(), self._telephone)
        result.findings += judge(left)
        result.charges = left.charges
        for payment in left.standing("approved"):
            inquired = any(entry["details"].get("by") == "inquiry" for entry in payment["entries"])
            result.by_reconciler += inquired
            result.by_call += not inquired
        result.for_people = len(left.standing("unknown"))
        result.declined = len(left.standing("declined"))
        if result.findings:
            result.story += [
                *(f"  journal: {one['id']} {[entry['kind'] for entry in one['entries']]}" for one in left.payments),
                *(
                    f"  sandbox: {one['operation']} -> {one['result']} ({one['fault']})"
                    for one in left.books["requests"]
                ),
                *(f"  {kind}: {text}" for kind, text in result.findings),
            ]
        return result
