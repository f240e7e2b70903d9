"""What one run of the benchmark does, and what the scenario of a call is. Values only."""

from dataclasses import dataclass
from typing import Final

NUMBER: Final = "42473000"
"""What callers dial, whichever way answers."""
MERCHANT_PHONE: Final = "2191071390"
"""What is dialled at the bank."""
AMOUNT: Final = 160_000
"""Rial, of every invoice."""

PROMPT_SECONDS: Final = 1.0
"""Every recording is cut to so much: sending sound costs each way the same and would only hide what differs."""
BANK_SECONDS: Final = 0.3
"""From the bank's answer to its hanging up."""

THINK_SECONDS: Final = 0.4
"""From the answer to the first key."""
LEAD_SECONDS: Final = 0.8
"""SIPp sends so much silence before the first key."""
KEY_SECONDS: Final = 0.4
"""SIPp's pace: a key lasts half of it."""
LISTEN_SECONDS: Final = 1.0
"""From the last digit's end to the key that agrees: long enough to hear the amount begin."""
AFTERWARDS_SECONDS: Final = 1.2
"""What a way has, beside the connecting prompt and the bank's leg, to tell the caller that it is paid."""

HANGS_UP_AFTER: Final = LEAD_SECONDS + KEY_SECONDS + PROMPT_SECONDS + BANK_SECONDS + AFTERWARDS_SECONDS
"""Seconds from the beginning of the last keying to the caller's hanging up."""


def keying_seconds(keys: int) -> float:
    """How long SIPp takes for so many keys."""
    return LEAD_SECONDS + keys * KEY_SECONDS


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is run."""

    rate: int = 10
    """Calls a second of the measured rounds."""
    rounds: int = 2
    calls: int = 100
    """In each round, by each way."""
    ladder: tuple[int, ...] = (20, 30, 40)
    """Further rates, each tried until a way has a failed call."""
    ladder_seconds: float = 8.0
    """New calls come for so long."""

    @property
    def invoices(self) -> int:
        """So many invoices are needed at most for each way: one for each call."""
        return 1 + self.rounds * self.calls + sum(round(rate * self.ladder_seconds) for rate in self.ladder)


SHORT: Final = Plan(rounds=1, calls=30, ladder=())
"""To see that everything works."""
