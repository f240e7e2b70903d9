"""An agent stays on the line while the caller pays: what the agent's ear, their phone and the recording know of it.

The caller's telephone is one that lets every key be heard as a tone besides sending it, so that there is something to
be heard wherever it is not kept out.
"""

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pytest

from ivr.lab.hearing import Sound, load_wav
from ivr.lab.phone import PhoneCall
from ivr.lab.town import Town
from tests.end_to_end.evening import Evening, Spent, story
from tests.end_to_end.odd_numbers import SECRET_CARD
from tests.end_to_end.people import SECRETS, TALK_THEN_SECRETS, picks_up
from tests.end_to_end.stage import PATIENCE, Caller, Stage, eventually
from tests.end_to_end.test_calls_agents import talks_to
from tests.end_to_end.tones import keys_heard, names

OPENLY: Final = "A"
"""A key that is in no card's number: pressed where everybody may hear it."""
MOSTLY: Final = 0.3
"""The share of a prompt that is enough: where three are in a bridge, a busy machine loses a piece in its middle."""
CARD: Final = SECRET_CARD.pan.reveal()
PIN: Final = SECRET_CARD.pin.reveal()


def _nothing() -> Sound:
    return np.zeros(0, np.int16)


@dataclass(frozen=True)
class Helped(Spent):
    """What is known of it afterwards."""

    agents_ear: Sound = field(default_factory=_nothing)
    agents_phone: str = ""
    """The keys that the agent's telephone was sent."""
    seen: tuple[dict[str, Any], ...] = ()
    """What the agent was shown, in order."""


async def presses(call: PhoneCall, keys: str, *, secret: bool = False) -> None:
    """Sent and heard."""
    await asyncio.gather(call.key(keys, secret=secret), call.sound_keys(keys))


async def shown(stage: Stage, agent: str) -> dict[str, Any]:
    """What the agent sees now."""
    found: dict[str, Any] = json.loads(await stage.town.merchant.command("agents", "call", agent))
    return found


async def keys_secrets(caller: Caller) -> None:
    """The card and the PIN, each as soon as it is asked for, at a person's pace, and every key can be heard."""
    for prompt, keys in (("bank/enter_card", CARD), ("bank/enter_pin", f"{PIN}#")):
        await caller.hears(prompt)
        for key in keys:
            await presses(caller.call, key, secret=True)
            await asyncio.sleep(0.1)
    await caller.hears("pay/paid")


def recordings_of(town: Town) -> list[str]:
    """The keys that can be heard in each recording that the merchant has made."""
    return [names(keys_heard(load_wav(path))) for path in sorted(town.merchant.instance.monitor.glob("*.wav"))]


@story
async def an_agent_helps_with_a_card(stage: Stage) -> Helped:
    """The card and the PIN are keyed with the agent on the line."""
    caller, agent = await talks_to(stage, "parisa")
    await presses(caller.call, OPENLY)
    await asyncio.sleep(0.5)
    await stage.town.merchant.command("agents", "assist", "parisa", "--number", SECRETS)
    await caller.hears("bank/enter_card", share=MOSTLY)
    await presses(caller.call, CARD[:3], secret=True)
    seen = [await shown(stage, "parisa")]
    await presses(caller.call, CARD[3:], secret=True)
    await caller.hears("bank/enter_pin", share=MOSTLY)
    await presses(caller.call, f"{PIN}#", secret=True)
    await caller.hears("pay/paid", share=MOSTLY)
    seen.append(await eventually(lambda: shown(stage, "parisa"), lambda found: found["over"], PATIENCE))
    await asyncio.sleep(0.5)
    await presses(caller.call, OPENLY)
    await asyncio.sleep(0.5)
    await agent.call.hang_up()
    told = await caller.told()
    return Helped(
        told,
        agents_ear=(await agent.told()).sound,
        agents_phone="".join(agent.call.received),
        seen=tuple(seen),
    )


@story
async def an_agent_helps_with_an_invoice_by_keys(stage: Stage) -> Helped:
    """`*7` on the agent's telephone; the invoice was attached; the card is keyed at the bank, without the agent."""
    invoice = stage.invoice()
    caller, agent = await talks_to(stage, "hamid")
    await stage.town.merchant.command("agents", "attach", "hamid", f"invoice_id={invoice.tracking_code}")
    await agent.keys("*7")
    await caller.hears("invoice/sent_here", share=MOSTLY)
    await agent.hears("pay/amount_payable", share=MOSTLY)
    await caller.barges("pay/press_keys", "1")
    await caller.pays(SECRET_CARD)
    await caller.hears("pay/paid", share=MOSTLY)
    await agent.hears("pay/paid", share=MOSTLY)
    await caller.hears("pay/tracking_number_is", share=MOSTLY)
    await asyncio.sleep(6)
    told = await caller.hangs_up()
    return Helped(
        told,
        invoice.tracking_code,
        agents_ear=(await agent.told()).sound,
        agents_phone="".join(agent.call.received),
    )


