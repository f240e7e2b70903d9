"""One call over AGI: commands in their order, events as they come."""

import asyncio
from collections.abc import AsyncIterator, Mapping

import pytest

from ivr.domain.errors import BadInput
from ivr.domain.legs import HangupCause, LegResult
from ivr.flow.events import CallerHungUp, Digit, Event, LegAnswered, LegEnded, PromptFinished
from ivr.runtime.ports import CallInfo, LegOrder
from tests.asterisk.agi.asterisk import Channel, Heard, channel, house, request

CALL = "1795347322.0"


@pytest.fixture
async def both() -> AsyncIterator[tuple[Heard, Channel]]:
    """Our call, and Asterisk's side of it."""
    async with house() as ours, channel(ours) as asterisk:
        call = await ours.call()
        await asterisk.expect("SET AUTOHANGUP 2135")
        yield call, asterisk


def order(token: int = 1, headers: Mapping[str, str] | None = None, **changes: object) -> LegOrder:
    found: dict[str, object] = {
        "leg_id": f"{CALL}.leg{token}",
        "trunk": "bank",
        "number": "2191071390",
        "caller_id": "2191071390*1000*77",
        "headers": {"Amount": '1"6\\0'} if headers is None else headers,
        "answer_timeout": 29.5,
        **changes,
    }
    return LegOrder(**found)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("opening", "info"),
    [
        (request(), CallInfo(CALL, "peer", "4247", "09121234567")),
        (request(caller="unknown"), CallInfo(CALL, "peer", "4247", None)),
        (request(caller="2191*1*2"), CallInfo(CALL, "peer", "4247", None)),
        (request().replace(b"callingpres: 0", b"callingpres: 32"), CallInfo(CALL, "peer", "4247", None)),
        (request(path="my-trunk/+98219"), CallInfo(CALL, "my-trunk", "+98219", "09121234567")),
    ],
)
async def test_who_calls(opening: bytes, info: CallInfo) -> None:
    """Trunk and dialled number are the dialplan's word; a withheld number is not known."""
    async with house() as ours, channel(ours, opening):
        assert (await ours.call()).voice.info == info


async def test_playing(both: tuple[Heard, Channel]) -> None:
    """Files in a row, and one event at the end; a file that is not there fails the prompt, not the call."""
    call, asterisk = both
    call.voice.answer()
    call.voice.play(1, ["/a", "/b"])
    call.voice.play(2, [])
    assert await call.next() == PromptFinished(2)
    await asterisk.expect("ANSWER")
    await asterisk.expect('STREAM FILE "/a" "0123456789*#" 0', "200 result=0 endpos=800")
    await asterisk.expect('STREAM FILE "/b" "0123456789*#" 0', "200 result=0 endpos=800")
    assert await call.next() == PromptFinished(1)
    call.voice.play(3, ["/none", "/b"])
    await asterisk.expect('STREAM FILE "/none"', "200 result=-1 endpos=0")
    await asterisk.expect('STREAM FILE "/b"', "200 result=0 endpos=800")
    assert await call.next() == PromptFinished(3, failed=True)


async def test_a_key_that_the_flow_does_not_mind(both: tuple[Heard, Channel]) -> None:
    """The prompt goes on where it was."""
    call, asterisk = both
    call.voice.play(1, ["/a"])
    await asterisk.expect('STREAM FILE "/a"', f"200 result={ord('5')} endpos=4000")
    assert await call.next() == Digit("5")
    await asterisk.expect('STREAM FILE "/a" "0123456789*#" 4000', "200 result=0 endpos=8000")
    assert await call.next() == PromptFinished(1)


async def test_a_key_that_stops_the_prompt(both: tuple[Heard, Channel]) -> None:
    """What the flow says next comes at once, and nothing of the stopped prompt."""
    call, asterisk = both
    call.voice.play(1, ["/a", "/b"])
    await asterisk.expect('STREAM FILE "/a"', None)

    def emit(event: Event) -> None:
        call.events.put_nowait(event)
        if event == Digit("#"):
            call.voice.stop(1)
            call.voice.play(2, ["/c"])

    call.voice.attach(emit)
    asterisk.say(f"200 result={ord('#')} endpos=4000")
    assert await call.next() == Digit("#")
    assert (await asterisk.line()).startswith('STREAM FILE "/c"')
    asterisk.say("200 result=0 endpos=4000")
    assert await call.next() == PromptFinished(2)
    await asterisk.key("7")
    assert await call.next() == Digit("7")


