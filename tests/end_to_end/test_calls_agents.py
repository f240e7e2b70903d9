"""Callers and the merchant's agents: sent to pay and back, with real phones that register, ring and transfer."""

import asyncio

import pytest

from tests.end_to_end.evening import Evening, Spent, story
from tests.end_to_end.people import PAY, TO_NOBODY, Agent, calls, picks_up, to
from tests.end_to_end.stage import Caller, Stage

PAID = ["pay/paid", "pay/tracking_number_is"]


async def talks_to(stage: Stage, name: str) -> tuple[Caller, Agent]:
    """A caller who has come to this agent."""
    caller = await stage.call(to(name))
    agent = await picks_up(stage.town, name, stage.sounds)
    await agent.is_told("agent/not_tried")
    return caller, agent


async def pays_from_the_amount_on(caller: Caller) -> None:
    """The caller hears the amount, agrees and pays."""
    await caller.hears("pay/amount_payable")
    await caller.barges("pay/press_keys", "1")
    await caller.pays()
    await caller.hears("pay/paid")


async def pays_where_sent(caller: Caller) -> None:
    """The caller is not asked for the invoice; agrees and pays."""
    await caller.hears("invoice/sent_here")
    await pays_from_the_amount_on(caller)


async def comes_back(stage: Stage, caller: Caller, name: str, hears: str) -> Spent:
    """The agent's phone rings again, hears how it went, and hangs up after a word."""
    agent = await picks_up(stage.town, name, stage.sounds)
    await agent.is_told(hears)
    await agent.hangs_up()
    return Spent(await caller.told())


@story
async def an_agent_sends_a_caller_with_the_invoice(stage: Stage) -> Spent:
    """Blind transfer to <number>*<invoice>."""
    invoice = stage.invoice()
    caller, agent = await talks_to(stage, "sara")
    await agent.sends_to(f"{PAY}*{invoice.tracking_code}")
    await pays_where_sent(caller)
    return Spent((await comes_back(stage, caller, "sara", "agent/paid")).told, invoice.tracking_code)


@story
async def an_agent_gives_the_caller_their_place(stage: Stage) -> Spent:
    """Attended transfer: the agent calls the pay number on a second line, and then gives the caller that place."""
    invoice = stage.invoice()
    caller, agent = await talks_to(stage, "reza")
    second = await calls(stage.town, "reza", f"{PAY}*{invoice.tracking_code}", stage.sounds)
    await second.hears("invoice/sent_here")
    await agent.gives_place(second)
    await pays_from_the_amount_on(caller)
    return Spent((await comes_back(stage, caller, "reza", "agent/paid")).told, invoice.tracking_code)


@story
async def an_agents_phone_says_the_invoice_behind_the_address(stage: Stage) -> Spent:
    """Blind transfer to the number, with X-Invoice-Id as a parameter of the Refer-To."""
    invoice = stage.invoice()
    caller, agent = await talks_to(stage, "mina")
    await agent.sends_to(PAY, f";X-Invoice-Id={invoice.tracking_code}")
    await pays_where_sent(caller)
    return Spent((await comes_back(stage, caller, "mina", "agent/paid")).told, invoice.tracking_code)


@story
async def an_agents_phone_says_the_invoice_in_a_header(stage: Stage) -> Spent:
    """The agent's own call to the number has X-Invoice-Id, and the caller is given its place."""
    invoice = stage.invoice()
    caller, agent = await talks_to(stage, "dara")
    second = await calls(stage.town, "dara", PAY, stage.sounds, {"X-Invoice-Id": invoice.tracking_code})
    await second.hears("invoice/sent_here")
    await agent.gives_place(second)
    await pays_from_the_amount_on(caller)
    return Spent((await comes_back(stage, caller, "dara", "agent/paid")).told, invoice.tracking_code)


@story
async def an_agent_transfers_with_keys(stage: Stage) -> Spent:
    """`##` and the number, from a phone without a transfer key."""
    invoice = stage.invoice()
    caller, agent = await talks_to(stage, "omid")
    await agent.keys("##")
    await asyncio.sleep(1.5)
    await agent.keys(f"{PAY}*{invoice.tracking_code}")
    await pays_where_sent(caller)
    return Spent((await comes_back(stage, caller, "omid", "agent/paid")).told, invoice.tracking_code)


@story
async def an_agent_asks_first_with_keys(stage: Stage) -> Spent:
    """`*2` and the number: the agent hears the flow, hangs up, and the caller has the agent's place."""
    invoice = stage.invoice()
    caller, agent = await talks_to(stage, "yasmin")
    await agent.keys("*2")
    await asyncio.sleep(1.5)
    await agent.keys(f"{PAY}*{invoice.tracking_code}")
    await agent.hears("invoice/sent_here")
    await agent.call.hang_up()
    await pays_from_the_amount_on(caller)
    return Spent((await comes_back(stage, caller, "yasmin", "agent/paid")).told, invoice.tracking_code)


