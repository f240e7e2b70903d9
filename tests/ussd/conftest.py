"""A USSD network in front of each kind of database."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ivr.store.opening import open_store
from tests.clock import Clock
from tests.store.conftest import KINDS, Books, new_books
from tests.ussd.world import Network, small_dialplan

STEPS = """  a: {ask: {prompt: pay/is, min: 4, max: 12, save: code}, next: m, exits: {silence: sorry, invalid: sorry}}
  m:
    menu: {prompt: pay/amount_payable, keys: {"1": b, "2": a}}
    exits: {silence: sorry, invalid: sorry}
  b:
    keep: {as: registration, with: {code: code, mobile: caller_mobile}}
    next: done
    exits: {again: known, unknown: sorry}
  done: {say: pay/paid, next: end}
  known: {say: common/goodbye, next: end}"""
"""A number is asked for, and kept when the user agrees."""


@pytest.fixture(params=KINDS)
def books(request: pytest.FixtureRequest, tmp_path: Path) -> Books:
    return new_books(request.param, tmp_path, request)


@pytest.fixture
async def network(books: Books, tmp_path: Path) -> AsyncIterator[Network]:
    """A service of `STEPS`, and books that nobody has written in."""
    clock = Clock()
    async with open_store(tmp_path, clock, books.shared) as store:
        yield Network(store, small_dialplan(tmp_path, STEPS), clock)
