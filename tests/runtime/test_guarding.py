"""Calls that others may hear: nothing secret is asked before they are kept out, and what they see has no digit."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec
import pytest
from structlog.testing import capture_logs

from ivr.domain.errors import Unusable
from ivr.domain.legs import HangupCause
from ivr.domain.privacy import Privacy
from ivr.flow.model import DialledNumber, Dialplan
from ivr.flow.progress import Progress
from ivr.flow.session import Session
from ivr.prompts.speaking import speak
from ivr.prompts.units import Currency
from ivr.runtime.cashier import Cashier
from ivr.runtime.ports import CallInfo
from ivr.runtime.services import Services
from ivr.runtime.switchboard import Switchboard
from tests.fakes import FakeVoice
from tests.flow.world import shipped, small_flow
from tests.runtime.conftest import FOUND, INVOICE, NOW, House

STEPS = """  a: {say: invoice/welcome, next: card}
  card: {ask: {prompt: bank/enter_card, form: card, save: card}, next: pin, exits: {silence: sorry, invalid: sorry}}
  pin: {ask: {prompt: bank/enter_pin, save: pin, secret: true, min: 5, max: 5}, next: thanks,
        exits: {silence: sorry, invalid: sorry}}
  thanks: {say: pay/paid, next: end}"""
CARD, PIN = "6037701689095443", "47115"
NUMBER = "1950"
HELPED = CallInfo("1700000000.77", "agents", NUMBER, "09121234567", "sara", (), "1", sent=True, assisted=True)
SENT = replace(HELPED, assisted=False)


@dataclass
class Guarded:
    """A house in which agents help callers, and what each agent was shown."""

    house: House
    tmp_path: Path
    shown: list[tuple[str, Progress]] = field(default_factory=list)
    can_guard: bool = True

    def switchboard(self) -> Switchboard:
        house = self.house
        flow = small_flow(self.tmp_path, STEPS)
        number = DialledNumber(NUMBER, flow.name, "fa", None, {})
        mine = DialledNumber("1951", "pay_invoice", "fa", None, {"merchant_phone": "2191071390"})
        services = Services(
            providers={"paystar": house.paystar, "bank": house.bank},
            cashier=Cashier(house.books, house.books, lambda: NOW),
            snapshots=house.snapshots,
            observer=house.observer,
            speak=lambda say, language: speak(say, language, Currency.RIAL),
            trusted_trunks=frozenset({"agents"}),
            longest_call=house.longest_call,
            watch=lambda agent, progress: self.shown.append((agent, progress)),
            can_guard=self.can_guard,
        )
        flows = {flow.name: flow, "pay_invoice": shipped("pay_invoice")}
        return Switchboard(
            Dialplan(flows, [number, mine]), services, most_calls=5, nudge=lambda *_: None, clock=lambda: NOW
        )

    def rings(self, info: CallInfo, *, listens: bool = True) -> FakeVoice:
        self.house.switchboard = self.switchboard()
        voice = FakeVoice(info, listens=listens)
        voice.emit = self.house.switchboard.accept(voice)
        return voice


@pytest.fixture
def guarded(house: House, tmp_path: Path) -> Guarded:
    return Guarded(house, tmp_path)


def order_of(voice: FakeVoice, *of: str) -> Sequence[str]:
    return [did for did in voice.did if did.startswith(of)]


async def test_closed_off_before_the_question(guarded: Guarded) -> None:
    """And open again only after the last digit of the last secret."""
    voice = guarded.rings(HELPED)
    await voice.hears("bank/enter_card")
    assert order_of(voice, "guard", "play") == ["play", "guard all", "play"]
    voice.keys(CARD)
    await voice.hears("bank/enter_pin")
    voice.keys(PIN)
    await voice.hears("pay/paid")
    assert order_of(voice, "guard", "play") == ["play", "guard all", "play", "play", "guard open", "play"]


async def test_who_was_sent_is_guarded_where_recordings_can_be_silenced(guarded: Guarded) -> None:
    """Without a manager there is nobody to ask: the call is as any other."""
    voice = guarded.rings(SENT)
    await voice.hears("bank/enter_card")
    assert order_of(voice, "guard") == ["guard all"]
    voice.go()
    await guarded.house.over()
    guarded.can_guard = False
    voice = guarded.rings(SENT)
    await voice.hears("bank/enter_card")
    assert order_of(voice, "guard") == []


async def test_nobody_else_listens(guarded: Guarded) -> None:
    """A caller of a trunk is not guarded."""
    voice = guarded.rings(CallInfo("1.1", "public", NUMBER, None))
    await voice.hears("bank/enter_card")
    assert order_of(voice, "guard") == []


@pytest.mark.parametrize("fault", [Unusable("recordings cannot be silenced"), RuntimeError("a bug")])
async def test_what_cannot_be_closed_off_is_not_asked(guarded: Guarded, fault: Exception) -> None:
    """The flow's failure step speaks instead; what is keyed all the same is for nobody."""
    with capture_logs() as lines:
        voice = guarded.rings(HELPED, listens=False)
        await voice.hears("invoice/welcome")
        voice.breaks.on("guard all", fault)
        voice.finish()
        await voice.hears("common/technical_problem")
        voice.keys(CARD)
        voice.finish()
        await guarded.house.over()
    assert "bank/enter_card" not in voice.heard and voice.cause is HangupCause.NORMAL
    assert {"command_failed", "command_broke"} & {line["event"] for line in lines}
    assert CARD not in str(lines)


