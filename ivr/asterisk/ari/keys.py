"""Which reported keys were pressed, and which are echoes.

Law: an echo is dropped, a pressed key never. Asterisk reports a key twice when it had to hold it back: a key that was
down while a playback ended (the caller answers at the very end of a question, or the question was stopped for the key
before) is played over again inside Asterisk, and every key that comes meanwhile is read, reported, put back, and
reported again. So an echo comes only after such a key, and sooner than the same key could have been pressed once more:
its second press would have begun before its first had ended.
"""

from collections import deque
from datetime import datetime
from typing import Final

GAP: Final = 0.045
"""Seconds that Asterisk keeps between two keys which it plays over again."""
SLACK: Final = 0.03
"""Seconds by which two of Asterisk's own times may be apart: a sound frame and a bit."""
REMEMBERED: Final = 3
"""Keys that can be held back at the same time."""


class Keys:
    """One caller's keys. Times are seconds of Asterisk's clock, which no stall of ours can bend."""

    __slots__ = ("_busy_until", "_recent", "_silent_since")

    def __init__(self) -> None:
        self._silent_since = 0.0
        self._busy_until = 0.0
        """While Asterisk plays a key over again."""
        self._recent: deque[tuple[str, float, float]] = deque(maxlen=REMEMBERED)

    def playback_ended(self, timestamp: str) -> None:
        """A playback is over, whichever way."""
        self._silent_since = _seconds(timestamp)

    def is_echo(self, digit: str, duration_ms: int, timestamp: str) -> bool:
        """Whether this report is a key's second one."""
        at, lasted = _seconds(timestamp), duration_ms / 1000
        if not at:
            return False
        for key in self._recent:
            if key[:2] == (digit, lasted) and at - key[2] < lasted and at < self._busy_until + SLACK:
                self._recent.remove(key)
                return True
        began = at - lasted
        if began - SLACK <= self._silent_since <= at + SLACK or began < self._busy_until:
            self._busy_until = max(at, self._busy_until) + lasted + GAP
        self._recent.append((digit, lasted, at))
        return False


def _seconds(timestamp: str) -> float:
    """Asterisk's `2026-11-22T08:55:03.756+0000` as seconds since 1970; 0 when there is none."""
    try:
        return datetime.fromisoformat(timestamp).timestamp()
    except ValueError:
        return 0.0
