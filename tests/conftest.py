"""What tests of several parts start once: a real PostgreSQL."""

from collections.abc import Iterator

import pytest

from ivr.lab.postgres import Server, running


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A server of its own; each test has books of its own in it."""
    with running() as server:
        yield server