@pytest.mark.parametrize("late", [None, "200 result=0 endpos=5", f"200 result={ord('9')} endpos=5"])
async def test_stopping_without_a_key(both: tuple[Heard, Channel], late: str | None) -> None:
    """The next command breaks it off; if it had just ended by itself, or by a key, the reply is told from the other."""
    call, asterisk = both
    call.voice.play(1, ["/a", "/b"])
    await asterisk.expect('STREAM FILE "/a"', None)
    call.voice.stop(1)
    call.voice.play(2, ["/c"])
    assert await asterisk.line() == "NOOP"
    if late:
        asterisk.say(late)
    asterisk.say("200 result=0")
    await asterisk.expect('STREAM FILE "/c"', "200 result=0 endpos=8")
    if late is not None and "57" in late:
        assert await call.next() == Digit("9")
    assert await call.next() == PromptFinished(2)


async def test_a_stop_in_time_plays_nothing(both: tuple[Heard, Channel]) -> None:
    """What has not begun is never sent."""
    call, asterisk = both
    call.voice.play(1, ["/a"])
    call.voice.stop(1)
    call.voice.stop(99)
    call.voice.answer()
    assert await asterisk.expect("") == "ANSWER"


@pytest.mark.parametrize("reply", ["200 result=1", "200 result=0", f"200 result={ord('8')}"])
async def test_what_comes_while_we_wait_for_a_key(both: tuple[Heard, Channel], reply: str) -> None:
    """It breaks the waiting off; a key at the same moment counts, and each reply finds its command."""
    call, asterisk = both
    assert await asterisk.line() == "WAIT FOR DIGIT 5000"
    call.voice.play(1, ["/a"])
    assert await asterisk.line() == "NOOP"
    asterisk.say(reply)
    if "56" in reply:
        assert await call.next() == Digit("8")
    asterisk.say("200 result=0")
    await asterisk.expect('STREAM FILE "/a"', "200 result=0 endpos=8")
    assert await call.next() == PromptFinished(1)


@pytest.mark.parametrize("first", ["a wait", "a playback"])
async def test_a_nudge_that_is_read_together_with_what_it_breaks_off(both: tuple[Heard, Channel], first: str) -> None:
    """Asterisk does not notice it before the next one; nothing else is sent until all are replied to."""
    call, asterisk = both
    if first == "a playback":
        call.voice.play(1, ["/a"])
        await asterisk.expect('STREAM FILE "/a"', None)
        call.voice.stop(1)
    else:
        assert (await asterisk.line()).startswith("WAIT FOR DIGIT")
    call.voice.play(2, ["/b"])
    assert [await asterisk.line() for _ in range(3)] == ["NOOP"] * 3
    if first == "a wait":
        asterisk.say("200 result=1")
    asterisk.say("200 result=0\n200 result=0\n200 result=0")
    await asterisk.expect('STREAM FILE "/b"', "200 result=0 endpos=8")
    assert await call.next() == PromptFinished(2)


@pytest.mark.parametrize("how", ["a reply", "a word", "a refusal", "the end"])
async def test_the_caller_hangs_up(both: tuple[Heard, Channel], how: str) -> None:
    """Told once, whichever way Asterisk says it, and the connection is given back."""
    call, asterisk = both
    await asterisk.line()
    if how == "the end":
        asterisk.close()
    else:
        words = {"a reply": "200 result=-1\nHANGUP", "a word": "HANGUP\n200 result=-1", "a refusal": "511 Not now"}
        asterisk.say(words[how])
        assert await asterisk.ended()
    assert await call.next() == CallerHungUp()
    call.voice.play(5, ["/a"])
    call.voice.answer()
    call.voice.stop(5)
    call.voice.hang_up(HangupCause.NORMAL)
    assert await call.voice.headers(["X-A"]) == {"X-A": None}
    await call.voice.release()
    assert call.events.empty()


async def test_we_hang_up(both: tuple[Heard, Channel]) -> None:
    """At once, whatever is being said, with the cause that the flow gives."""
    call, asterisk = both
    call.voice.play(1, ["/a"])
    await asterisk.expect("STREAM FILE", None)
    call.voice.hang_up(HangupCause.BUSY)
    await asterisk.expect("EXEC Hangup 17", "200 result=-1\nHANGUP")
    assert await call.next() == CallerHungUp()
    assert await asterisk.ended()


async def test_headers(both: tuple[Heard, Channel]) -> None:
    """Read one by one; an absent one is None; a bracket in a value changes nothing."""
    call, asterisk = both
    reading = asyncio.create_task(call.voice.headers(["X-A", "X-B"]))
    await asterisk.expect('GET VARIABLE "PJSIP_HEADER(read,X-A)"', "200 result=1 (a) endpos=5 (b)")
    await asterisk.expect('GET VARIABLE "PJSIP_HEADER(read,X-B)"', "200 result=0")
    assert await reading == {"X-A": "a) endpos=5 (b", "X-B": None}
    with pytest.raises(BadInput):
        await call.voice.headers(['X")'])


