"""Loopback addresses of our own, so that several labs run side by side on one machine with the usual ports.

Law: a block of 254 addresses belongs to one process as long as it holds a socket bound in it, and to nobody afterwards.
"""

import random
import socket
from types import TracebackType
from typing import Final, Self

from ivr.domain.errors import Unusable

MARK_PORT: Final = 42424
"""Bound on a block's last address by its holder."""

TRIES: Final = 50
_FIRST_SECOND_OCTET: Final = 16  # 127.0.x.x and its neighbours are other people's favourites


class Block:
    """A block 127.x.y.0/24. A context manager; also given back when the process ends, however it ends."""

    def __init__(self) -> None:
        self._mark, self._prefix = _claim()
        self._given = 0

    def address(self) -> str:
        """An address of the block that was not given before. Raises Unusable after 253."""
        if self._given >= 253:
            raise Unusable(f"all addresses of {self._prefix}.0/24 are in use")
        self._given += 1
        return f"{self._prefix}.{self._given}"

    def close(self) -> None:
        """Give the block back. Twice is once."""
        self._mark.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def free_port(address: str, preferred: int, *, kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """`preferred`, or another port when somebody holds it on this address (perhaps on all addresses)."""
    for port in (preferred, 0):
        with socket.socket(socket.AF_INET, kind) as probe:
            if kind == socket.SOCK_STREAM:
                # As Asterisk does: a connection that only lingers after its end is no obstacle.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise Unusable(f"no port is free on {address}")


def sip_port(address: str) -> int:
    """5060, or another port when somebody holds it."""
    return free_port(address, 5060, kind=socket.SOCK_DGRAM)


def _claim() -> tuple[socket.socket, str]:
    dice = random.SystemRandom()
    for _ in range(TRIES):
        prefix = f"127.{dice.randint(_FIRST_SECOND_OCTET, 254)}.{dice.randint(1, 254)}"
        mark = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            mark.bind((f"{prefix}.254", MARK_PORT))
        except OSError:
            mark.close()
            continue
        return mark, prefix
    raise Unusable("no block of loopback addresses is free")