async def test_nor_may_opening_up_fail(guarded: Guarded) -> None:
    """Whatever happens, the caller is not left in silence."""
    voice = guarded.rings(HELPED)
    await voice.hears("bank/enter_card")
    voice.keys(CARD)
    await voice.hears("bank/enter_pin")
    voice.breaks.on("guard open", Unusable("no"))
    voice.keys(PIN)
    await voice.hears("common/technical_problem")
    await guarded.house.over()


async def test_what_is_keyed_ahead_is_no_secret_of_a_guarded_call(guarded: Guarded) -> None:
    """It was heard: the caller is asked, and keys it again. Of other calls it is taken."""
    voice = guarded.rings(HELPED, listens=False)
    await voice.hears("invoice/welcome")
    voice.keys(CARD)
    voice.finish()
    await voice.hears("bank/enter_card")
    assert guarded.shown[-1][1].keyed == 0
    voice.keys(CARD[:3])
    assert guarded.shown[-1][1].keyed == 3
    voice.go()
    await guarded.house.over()
    other = guarded.rings(CallInfo("1.1", "public", NUMBER, None), listens=False)
    await other.hears("invoice/welcome")
    other.keys(CARD)
    other.finish()
    await other.hears("bank/enter_pin")


async def test_the_agent_sees_how_far_the_caller_is(guarded: Guarded) -> None:
    """Each digit as it is keyed, by the agent who is on the line; and no digit in anything that was shown."""
    voice = guarded.rings(HELPED)
    await voice.hears("bank/enter_card")
    voice.keys(CARD)
    await voice.hears("bank/enter_pin")
    voice.keys(PIN)
    await guarded.house.over()
    assert {agent for agent, _ in guarded.shown} == {"sara"}
    seen = [one for _, one in guarded.shown]
    assert [*dict.fromkeys(one.keyed for one in seen if one.asks == "card")] == list(range(16))
    assert seen[-1].over and not seen[-1].private
    text = str([msgspec.to_builtins(one) for one in seen])
    assert CARD[:4] not in text and CARD[-4:] not in text and PIN not in text


async def test_who_was_only_sent_is_shown_to_nobody(guarded: Guarded) -> None:
    """Their agent is not on the line."""
    voice = guarded.rings(SENT)
    await voice.hears("bank/enter_card")
    voice.keys(CARD)
    assert guarded.shown == []


async def test_a_new_process_closes_off_again(guarded: Guarded) -> None:
    """Before it asks again: what the dead one had asked of Asterisk it cannot know."""
    voice = guarded.rings(HELPED)
    await voice.hears("bank/enter_card")
    await guarded.house.switchboard.drain(0)
    await guarded.house.snapshots.stop()
    kept = guarded.house.store.kept[HELPED.session_id]
    assert Session.restore(kept).privacy == Privacy.ALL.value
    again = FakeVoice(HELPED)
    guarded.house.switchboard = guarded.switchboard()
    again.emit = guarded.house.switchboard.resume(again, kept, None)
    await again.hears("bank/enter_card")
    assert order_of(again, "guard", "play") == ["guard all", "play"]


async def test_a_new_process_finds_people_who_talk(guarded: Guarded) -> None:
    """Their flow was over: nothing begins anew; the voice lets them go on."""
    again = FakeVoice(HELPED)
    guarded.house.switchboard = guarded.switchboard()
    again.emit = guarded.house.switchboard.resume(again, None, None)
    again.keys("1")
    assert again.heard == [] and again.did == ["hang_up"] and len(guarded.house.switchboard) == 0


async def test_recordings_are_silent_at_the_bank(guarded: Guarded) -> None:
    """The agent is not there, and their recording must not be either."""
    guarded.house.paystar.answers["create_transaction"].append(FOUND)
    voice = guarded.rings(replace(HELPED, dialled_number="1951", behind=(INVOICE,)))
    await voice.hears("pay/press_keys")
    voice.keys("1")
    await voice.dialled()
    assert order_of(voice, "guard", "dial") == ["guard recordings", "dial"]


async def test_who_takes_an_agents_place_is_guarded(guarded: Guarded) -> None:
    """The agent's own call was not; whoever recorded the caller's talk goes on recording."""
    own = replace(HELPED, call_id="1700000000.78", sent=False, assisted=False)
    agent = guarded.rings(own)
    await agent.hears("bank/enter_card")
    assert order_of(agent, "guard") == []
    caller = FakeVoice(replace(own, call_id="1700000000.79", sent=True, visit=own.session_id))
    caller.emit = guarded.house.switchboard.replace(caller, own)
    await caller.hears("bank/enter_card")
    assert order_of(caller, "guard", "play") == ["guard all", "play"]