@story
async def an_agent_asks_first_for_secrets(stage: Stage) -> Spent:
    """`*2` and the number that asks; the agent hears the question, and gives the caller that place."""
    caller, agent = await talks_to(stage, "nasrin")
    await presses(caller.call, OPENLY)
    await asyncio.sleep(0.5)
    await agent.keys("*2")
    await asyncio.sleep(1.5)
    await agent.keys(SECRETS)
    await agent.hears("bank/enter_card", share=0.2)
    await agent.call.hang_up()
    await keys_secrets(caller)
    return Spent(await caller.told())


@story
async def a_caller_talks_and_then_keys_secrets(stage: Stage) -> Spent:
    """Nobody sent the caller: the flow itself let them talk to an agent, and the recording goes on."""
    caller = await stage.call(TALK_THEN_SECRETS)
    agent = await picks_up(stage.town, "nader", stage.sounds)
    await agent.is_told("agent/not_tried")
    await presses(caller.call, OPENLY)
    await asyncio.sleep(0.5)
    await agent.hangs_up()
    await keys_secrets(caller)
    return Spent(await caller.told())


OTHER_WAYS: Final = ("an_agent_asks_first_for_secrets", "a_caller_talks_and_then_keys_secrets")


async def test_the_agent_knows_how_far_the_caller_is(evening: Evening) -> None:
    """Three of sixteen, and later that it is over: no digit anywhere."""
    first, last = evening.of("an_agent_helps_with_a_card").seen  # type: ignore[attr-defined]
    assert (first["asks"], first["keyed"], first["of"], first["private"]) == ("card", 3, 16, True)
    assert last["over"] and not last["private"] and last["keyed"] == 0


async def test_the_agent_hears_no_tone_of_a_secret(evening: Evening) -> None:
    """What is pressed openly before and afterwards is heard: the rest was kept out, and not lost."""
    helped = evening.of("an_agent_helps_with_a_card")
    assert isinstance(helped, Helped)
    assert names(keys_heard(helped.agents_ear)) == OPENLY * 2


async def test_the_agents_phone_is_sent_no_key_of_a_secret(evening: Evening) -> None:
    """The key that was pressed while both talked freely reached it."""
    helped = evening.of("an_agent_helps_with_a_card")
    assert isinstance(helped, Helped)
    assert set(helped.agents_phone) == {OPENLY}


async def test_no_recording_holds_a_secret(evening: Evening, town: Town) -> None:
    """Whichever way led to the secret, each is silent from its first to its last digit, and sounds before and after."""
    for name in ("an_agent_helps_with_a_card", *OTHER_WAYS):
        assert "pay/paid" in evening.told(name).names
    heard = await asyncio.to_thread(recordings_of, town)
    assert set("".join(heard)) == {OPENLY}
    assert OPENLY * 2 in heard and len([one for one in heard if one]) >= 1 + len(OTHER_WAYS)


async def test_both_hear_the_flow(evening: Evening) -> None:
    """The caller and the agent, the same words; the caller says goodbye to the agent, and not we."""
    helped = evening.of("an_agent_helps_with_a_card")
    assert [n for n in helped.told.names if n.startswith(("bank/", "pay/"))] == [
        "bank/enter_card",
        "bank/enter_pin",
        "pay/paid",
    ]


async def test_an_invoice_is_paid_at_the_bank(evening: Evening) -> None:
    """The agent is not in the talk with the bank, and hears the outcome with the caller."""
    helped = evening.of("an_agent_helps_with_an_invoice_by_keys")
    assert isinstance(helped, Helped)
    assert evening.states("merchant", helped.code) == [("approved", "paid")]
    assert "bank/enter_card" in helped.told.names
    heard = evening.of("an_agent_helps_with_an_invoice_by_keys")
    assert not set(helped.agents_phone) & set("0123456789#")
    assert heard.told.names.count("pay/paid") == 1


@pytest.mark.parametrize("name", ["an_agent_helps_with_a_card", "an_agent_helps_with_an_invoice_by_keys"])
async def test_nobody_is_left_on_the_line(evening: Evening, name: str) -> None:
    """Who hangs up ends it for both."""
    assert evening.of(name)
    assert evening.left == []
