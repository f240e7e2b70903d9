"""What happens in one run, all of it thrown from one seed: which payment, where it is cut, what else goes wrong.

Law: the same seed and the same number of points make the same plan.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from ivr.lab.chaos.scenarios import SCENARIOS, Scenario
from ivr.sandbox.faults import Fault, FaultKind

DELAY: Final = 0.35
"""Seconds that an answer is late: longer than a client's patience."""
REFUSED: Final = 0.5
"""Seconds in which nobody listens, at most: once somebody was refused, it is over."""
BEYOND: Final = 1.15
"""Faults make a payment longer: cuts are thrown so far beyond the points of one without."""
LONGEST_CALL: Final = 12
"""Prompts after which no caller hangs up any more."""


class AtTheBank(Enum):
    """What the caller does on a leg to the bank."""

    PAYS = "pays"
    PAYS_AND_HANGS_UP = "pays and hangs up"
    HANGS_UP = "hangs up without paying"
    COMES_BACK = "comes back without paying"
    BUSY = "the bank is busy"
    NO_ANSWER = "the bank does not answer"


class Rival(Enum):
    """Whether somebody else pays the same."""

    NONE = "nobody"
    BESIDE = "at the same time"
    AFTERWARDS = "afterwards"


@dataclass(frozen=True, slots=True)
class Plan:
    """One run."""

    seed: int
    scenario: Scenario
    cuts: tuple[int | None, ...]
    """The point at which the first, the second … process is cut; None: nowhere."""
    faults: tuple[Fault, ...] = ()
    at_the_bank: AtTheBank = AtTheBank.PAYS
    lingers: bool = False
    """The leg takes its time, and so may outlive the process that dialled it."""
    hangs_up_after: int | None = None
    """Prompts that the caller hears before hanging up."""
    goes_while_nobody_drives: bool = False
    """The caller hangs up between two processes."""
    rival: Rival = Rival.NONE
    wrong_otp: bool = False
    pays_page: bool = True
    """What the payer does with the first link."""
    waits: bool = True
    """Who was sent a link stays for the result."""

    @property
    def late(self) -> float:
        """Seconds after which nothing that was asked is still being done."""
        return max((fault.seconds for fault in self.faults), default=0.0)

    def __str__(self) -> str:
        scenario = self.scenario.name
        faults = ", ".join(
            f"{one.operation} {one.kind.value}{' done' if one.commit else ''} x{one.times}" for one in self.faults
        )
        caller = "goes between two processes" if self.goes_while_nobody_drives else "stays"
        if self.hangs_up_after is not None:
            caller = f"hangs up after {self.hangs_up_after} prompts"
        page = f"{'paid' if self.pays_page else 'cancelled'}{'' if self.waits else ', not waited for'}"
        return (
            f"seed {self.seed}: {scenario}, cut at {self.cuts}, faults: {faults or 'none'}, caller {caller}, "
            f"at the bank: {self.at_the_bank.value}{', slowly' if self.lingers else ''}, rival: {self.rival.value}, "
            f"{'wrong' if self.wrong_otp else 'right'} password, page {page}"
        )


def plain(scenario: Scenario, cut: int | None = None) -> Plan:
    """Nothing else goes wrong."""
    return Plan(0, scenario, (cut,))


def throw(seed: int, points: Sequence[int]) -> Plan:
    """The plan of a seed; `points`: how many each scenario has, in their order."""
    dice = random.Random(seed)  # noqa: S311
    which = dice.randrange(len(SCENARIOS))
    scenario = SCENARIOS[which]
    most = round(points[which] * BEYOND)
    cuts: tuple[int | None, ...] = (1 + dice.randrange(most),)
    if dice.random() < 0.25:
        cuts += (1 + dice.randrange(max(2, most // 2)),)
    return Plan(
        seed,
        scenario,
        cuts,
        _faults(dice, scenario),
        dice.choices(list(AtTheBank), (8, 1, 1, 2, 1, 1))[0],
        lingers=dice.random() < 0.4,
        hangs_up_after=1 + dice.randrange(LONGEST_CALL) if dice.random() < 0.2 else None,
        goes_while_nobody_drives=dice.random() < 0.3,
        rival=dice.choices(list(Rival), (5, 2, 3))[0],
        wrong_otp=dice.random() < 0.1,
        pays_page=dice.random() < 0.8,
        waits=dice.random() < 0.5,
    )


def _faults(dice: random.Random, scenario: Scenario) -> tuple[Fault, ...]:
    if dice.random() < 0.35:
        return ()
    return tuple(_fault(dice, scenario) for _ in range(1 if dice.random() < 0.8 else 2))


def _fault(dice: random.Random, scenario: Scenario) -> Fault:
    kind = dice.choice(
        (
            FaultKind.DELAY,
            FaultKind.DROP,
            FaultKind.HTTP_ERROR,
            FaultKind.GARBAGE,
            FaultKind.HALF_BODY,
            FaultKind.SLOW_DRIP,
            FaultKind.REFUSE,
        )
    )
    # what moves the money is where it hurts
    operation = scenario.charge if scenario.charge and dice.random() < 0.6 else dice.choice(scenario.faults)
    late = kind in (FaultKind.DELAY, FaultKind.SLOW_DRIP)
    seconds = DELAY if late else REFUSED if kind is FaultKind.REFUSE else 0.0
    return Fault(operation, kind, times=dice.choice((1, 1, 2, 5)), seconds=seconds, commit=dice.random() < 0.5)
