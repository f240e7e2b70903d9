"""Which reported keys were pressed, and which are echoes.

Law: every key counts once. Asterisk reports some keys twice: it plays a key over again, as long as it lasted and a gap
more, when it did not see the key begin (a playback ended while it was down: the caller answers at the very end of a
question, or the question was stopped for the key before) or when the key came too short over a jittery line. A key
released meanwhile is reported, put back, reported again when its turn comes, and played over again itself. So an echo
is a second report sooner than the key could have been pressed once more, or at the moment when its turn comes.
"""

from collections import deque
from datetime import datetime
from typing import Final

GAP: Final = 0.045
"""Seconds that Asterisk keeps between two keys which it plays over again."""
AGAIN: Final = 0.1
"""Seconds within which nobody presses and releases the same key once more. How long a key is said to have lasted is no
measure by itself: during a playback it is said to have lasted longer than it did."""
EARLY: Final = 0.01
LATE: Final = 0.15
"""Seconds by which an echo may miss its moment: Asterisk looks whenever a sound frame comes, and frames may be late."""


class Keys:
    """One caller's keys. Times are seconds of Asterisk's own clock, which no stall of ours can bend."""

    __slots__ = ("_busy_until", "_last", "_owed", "_silent_since")

    def __init__(self) -> None:
        self._silent_since = 0.0
        self._busy_until = 0.0
        """As long Asterisk plays keys over again."""
        self._last = ("", 0.0, 0.0)
        """The key pressed last, how long it lasted, when it was reported."""
        self._owed: deque[tuple[str, float, float]] = deque()
        """Echoes to come: the key, how long it lasted, when it is due."""

    def playback_ended(self, timestamp: str) -> None:
        """A playback is over, whichever way."""
        self._silent_since = _seconds(timestamp)

    def is_echo(self, digit: str, duration_ms: int, timestamp: str) -> bool:
        """Whether this report is a key's second one."""
        at, lasted = _seconds(timestamp), duration_ms / 1000
        if not at:
            return False
        if self._is_due(digit, lasted, at):
            return True
        if self._last[:2] == (digit, lasted) and at - self._last[2] < min(lasted, AGAIN):
            self._busy_until = at + lasted + GAP
            return True
        self._last = (digit, lasted, at)
        if at < self._busy_until:
            self._owed.append((digit, lasted, self._busy_until))
            self._busy_until += lasted + GAP
        elif at - lasted <= self._silent_since <= at or at - lasted < self._busy_until:
            self._busy_until = at + lasted + GAP
        return False

    def _is_due(self, digit: str, lasted: float, at: float) -> bool:
        """Whether it is the key whose turn has come; what follows then comes so much later than reckoned."""
        while self._owed and self._owed[0][2] + LATE < at:
            self._owed.popleft()
        if not self._owed or self._owed[0][:2] != (digit, lasted) or at < self._owed[0][2] - EARLY:
            return False
        shift = at - self._owed.popleft()[2]
        self._busy_until += shift
        self._owed = deque((key, duration, due + shift) for key, duration, due in self._owed)
        return True


def _seconds(timestamp: str) -> float:
    """Asterisk's `2026-11-22T08:55:03.756+0000` as seconds since 1970; 0 when there is none."""
    try:
        return datetime.fromisoformat(timestamp).timestamp()
    except ValueError:
        return 0.0
