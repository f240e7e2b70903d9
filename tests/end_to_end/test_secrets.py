"""What a run leaves on disk holds no secret, except in the files whose job it is to hold one."""

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from ivr.lab.town import CHAIN_NUMBER, PAY_NUMBER
from ivr.lab.ussd import CODES, USSD_SECRET
from ivr.sandbox.settings import DEMO_CARDS, DEMO_GATEWAY
from ivr.sandbox.ussd_network import Kind
from tests.end_to_end.evening import Evening, Spent, stories
from tests.end_to_end.odd_numbers import SECRET_CARD
from tests.end_to_end.payer import at_the_otp, otp, own_invoice
from tests.end_to_end.stage import Stage

KEYS_IN_A_LOG = re.compile(rb"DTMF (begin|end)|\bdigit[^\w/]+[0-9*#]\b")
"""Not `…/digit/2`: a recording that Asterisk could not play to who had left."""


def _files(home: Path) -> Iterator[tuple[Path, bytes]]:
    """Every file with its bytes; of a recording only its name."""
    for path in sorted(home.rglob("*")):
        if path.is_file():
            yield path, b"" if path.suffix == ".wav" else path.read_bytes()


def _holding(home: Path, needle: str) -> list[str]:
    """The files whose content or name holds the text."""
    return [
        str(path.relative_to(home))
        for path, content in _files(home)
        if needle.encode() in content or needle in str(path.relative_to(home))
    ]


async def _pays_in_secret(number: str, stage: Stage) -> Spent:
    code = stage.invoice().tracking_code
    caller = await stage.call(number)
    await caller.agrees(code)
    await caller.pays(SECRET_CARD)
    await caller.hears("bank/paid")
    return Spent(await caller.hangs_up(), code)


OTPS: list[str] = []
"""One-time passwords that were keyed."""


async def _charges_in_secret(stage: Stage) -> Spent:
    code = await own_invoice(stage)
    caller = await at_the_otp(stage, code, SECRET_CARD)
    OTPS.append(await otp(stage, code))
    await caller.keys(f"{OTPS[-1]}#", secret=True)
    await caller.hears("card/reference_is")
    return Spent(await caller.hangs_up(), code)


CALLS = stories(
    {
        "secret directly": partial(_pays_in_secret, PAY_NUMBER),
        "secret by the chain": partial(_pays_in_secret, CHAIN_NUMBER),
    }
)
[CHARGED] = stories({"secret by card": _charges_in_secret})


def test_cards_and_pins_are_nowhere(evening: Evening, stage: Stage, homes: Path) -> None:
    """Calls with a card, a PIN and a one-time password that are like nothing else: none is in anything left behind."""
    for name in CALLS:
        assert stage.town.sandbox.books.invoices[evening.of(name).code].reference is not None
    assert [state for state, _ in evening.states("merchant", evening.of(CHARGED).code)] == ["approved"]
    assert len(OTPS[0]) == 12 and _holding(homes, OTPS[0]) == []
    cards = (SECRET_CARD, *DEMO_CARDS)
    assert {card.pan: found for card in cards if (found := _holding(homes, card.pan.reveal()))} == {}
    assert _holding(homes, SECRET_CARD.pin.reveal()) == []


async def test_a_card_that_is_sent_by_ussd_is_nowhere(stage: Stage, homes: Path) -> None:
    """By mistake, as the answer to whatever is asked: it is no valid one, and is kept by nobody."""
    pan = SECRET_CARD.pan.reveal()
    for code in CODES.values():
        shown = await stage.town.sandbox.ussd.dial("09121234567", f"{code.removesuffix('#')}*{pan}#")
        assert shown.kind is Kind.SCREEN
        await stage.town.sandbox.ussd.reply(shown.session, pan)
    assert _holding(homes, pan) == []


def test_keys_are_not_logged_one_by_one(stage: Stage, homes: Path) -> None:
    """No log, ours or Asterisk's, has a line for each key."""
    logs = [path for path, content in _files(homes) if "log" in path.name or "log" in path.parent.name]
    assert logs
    assert [path for path in logs if KEYS_IN_A_LOG.search(path.read_bytes())] == []


def test_credentials_are_only_where_they_belong(stage: Stage, homes: Path) -> None:
    """The gateway's sequence is in no file; each ARI password in its own Asterisk's ari.conf alone."""
    assert _holding(homes, DEMO_GATEWAY.sequence.reveal()) == []
    assert _holding(homes, "nobody-knows-this-one") == []
    assert _holding(homes, USSD_SECRET) == []
    for party in (stage.town.merchant, stage.town.switch, stage.town.bank, stage.town.handset):
        assert _holding(homes, party.password) == [f"town/{party.name}/asterisk/etc/ari.conf"]


def test_search_finds_what_is_there(stage: Stage, homes: Path) -> None:
    """A card number planted among the books, as a file's content and as a file's name, is found."""
    pan = SECRET_CARD.pan.reveal()
    canaries = [stage.town.merchant.storage / "canary.sqlite-wal", stage.town.home / "heard" / f"{pan}.wav"]
    canaries[0].write_bytes(b"\x00\xff" + pan.encode() + b"\x00")
    canaries[1].write_bytes(b"")
    try:
        assert len(_holding(homes, pan)) == len(canaries)
    finally:
        for canary in canaries:
            canary.unlink()
