"""How many requests somebody may make: a bucket of tokens that fills up steadily.

Law: it counts per key, in memory; a process that begins anew begins with full buckets.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Allowance:
    """Whether this request may be made, and what is left. `reset`: seconds until the bucket is full; `wait`: until
    there is a token.
    """

    ok: bool
    limit: int
    remaining: int
    reset: int
    wait: int

    def headers(self) -> list[tuple[bytes, bytes]]:
        """As HTTP says it."""
        said = {"RateLimit-Limit": self.limit, "RateLimit-Remaining": self.remaining, "RateLimit-Reset": self.reset}
        return [(name.lower().encode(), str(value).encode()) for name, value in said.items()]


class Rates:
    """`clock` gives seconds that never go back."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._buckets: dict[str, tuple[float, float]] = {}
        """Tokens, and when there were so many."""

    def take(self, who: str, per_minute: int) -> Allowance:
        """Take a token out of somebody's bucket, which holds a minute's."""
        now, each = self._clock(), per_minute / 60
        tokens, at = self._buckets.get(who, (float(per_minute), now))
        tokens = min(float(per_minute), tokens + (now - at) * each)
        ok = tokens >= 1
        tokens -= 1 if ok else 0
        self._buckets[who] = (tokens, now)
        wait = 0 if ok else max(1, math.ceil((1 - tokens) / each))
        return Allowance(ok, per_minute, int(tokens), math.ceil((per_minute - tokens) / each), wait)