async def test_giving_the_caller_back(both: tuple[Heard, Channel]) -> None:
    """They wait in the dialplan for the next process."""
    call, asterisk = both
    call.voice.play(1, ["/a"])
    await asterisk.expect("STREAM FILE", None)
    releasing = asyncio.create_task(call.voice.release())
    await asterisk.expect('SET PRIORITY "again"')
    await releasing
    assert await asterisk.ended()


# -- the leg -----------------------------------------------------------------------------------------------------------


async def _dialled(call: Heard, asterisk: Channel, leg: LegOrder, reply: str | None = "200 result=0") -> list[str]:
    """Dial; returns what the leg was prepared with."""
    call.voice.dial(1, leg)
    await asterisk.expect('GET VARIABLE "DIALPLAN_EXISTS(ivr-leg,s,1)"', "200 result=1 (1)")
    prepared = []
    while not (line := await asterisk.command()).startswith("EXEC Dial"):
        prepared.append(line)
        asterisk.say("200 result=1")
    prepared.append(line)
    if reply is not None:
        asterisk.say(reply)
    return prepared


async def _tell(asterisk: Channel, values: Mapping[str, str]) -> None:
    """Answer what is asked about the leg, until a command is no question."""
    while (line := await asterisk.line()).startswith("GET VARIABLE"):
        name = line.removeprefix('GET VARIABLE "').removesuffix('"')
        asterisk.say(f"200 result=1 ({values.get(name, '')})")
    if line:
        asterisk.say("200 result=0")


async def test_what_the_far_side_is_told(both: tuple[Heard, Channel]) -> None:
    """Caller id and headers are set before the leg is dialled, each quoted."""
    call, asterisk = both
    assert await _dialled(call, asterisk, order()) == [
        'SET VARIABLE DIALSTATUS ""',
        "EXEC HangupCauseClear",
        'SET VARIABLE _IVR_CALLER "2191071390*1000*77"',
        'SET VARIABLE _IVR_NAME1 "Amount"',
        'SET VARIABLE _IVR_VALUE1 "1\\"6\\\\0"',
        'SET VARIABLE _IVR_HEADERS "1"',
        'EXEC Dial "PJSIP/2191071390@bank,30,grb(ivr-leg^s^1)"',
    ]
    await _tell(asterisk, {"DIALSTATUS": "ANSWER"})
    assert await call.next() == LegAnswered(1)
    assert await call.next() == LegEnded(1, LegResult.ENDED)


CHANNEL = "PJSIP/bank-00000008"


@pytest.mark.parametrize(
    ("status", "sip", "cause", "ring", "progress", "result"),
    [
        ("BUSY", "SIP 486 Busy Here", "17", "", "", LegResult.BUSY),
        ("CHANUNAVAIL", "SIP 403 Forbidden", "21", "", "", LegResult.REJECTED),
        ("CHANUNAVAIL", "SIP 403 Forbidden", "21", "", "4", LegResult.REJECTED),
        ("CHANUNAVAIL", "SIP 404 Not Found", "1", "", "", LegResult.UNREACHABLE),
        ("NOANSWER", "SIP 180 Ringing", "0", "5", "", LegResult.NO_ANSWER),
        ("NOANSWER", "SIP 480 Gone", "19", "5", "", LegResult.NO_ANSWER),
        ("NOANSWER", "", "0", "", "", LegResult.UNREACHABLE),
        ("CONGESTION", "SIP 500 Oops", "34", "5", "", LegResult.UNREACHABLE),
        ("ANSWER", "SIP 200 OK", "16", "5", "", LegResult.ENDED),
        ("", "", "", "", "", LegResult.ENDED),
        ("SOMETHING_NEW", "", "", "", "", LegResult.ENDED),
    ],
)
async def test_how_a_leg_ended(
    both: tuple[Heard, Channel], status: str, sip: str, cause: str, ring: str, progress: str, result: LegResult
) -> None:
    """As the far side said it; what Asterisk cannot say for certain counts as answered, so that somebody inquires."""
    call, asterisk = both
    await _dialled(call, asterisk, order())
    values = {
        "DIALSTATUS": status,
        "HANGUPCAUSE": cause,
        "RINGTIME_MS": ring,
        "PROGRESSTIME_MS": progress,
        "HANGUPCAUSE_KEYS()": CHANNEL if sip else "",
        f"HANGUPCAUSE({CHANNEL},tech)": sip,
    }
    await _tell(asterisk, values)
    if result is LegResult.ENDED:
        assert await call.next() == LegAnswered(1)
    assert await call.next() == LegEnded(1, result, early_media=bool(progress))
    await asterisk.key("5")
    assert await call.next() == Digit("5")


