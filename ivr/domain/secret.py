"""Card numbers, one-time passwords, PINs and credentials.

Law: a Secret cannot be printed, formatted, pickled, compared in a message or turned into JSON by accident.
Whoever needs the value calls `reveal()`, and a search for that word finds every such place.
"""

from typing import Any, Final, NoReturn

MASK: Final = "•••"


class Secret:
    """A text that must not leave memory. Equal to another Secret of the same text; never to a plain text."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself. Only for the wire to whom it belongs."""
        return self._text

    def __len__(self) -> int:
        return len(self._text)

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(("Secret", self._text))

    def __repr__(self) -> str:
        return f"Secret({MASK})"

    def __str__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return MASK

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret cannot be pickled")

    def __deepcopy__(self, memo: dict[int, Any]) -> "Secret":
        return self
