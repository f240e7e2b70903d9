"""How many requests somebody may make: a bucket of tokens that fills up steadily.

Law: it counts per key, in memory; a process that begins anew begins with full buckets.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from ivr.runtime.bucket import Bucket


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
        self._buckets: dict[str, Bucket] = {}

    def take(self, who: str, per_minute: int) -> Allowance:
        """Take a token out of somebody's bucket, which holds a minute's."""
        now, each = self._clock(), per_minute / 60
        bucket = self._buckets.setdefault(who, Bucket(per_minute, now))
        ok = bucket.take(per_minute, each, now)
        tokens = bucket.tokens
        wait = 0 if ok else max(1, math.ceil((1 - tokens) / each))
        return Allowance(ok, per_minute, int(tokens), math.ceil((per_minute - tokens) / each), wait)
