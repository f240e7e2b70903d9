"""What tests of several parts start once, a real PostgreSQL; and what some of them throw dice with."""

import random
from collections.abc import Iterator

import pytest

from ivr.lab.postgres import Server, running


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A server of its own; each test has books of its own in it."""
    with running() as server:
        yield server


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """Another one each time; shown when the test fails."""
    thrown = random.randrange(10**6)
    request.node.add_report_section("setup", "seed", str(thrown))
    return thrown
