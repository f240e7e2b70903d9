"""The syntax of Asterisk's configuration files, and what may stand in them.

Law: no value reaches a file but through one of these checks, so none can start a line, a section or a comment.
"""

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from ivr.domain.dialled import is_number, is_pattern
from ivr.domain.errors import BadInput

LONGEST_NAME: Final = 64
LONGEST_VALUE: Final = 256
LONGEST_NUMBER: Final = 32

_NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]*[A-Za-z0-9])?")
_HOST: Final = re.compile(
    r"(?=.{1,253}\Z)[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*"
)
_USER: Final = re.compile(r"[A-Za-z0-9_.+-]+")
_NUMBER: Final = re.compile(r"\+?[0-9]+")
_PATH: Final = re.compile(r"[A-Za-z0-9_./+ -]+")


@dataclass(frozen=True, slots=True)
class Section:
    """`[name]` and its lines `key = value`, in order. A key may come several times."""

    name: str
    lines: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class File:
    """One configuration file. A secret one is readable by its owner alone."""

    name: str
    sections: tuple[Section, ...] = ()
    secret: bool = False


def section(name: str, **lines: str | int | bool) -> Section:
    """A section from keyword arguments; True and False become yes and no."""
    return Section(name, tuple((key, _plain(value)) for key, value in lines.items()))


def as_text(sections: Iterable[Section]) -> str:
    """The file's text, without its header."""
    blocks = ["\n".join((f"[{one.name}]", *(f"{key} = {value}" for key, value in one.lines))) for one in sections]
    return "\n\n".join(blocks) + "\n"


def name(value: str, what: str) -> str:
    """A name of ours: letters, digits, `-` and `_`."""
    return _matching(_NAME, value, what, "letters, digits, - and _", LONGEST_NAME)


def user(value: str, what: str) -> str:
    """A user name: letters, digits and `_.+-`."""
    return _matching(_USER, value, what, "letters, digits and _.+-", LONGEST_NAME)


def number(value: str, what: str) -> str:
    """A dialled number: digits, perhaps after a plus sign."""
    return _matching(_NUMBER, value, what, "digits, perhaps after a +", LONGEST_NUMBER)


def extension(value: str, what: str) -> str:
    """A dialled number, or a pattern in the letters X, Z and N, as an extension is written."""
    return f"_{value}" if is_number(value) and is_pattern(value) else number(value, what)


def path(value: str, what: str) -> str:
    """A path of a file system. No character that a dialplan or a configuration file gives a meaning to."""
    if value != value.strip():
        raise BadInput(f"{what} must not begin or end with a space")
    return _matching(_PATH, value, what, "letters, digits, spaces and _./+-", LONGEST_VALUE)


def host(value: str, what: str) -> str:
    """An IP address or a host name; an IPv6 address comes back in brackets."""
    address = _address(value)
    if address is not None:
        return f"[{address}]" if address.version == 6 else str(address)
    return _matching(_HOST, value, what, "a host name or an IP address", 253)


def network(value: str, what: str) -> str:
    """An IP address, a network (`10.0.0.0/24`) or a host name."""
    try:
        return str(ipaddress.ip_network(value, strict=False)) if "/" in value else host(value, what).strip("[]")
    except ValueError:
        raise BadInput(f"{what} is not a network: {value!r}") from None


def port(value: int, what: str) -> int:
    """1 to 65535."""
    if not 1 <= value <= 65535:
        raise BadInput(f"{what} must be from 1 to 65535, not {value}")
    return value


def bind(value: str, what: str) -> tuple[str, int]:
    """`address:port` taken apart and checked; the address is a literal one."""
    text, colon, digits = value.rpartition(":")
    address = _address(text.strip("[]"))
    if not colon or address is None or not (digits.isascii() and digits.isdigit()):
        raise BadInput(f"{what} must be an address and a port such as 192.0.2.1:5060, not {value!r}")
    return str(address), port(int(digits), what)


def literal(value: str, what: str) -> str:
    """`address:port` as a transport binds it: an IPv6 address in brackets."""
    address, listen = bind(value, what)
    return f"[{address}]:{listen}" if ":" in address else f"{address}:{listen}"


def secret(value: str, what: str) -> str:
    """A password as it must be written: printable ASCII, a semicolon escaped. Its text never shows in the error."""
    if not value or len(value) > LONGEST_VALUE:
        raise BadInput(f"{what} must have from 1 to {LONGEST_VALUE} characters")
    if not (value.isascii() and value.isprintable()) or value != value.strip() or "\\" in value:
        raise BadInput(f"{what} must be printable ASCII without \\ and without spaces at its ends")
    return value.replace(";", "\\;")


def _address(value: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    if "%" in value:  # an IPv6 zone may hold any character
        return None
    try:
        return ipaddress.ip_address(value)
    except ValueError:
        return None


def _matching(pattern: re.Pattern[str], value: str, what: str, allowed: str, longest: int) -> str:
    if len(value) > longest or not pattern.fullmatch(value):
        raise BadInput(f"{what} may hold {allowed}, at most {longest} characters, not {value[:longest]!r}")
    return value


def _plain(value: str | int | bool) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
