"""A card number that somebody sends by mistake, on any screen of any service, is afterwards nowhere."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ivr.lab.ussd import CODES, USSD_SECRET
from ivr.sandbox.inoti_books import InotiAccount
from tests.ussd_services.house import House
from tests.ussd_services.telephone import Telephone
from tests.ussd_services.words import WORDS

PAN = "6104337654321015"
"""Passes as a card's number; of nobody."""
ACCOUNT = InotiAccount()


def holding(home: Path, *needles: str) -> list[str]:
    """The files whose content or name holds one of these."""

    def files() -> Iterator[tuple[str, bytes]]:
        for path in sorted(home.rglob("*")):
            if path.is_file():
                yield str(path.relative_to(home)), path.read_bytes()

    wanted = [needle.encode() for needle in needles]
    return [name for name, content in files() if any(one in content or one in name.encode() for one in wanted)]


@pytest.mark.parametrize("service", CODES)
@pytest.mark.parametrize("how", ["dialled", "sent", "in Persian digits", "sent in pieces"])
def test_a_card_is_nowhere(house: House, phone: Telephone, service: str, how: str) -> None:
    """Not in the books, a session, a log, a notice or a webhook: as it was sent, nor with blanks or other digits."""
    persian = PAN.translate(str.maketrans("0123456789", "۰۱۲۳۴۵۶۷۸۹"))
    lines = {
        "dialled": [],
        "sent": [PAN, PAN],
        "in Persian digits": [persian],
        "sent in pieces": [" ".join(re.findall("....", PAN)), "-".join(re.findall("....", PAN))],
    }[how]
    code = CODES[service]
    phone.dial(f"{code.removesuffix('#')}*{PAN}#" if how == "dialled" else code)
    for line in lines:
        said = phone.answer(line)
        assert PAN not in said and persian not in said and WORDS["register/done"] not in said
    spellings = (PAN, persian, *(separator.join(re.findall("....", PAN)) for separator in (" ", "-", "%20", "+")))
    assert holding(house.home, *spellings) == []
    assert PAN not in "".join(seen.body.decode() for seen in list(house.shop.seen))


def test_credentials_are_nowhere(house: House) -> None:
    """The secret of the path and iNoti's password stand in the environment alone."""
    assert holding(house.home, USSD_SECRET, ACCOUNT.username.reveal(), ACCOUNT.password.reveal()) == []


def test_search_finds_what_is_there(house: House) -> None:
    """A card number planted among the books is found."""
    canary = house.storage / "canary.sqlite-wal"
    canary.write_bytes(b"\x00\xff" + PAN.encode())
    try:
        assert holding(house.home, PAN) == ["var/canary.sqlite-wal"]
    finally:
        canary.unlink()
