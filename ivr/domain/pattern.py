"""Patterns of digits: `09XXXXXXXXX`, X for any digit. That is all they can say, so that none can be slow or unclear."""

from typing import Final

ANY: Final = "X"


def is_pattern(text: str) -> bool:
    """Digits and X, at least one character."""
    return bool(text) and all(c in "0123456789" or c == ANY for c in text)


def fits(digits: str, pattern: str) -> bool:
    """Whether every digit is the pattern's, in the same number."""
    return len(digits) == len(pattern) and all(p in (ANY, d) for d, p in zip(digits, pattern, strict=True))
