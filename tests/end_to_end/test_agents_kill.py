"""`kill -9` while callers are with agents: talking, being sent to pay, and in the middle of a card with help."""

import asyncio
from dataclasses import dataclass
from typing import Final

from ivr.lab.hearing import Sound
from tests.end_to_end.evening import Evening, scene
from tests.end_to_end.odd_numbers import SECRET_CARD
from tests.end_to_end.people import PAY, SECRETS
from tests.end_to_end.stage import Stage, Told, payments_of
from tests.end_to_end.test_calls_agents import comes_back, pays_where_sent, talks_to
from tests.end_to_end.test_calls_assisted import CARD, OPENLY, PIN, presses, recordings_of
from tests.end_to_end.tones import keys_heard, names

HALF: Final = 9


@dataclass(frozen=True)
class Interrupted:
    """What three callers and an agent know of it."""

    talked: Told
    sent: Told
    states: tuple[str, ...]
    """Of the payments of the invoice that was sent along."""
    helped: Told
    agents_ear: Sound
    recordings: tuple[str, ...]
    """The keys that can be heard in each."""


@scene
async def the_application_dies_among_agents(stage: Stage) -> Interrupted:
    """Three calls, and nobody to drive them for a while."""
    merchant, invoice = stage.town.merchant, stage.invoice()
    (talks, sara), (sent, reza), (helped, parisa) = await asyncio.gather(
        *(talks_to(stage, name) for name in ("sara", "reza", "parisa"))
    )
    await presses(helped.call, OPENLY)
    await asyncio.sleep(0.5)
    await merchant.command("agents", "assist", "parisa", "--number", SECRETS)
    await helped.hears("bank/enter_card")
    await presses(helped.call, CARD[:HALF], secret=True)
    await merchant.kill_app()
    await asyncio.gather(
        reza.sends_to(f"{PAY}*{invoice.tracking_code}"), presses(helped.call, CARD[HALF:], secret=True)
    )
    helped.forgets()
    await merchant.start_app()

    async def talk_on() -> Told:
        await sara.call.hang_up()
        return await talks.told()

    async def pay() -> Told:
        await pays_where_sent(sent)
        return (await comes_back(stage, sent, "reza", "agent/paid")).told

    async def key_again() -> tuple[Told, Sound]:
        await helped.hears("bank/enter_card")
        await presses(helped.call, CARD, secret=True)
        await helped.hears("bank/enter_pin")
        await presses(helped.call, f"{PIN}#", secret=True)
        await helped.hears("pay/paid")
        await asyncio.sleep(1.5)
        await presses(helped.call, OPENLY)
        await asyncio.sleep(0.5)
        told = await helped.hangs_up()
        return told, (await parisa.told()).sound

    talked, sent_told, (helped_told, ear) = await asyncio.gather(talk_on(), pay(), key_again())
    states = tuple(str(row["state"]) for row in await payments_of(merchant, invoice.tracking_code))
    return Interrupted(talked, sent_told, states, helped_told, ear, tuple(recordings_of(stage.town)))


async def test_who_was_talking_hears_the_flow_go_on(evening: Evening) -> None:
    """The agent hangs up, and the next process says goodbye."""
    assert (await evening.scene(the_application_dies_among_agents)).talked.names[-1] == "common/goodbye"


async def test_who_was_sent_meanwhile_pays(evening: Evening) -> None:
    """The caller waits a moment, pays the agent's invoice, once, and is with the agent again."""
    found = await evening.scene(the_application_dies_among_agents)
    assert found.states == ("approved",)
    assert found.sent.names[-2:] == ["agent/connecting", "common/goodbye"]


async def test_a_card_that_was_half_keyed_stays_secret(evening: Evening) -> None:
    """It is asked for again; what was keyed while nobody drove the call is in no ear and no recording."""
    found = await evening.scene(the_application_dies_among_agents)
    assert found.helped.names.count("bank/enter_card") == 2
    assert names(keys_heard(found.agents_ear)) == OPENLY * 2
    assert OPENLY * 2 in found.recordings and set("".join(found.recordings)) == {OPENLY}
    assert SECRET_CARD.pan.reveal() not in repr(found.helped.keyed)
