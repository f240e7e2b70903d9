"""A real Asterisk for the tests that need one. Others say `from tests.lab.conftest import asterisk`."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ivr.lab.addresses import Block
from ivr.lab.asterisk import Installation, ensure_asterisk


@pytest.fixture(scope="session")
def asterisk() -> Installation:
    """The machine's private Asterisk, installed on first use."""
    return ensure_asterisk()


@pytest.fixture(scope="session")
def block() -> Iterator[Block]:
    """Loopback addresses that nobody else uses."""
    with Block() as block:
        yield block


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home for an instance."""
    return tmp_path / "home"
