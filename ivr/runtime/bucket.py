"""How much may be taken now of what fills up steadily: a bucket of tokens."""


class Bucket:
    """Full at first. Times are seconds of one clock that never goes back."""

    __slots__ = ("_at", "tokens")

    def __init__(self, size: float, now: float) -> None:
        self.tokens = size
        """How many there were when it was last looked at."""
        self._at = now

    def take(self, size: float, a_second: float, now: float) -> bool:
        """Take one out, if there is one. So many come in a second, as long as there is room."""
        self.tokens = min(size, self.tokens + (now - self._at) * a_second)
        self._at = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True
