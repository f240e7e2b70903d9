"""One house for all tests of this package; who kills its process starts it again."""

from collections.abc import Iterator

import pytest

from tests.browser import beside
from tests.ussd_services.house import House
from tests.ussd_services.telephone import Telephone


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Its servers run on an event loop of their own, so tests are ordinary functions."""
    with beside(House(tmp_path_factory.mktemp("house"))) as (running, _):
        yield running


@pytest.fixture
def phone(house: House) -> Telephone:
    """Of somebody who has never called."""
    return Telephone(house)