@pytest.mark.parametrize(("status", "result"), [("ANSWER", LegResult.ENDED), ("CANCEL", LegResult.NO_ANSWER)])
@pytest.mark.parametrize("words", ["200 result=-1\nHANGUP", "HANGUP\n200 result=-1"])
async def test_the_caller_hangs_up_during_a_leg(
    both: tuple[Heard, Channel], status: str, result: LegResult, words: str
) -> None:
    """How the leg ended is asked of the dead channel, and told before the hangup."""
    call, asterisk = both
    await _dialled(call, asterisk, order(), words)
    await _tell(asterisk, {"DIALSTATUS": status})
    if result is LegResult.ENDED:
        assert await call.next() == LegAnswered(1)
    assert await call.next() == LegEnded(1, result)
    assert await call.next() == CallerHungUp()


@pytest.mark.parametrize("when", ["before", "during", "after"])
async def test_the_connection_is_lost(both: tuple[Heard, Channel], when: str) -> None:
    """A leg that was dialled may have been answered: only an inquiry can tell. One that was not dialled was not."""
    call, asterisk = both
    if when == "before":
        call.voice.dial(1, order())
        await asterisk.expect("GET VARIABLE", None)
    else:
        await _dialled(call, asterisk, order(), "200 result=0" if when == "after" else None)
        if when == "after":
            await asterisk.expect('GET VARIABLE "DIALSTATUS"', None)
    asterisk.close()
    if when != "before":
        assert await call.next() == LegAnswered(1)
    assert await call.next() == LegEnded(1, LegResult.NO_ANSWER if when == "before" else LegResult.ENDED)
    assert await call.next() == CallerHungUp()


async def test_a_dialplan_without_our_subroutine(both: tuple[Heard, Channel]) -> None:
    """The bank would be called without an amount: it is not called."""
    call, asterisk = both
    call.voice.dial(1, order())
    await asterisk.expect("GET VARIABLE", "200 result=1 (0)")
    assert await call.next() == LegEnded(1, LegResult.UNREACHABLE)
    assert (await asterisk.line()).startswith("WAIT FOR DIGIT")


@pytest.mark.parametrize(
    ("reply", "result"), [("200 result=-1", LegResult.UNREACHABLE), ("511 Gone", LegResult.NO_ANSWER)]
)
async def test_a_value_that_cannot_be_set(both: tuple[Heard, Channel], reply: str, result: LegResult) -> None:
    """Nothing is dialled without its headers."""
    call, asterisk = both
    call.voice.dial(1, order())
    await asterisk.expect("GET VARIABLE", "200 result=1 (1)")
    await asterisk.expect("SET VARIABLE", reply)
    assert await call.next() == LegEnded(1, result)
    assert not (await asterisk.line()).startswith("EXEC Dial")


async def test_a_caller_who_goes_while_the_leg_is_prepared(both: tuple[Heard, Channel]) -> None:
    """Nothing is dialled on behalf of who is gone."""
    call, asterisk = both
    call.voice.dial(1, order())
    await asterisk.expect("GET VARIABLE", None)
    asterisk.say("HANGUP")
    assert await call.next() == LegEnded(1, LegResult.NO_ANSWER)
    assert await call.next() == CallerHungUp()
    call.voice.dial(2, order(2))
    assert await call.next() == LegEnded(2, LegResult.NO_ANSWER)


async def test_what_may_not_be_dialled(both: tuple[Heard, Channel]) -> None:
    """A value that could become another header, a leg of another call, two legs at once."""
    call, asterisk = both
    for wrong in (order(headers={"A": "1\r\nB: 2"}), order(2), order(number="1,2"), order(caller_id='a" <b')):
        with pytest.raises(BadInput):
            call.voice.dial(1, wrong)
    call.voice.dial(1, order())
    with pytest.raises(BadInput, match="a leg already"):
        call.voice.dial(2, order(2))
    await asterisk.expect("GET VARIABLE", "200 result=1 (0)")


async def test_hanging_up_during_a_leg(both: tuple[Heard, Channel]) -> None:
    """Asterisk does not listen during Dial(): the call ends with the leg."""
    call, asterisk = both
    await _dialled(call, asterisk, order(), None)
    call.voice.hang_up(HangupCause.NORMAL)
    asterisk.say("200 result=0")
    await asterisk.expect('GET VARIABLE "DIALSTATUS"', "200 result=1 (ANSWER)")
    assert await call.next() == LegAnswered(1)
    assert await call.next() == LegEnded(1, LegResult.ENDED)
    await asterisk.expect("EXEC Hangup 16", "200 result=-1")
    assert await call.next() == CallerHungUp()
