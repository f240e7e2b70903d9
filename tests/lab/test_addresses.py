"""Labs side by side do not get into each other's way."""

import socket

import pytest

from ivr.domain.errors import Unusable
from ivr.lab.addresses import Block, free_port


def test_blocks_and_addresses_are_given_once() -> None:
    """Two labs at once, each with its own addresses."""
    with Block() as first, Block() as second:
        given = [block.address() for block in (first, second) for _ in range(253)]
        assert len(set(given)) == 506
        with pytest.raises(Unusable, match="in use"):
            first.address()


def test_a_taken_port_is_replaced() -> None:
    """Somebody listening on all addresses takes the usual port everywhere; the lab moves aside."""
    with Block() as block, socket.socket() as other:
        other.bind((block.address(), 0))
        other.listen()
        address, port = other.getsockname()
        assert free_port(address, port) not in (0, port)
        assert free_port(block.address(), port) == port