@story
async def the_agent_is_gone_afterwards(stage: Stage) -> Spent:
    """The caller leaves the payment with `*`; the agent does not answer, so somebody of the queue hears of it."""
    invoice = stage.invoice()
    caller, agent = await talks_to(stage, "lale")
    await agent.sends_to(f"{PAY}*{invoice.tracking_code}")
    await caller.hears("invoice/sent_here")
    await caller.barges("pay/press_keys", "*")
    other = asyncio.create_task(picks_up(stage.town, "shirin", stage.sounds, 90))
    await caller.hears("agent/somebody_else")
    colleague = await other
    await colleague.is_told("agent/not_tried")
    await colleague.hangs_up()
    return Spent(await caller.told(), invoice.tracking_code)


@story
async def the_agent_hangs_up(stage: Stage) -> Spent:
    """And the flow goes on with the caller."""
    caller, agent = await talks_to(stage, "babak")
    await agent.hangs_up()
    return Spent(await caller.told())


@story
async def nobody_is_in_the_queue(stage: Stage) -> Spent:
    """No agent at all."""
    return Spent(await (await stage.call(TO_NOBODY)).told())


@story
async def the_caller_hangs_up_on_the_agent(stage: Stage) -> Spent:
    """While they talk."""
    caller, agent = await talks_to(stage, "nima")
    told = await caller.hangs_up()
    await agent.told()
    return Spent(told)


@story
async def an_agent_sends_a_caller_to_a_wrong_invoice(stage: Stage) -> Spent:
    """Nobody knows it: the caller is told, and asked for the number."""
    invoice = stage.invoice()
    caller, agent = await talks_to(stage, "taraneh")
    await agent.sends_to(f"{PAY}*99999999")
    await caller.hears("invoice/wrong_number")
    await caller.barges("invoice/enter_number", f"{invoice.tracking_code}#")
    await caller.hears("pay/amount_payable")
    return Spent(await caller.hangs_up(), invoice.tracking_code)


@pytest.mark.parametrize(
    "name",
    [
        "an_agent_sends_a_caller_with_the_invoice",
        "an_agent_gives_the_caller_their_place",
        "an_agents_phone_says_the_invoice_behind_the_address",
        "an_agents_phone_says_the_invoice_in_a_header",
        "an_agent_transfers_with_keys",
    ],
)
async def test_sent_paid_and_back(evening: Evening, name: str) -> None:
    """The caller is not asked for the invoice, pays it at the bank, and is with the same agent again."""
    spent = evening.of(name)
    heard = spent.told.names
    assert "invoice/enter_number" not in heard
    assert [one for one in heard if one in PAID] == PAID
    assert heard[-2:] == ["agent/connecting", "common/goodbye"] and heard.count("common/goodbye") == 1
    assert evening.states("merchant", spent.code) == [("approved", "paid")]
    assert len(evening.invites_for(spent.code)) == 1


async def test_asked_first_with_keys(evening: Evening) -> None:
    """The same; then the flow from which the caller first came to the agent says goodbye, too."""
    spent = evening.of("an_agent_asks_first_with_keys")
    after = spent.told.after("pay/tracking_number_is")
    assert after[-3:] == ["agent/connecting", "common/goodbye", "common/goodbye"]
    assert evening.states("merchant", spent.code) == [("approved", "paid")]


async def test_somebody_else_is_told(evening: Evening) -> None:
    """The caller is led to a colleague, who knows how it went; nothing was paid."""
    spent = evening.of("the_agent_is_gone_afterwards")
    after = spent.told.after("pay/cancelled")
    assert after == ["agent/connecting", "agent/somebody_else", "common/goodbye"]
    assert evening.states("merchant", spent.code) == []


async def test_the_flow_goes_on_when_the_agent_hangs_up(evening: Evening) -> None:
    """The caller is not left with a dead line."""
    assert evening.told("the_agent_hangs_up").names[-1] == "common/goodbye"


async def test_nobody_there(evening: Evening) -> None:
    """Words at once, and no ringing into an empty room."""
    assert evening.told("nobody_is_in_the_queue").names == ["common/operator_unavailable"]


async def test_a_wrong_invoice_from_an_agent(evening: Evening) -> None:
    """The caller can key the right one."""
    heard = evening.told("an_agent_sends_a_caller_to_a_wrong_invoice").names
    assert heard.index("invoice/wrong_number") < heard.index("invoice/enter_number") < heard.index("pay/amount_payable")


async def test_nobody_is_left(evening: Evening) -> None:
    """No channel of anybody is up when all have hung up, the callers' and the agents'."""
    assert evening.of("the_caller_hangs_up_on_the_agent")
    assert evening.left == []
