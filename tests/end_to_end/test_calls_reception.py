"""The shipped reception: a language, a menu, from there into another flow, and what is said when nobody is there."""

import asyncio
from collections.abc import Iterable, Mapping

from ivr.lab.hearing import Sound, load_prompts
from ivr.lab.town import HOUSE
from tests.end_to_end.evening import Evening, Spent, story
from tests.end_to_end.odd_numbers import RECEPTION, RECEPTION_CLOSED
from tests.end_to_end.stage import MONEY, MONEY_WORDS, MOST_SILENCE, Stage, digits, money


def _english(names: Iterable[str]) -> list[str]:
    """What the same prompts are called here when they are said in English."""
    return [f"en/{name}" for name in names]


async def _both_languages(stage: Stage) -> Mapping[str, Sound]:
    english = await asyncio.to_thread(load_prompts, HOUSE / "var" / "prompts", "en")
    return {**stage.sounds, **dict(zip(_english(english), english.values(), strict=True))}


@story
async def pays_in_english(stage: Stage) -> Spent:
    code = await stage.own_invoice()
    caller = await stage.call(RECEPTION, sounds=await _both_languages(stage))
    await caller.answers("en/language/choose_en", "2")
    await caller.answers("en/reception/menu", "1")
    await caller.barges("en/invoice/welcome", f"{code}#")
    await caller.barges("en/pay/press_keys", "1")
    await caller.pays()
    return Spent(await caller.told(), code)


def test_a_caller_who_chose_english_pays_in_english(evening: Evening) -> None:
    """Both languages greet; after the choice every word is English, but the bank's, which knows nothing of it."""
    one = evening.of("pays_in_english")
    amount, number = money(MONEY, "en"), digits(evening.transactions[one.code][0], "en")
    assert one.told.names == [
        *("reception/welcome", "en/reception/welcome", "language/choose_fa", "en/language/choose_en"),
        *_english(["reception/menu", "invoice/welcome"]),
        *_english(["pay/amount_payable", *amount, "pay/is", "pay/press_keys", "pay/connecting_to_bank"]),
        *("bank/welcome", "bank/amount_is", *MONEY_WORDS, "bank/enter_card", "bank/enter_pin", "bank/paid"),
        *_english(["pay/paid", "pay/tracking_number_is", *number, "common/goodbye"]),
    ]
    assert one.told.silence() < MOST_SILENCE
    assert evening.states("merchant", one.code) == [("approved", "paid")]
    (invite,) = evening.invites_for(one.code)
    assert invite.header("Amount") == str(MONEY)


@story
async def finds_nobody_at_the_reception(stage: Stage) -> Spent:
    caller = await stage.call(RECEPTION_CLOSED, sounds=await _both_languages(stage))
    return Spent(await caller.told())


def test_a_reception_that_is_closed(evening: Evening) -> None:
    """The number's own language says so, whole, and hangs up: there is no menu."""
    told = evening.told("finds_nobody_at_the_reception")
    assert told.names == told.whole == _english(["common/closed", "common/goodbye"])
    assert told.silence() < MOST_SILENCE
