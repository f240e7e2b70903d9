"""What a user sees on one screen after the other, whatever the network loses, repeats or mixes up."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from ivr.domain.errors import Unusable
from ivr.domain.screens import Limits
from ivr.runtime.screens import Key
from ivr.ussd.settings import UssdSettings
from tests.ussd.world import Network, our_words, small_dialplan, words_of

ASKS, OFFERS, DONE = words_of("pay/is"), words_of("pay/amount_payable"), words_of("pay/paid")
WRONG = words_of("common/wrong_key")
OVER = words_of("screen/over")
TECHNICAL = words_of("common/technical_problem")


# -- what the network does to requests ---------------------------------------------------------------------------------


async def test_one_line_after_the_other(network: Network) -> None:
    """Each request is answered by whichever process is asked."""
    desks = [network.desk(), network.desk()]
    assert await network.sends(desks[0]) == ASKS
    assert await network.sends(desks[1], "4711") == OFFERS
    assert await network.sends(desks[0], "4711", "1") == DONE
    assert await network.registered() == ["4711"]


async def test_a_request_that_comes_again(network: Network) -> None:
    """The same screen, however often and wherever; nothing is done again."""
    for sent, shown in (((), ASKS), (("4711",), OFFERS), (("4711", "1"), DONE)):
        for desk in (network.desk(), network.desk(), network.desk()):
            assert await network.sends(desk, *sent) == shown
    assert await network.registered() == ["4711"]


async def test_an_older_request_that_comes_late(network: Network) -> None:
    """It shows what it showed, and takes nothing back: the session goes on where it was."""
    desk = network.desk()
    await network.sends(desk)
    await network.sends(desk, "4711")
    assert await network.sends(desk) == ASKS
    assert await network.sends(desk, "4711") == OFFERS
    assert await network.sends(desk) == ASKS
    assert await network.sends(desk, "4711", "1") == DONE
    assert [await network.sends(desk), await network.sends(desk, "4711")] == [ASKS, OFFERS]


async def test_a_wrong_line_that_comes_again_is_one_attempt(network: Network) -> None:
    """Who keys wrong once has keyed wrong once, though the network says it five times."""
    desk = network.desk()
    await network.sends(desk)
    await network.sends(desk, "4711")
    for _ in range(5):
        assert await network.sends(desk, "4711", "7") == f"{WRONG} {OFFERS}"
    assert await network.sends(desk, "4711", "7", "1") == DONE


async def test_a_request_that_was_lost(network: Network) -> None:
    """The next one brings two lines: the first answers what was on the screen, the second agrees to nothing."""
    desk = network.desk()
    await network.sends(desk)
    assert await network.sends(desk, "4711", "1") == OFFERS
    assert await network.registered() == []
    assert await network.sends(desk, "4711", "1", "1") == DONE


async def test_all_at_once_with_the_code(network: Network) -> None:
    """What is dialled behind the code answers questions, but no menu that nobody has seen."""
    desk = network.desk()
    assert await network.sends(desk, "4711", "1", "1", "1") == OFFERS
    assert await network.registered() == []
    assert await network.sends(desk, "4711", "1", "1", "1", "1") == DONE


async def test_a_menu_takes_what_was_sent_ahead_where_the_admin_allows_it(network: Network, tmp_path: Path) -> None:
    """`type_ahead: true`, as in calls."""
    steps = """  a:
    menu: {prompt: pay/amount_payable, keys: {"1": b}, type_ahead: true}
    exits: {silence: sorry, invalid: sorry}
  b: {menu: {prompt: pay/is, keys: {"1": end}}, exits: {silence: sorry, invalid: sorry}}"""
    network.dialplan = small_dialplan(tmp_path, steps)
    assert await network.sends(network.desk(), "1", "1") == ASKS


async def test_after_the_end(network: Network) -> None:
    """Whoever sends more reads that it is over; nothing is done."""
    desk = network.desk()
    await network.sends(desk, "4711")
    await network.sends(desk, "4711", "1")
    assert await network.sends(desk, "4711", "1", "1") == OVER
    assert await network.sends(desk, "4711", "1", "1", "1") == OVER
    assert await network.sends(desk, "4711", "1") == DONE
    assert await network.registered() == ["4711"]


async def test_two_users_in_one_session(network: Network) -> None:
    """A session's name is the network's, and need not be anybody's alone: another mobile is another session."""
    desk = network.desk()
    await network.sends(desk)
    await network.sends(desk, "4711")
    assert await network.sends(desk, "4711", mobile="09131234567") == OFFERS
    assert await network.sends(desk, "4711", "1", mobile="09131234567") == DONE
    assert await network.sends(desk, "4711") == OFFERS


async def test_what_was_shown_long_ago(network: Network) -> None:
    """Of a long session only the newest screens are kept; a request that is older still shows the newest."""
    desk = network.desk()
    lines: list[str] = ["4711"]
    await network.sends(desk)
    for number in range(40):
        lines.append("2" if number % 2 == 0 else "4711")  # back to the question, and again
        shown = await network.sends(desk, *lines)
    assert await network.sends(desk) == shown == OFFERS
    assert len((await network.kept()).shown) == 8


# -- pages -------------------------------------------------------------------------------------------------------------

LONG = """  a:
    menu:
      prompt: common/too_many_attempts
      keys: {"1": b, "2": c, "3": d}
      choices: {"1": pay/is, "2": common/technical_problem, "3": common/call_again_later}
    exits: {silence: sorry, invalid: sorry}
  b: {say: pay/is, next: end}
  c: {say: pay/paid, next: end}
  d: {say: common/goodbye, next: end}"""


@pytest.fixture
def paged(network: Network, tmp_path: Path) -> Network:
    """A menu of several pages."""
    network.dialplan = small_dialplan(tmp_path, LONG)
    network.settings = UssdSettings(limits=Limits(40, 40))
    return network


def last(text: str) -> str:
    """The choice that a page ends with, without the ways on."""
    lines = [line for line in text.split("\n") if line.partition(")")[0] in ("1", "2", "3")]
    return lines[-1] if lines else ""


async def test_pages_are_turned(paged: Network) -> None:
    """On and back, by whichever process; a repeated request turns no page."""
    desks, lines, seen = [paged.desk(), paged.desk()], list[str](), [await paged.sends(paged.desk())]
    while "\n9) " in seen[-1]:
        lines.append("9")
        seen.append(await paged.sends(desks[len(lines) % 2], *lines))
        assert await paged.sends(desks[0], *lines) == seen[-1]
    assert len(seen) > 2 and len(set(seen)) == len(seen) and all(len(text) <= 40 for text in seen)
    for before in reversed(seen[:-1]):
        lines.append("8")
        assert await paged.sends(desks[0], *lines) == before
    assert await paged.sends(desks[0]) == seen[0]


async def test_a_choice_on_a_page_that_was_not_turned_to(paged: Network) -> None:
    """It is not taken, and is no wrong attempt: the page stays. Once it was read, it is taken from any page."""
    desk, lines = paged.desk(), list[str]()
    shown = await paged.sends(desk)
    for _ in range(10):
        lines.append("3")
        assert await paged.sends(desk, *lines) == shown
    while not last(shown).startswith("3"):
        lines.append("9")
        shown = await paged.sends(desk, *lines)
    lines.append("8")
    await paged.sends(desk, *lines)
    lines.append("1")
    assert await paged.sends(desk, *lines) == ASKS


async def test_a_page_that_was_not_seen_is_not_turned_and_chosen_from(paged: Network) -> None:
    """A turn and a choice in one request: the page is shown first."""
    desk = paged.desk()
    first = await paged.sends(desk)
    second = await paged.sends(desk, "9", "1")
    assert second != first and "\n8) " in second


# -- time --------------------------------------------------------------------------------------------------------------


async def test_a_session_ends_by_time(network: Network) -> None:
    """The network may use a session's name again: it begins anew, and nobody goes on in what somebody left."""
    network.settings = UssdSettings(return_within=0)
    desk = network.desk()
    await network.sends(desk)
    await network.sends(desk, "4711")
    network.clock.now += network.settings.session_timeout + 1
    assert await network.sends(desk) == ASKS
    assert await network.sends(desk, "8822") == OFFERS
    await network.sends(desk, "8822", "1")
    assert await network.registered() == ["8822"]


async def test_every_screen_gives_a_session_its_time_anew(network: Network) -> None:
    """Who is slow, but not too slow, comes to the end."""
    desk = network.desk()
    for sent, shown in (((), ASKS), (("4711",), OFFERS), (("4711", "1"), DONE)):
        assert await network.sends(desk, *sent) == shown
        network.clock.now += network.settings.session_timeout - 1


async def test_old_sessions_are_dropped(network: Network) -> None:
    """What nobody comes back to is not kept."""
    desk = network.desk()
    await network.sends(desk)
    network.clock.now += network.settings.return_within + 1
    sweeping = asyncio.create_task(desk.sweep())
    async with asyncio.timeout(20):
        while await network.store.screens.look(_key(network)) is not None:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.02)
    sweeping.cancel()


def _key(network: Network) -> Key:
    return Key(network.service.name, "s1|09121234567")


# -- coming back -------------------------------------------------------------------------------------------------------

BACK = our_words("screen/goes_on") + f"\n1) {words_of('screen/go_on')}\n2) {words_of('screen/begin_anew')}"


async def test_who_dials_again_may_go_on(network: Network) -> None:
    """Where they were, with what they had sent; asked again until they say which."""
    desk = network.desk()
    await network.sends(desk)
    await network.sends(desk, "4711")
    assert await network.sends(desk, session="s2") == BACK
    assert await network.sends(desk, "5", session="s2") == BACK
    assert await network.sends(network.desk(), "5", "1", session="s2") == OFFERS
    assert await network.sends(desk, "5", "1", "1", session="s2") == DONE
    assert await network.registered() == ["4711"]


async def test_or_begin_anew(network: Network) -> None:
    """The earlier session stays as it was for a while."""
    desk = network.desk()
    await network.sends(desk)
    await network.sends(desk, "4711")
    assert await network.sends(desk, session="s2") == BACK
    assert await network.sends(desk, "2", session="s2") == ASKS
    assert await network.sends(desk, "2", "8822", session="s2") == OFFERS


async def test_the_earlier_session_takes_no_lines_once_it_went_on_elsewhere(network: Network) -> None:
    """A request of it that comes late shows what it showed; a new line does nothing there."""
    desk = network.desk()
    await network.sends(desk)
    await network.sends(desk, "4711")
    await network.sends(desk, session="s2")
    await network.sends(desk, "1", session="s2")
    assert await network.sends(desk, "4711") == OFFERS
    assert await network.sends(desk, "4711", "1") == OVER
    assert await network.registered() == []
    assert await network.sends(desk, "1", "1", session="s2") == DONE


async def test_the_earlier_session_ended_meanwhile(network: Network) -> None:
    """The user chose to go on, and there is nothing to go on with: it begins anew."""
    desk = network.desk()
    await network.sends(desk)
    await network.sends(desk, "4711")
    assert await network.sends(desk, session="s2") == BACK
    assert await network.sends(desk, "4711", "1") == DONE
    assert await network.sends(desk, "1", session="s2") == ASKS


async def test_the_earlier_session_is_at_work(network: Network) -> None:
    """Held by somebody at this moment, it goes on in one place only: there."""
    desk = network.desk()
    await network.sends(desk)
    await network.sends(desk, "4711")
    assert await network.sends(desk, session="s2") == BACK
    screens, now = network.store.screens, network.clock.now
    key = _key(network)
    kept, _ = await screens.look(key) or (None, 0)
    assert kept is not None
    assert (await screens.take(key, "09121234567", kept, now=now, until=now + 20, since=0)).mine
    assert await network.sends(desk, "1", session="s2") == ASKS
    await screens.put(key, kept, now=now, until=None)
    assert await network.sends(desk, "4711", "1") == DONE


async def test_two_new_sessions_want_the_same_earlier_one(network: Network) -> None:
    """One gets it, the other begins anew: nothing is kept twice."""
    desk, other = network.desk(), network.desk()
    await network.sends(desk)
    await network.sends(desk, "4711")
    for session in ("s2", "s3"):
        network.clock.now += 1
        await network.sends(desk, session=session)
    both = await asyncio.gather(*(network.sends(one, "1", session=name) for one, name in ((desk, "s2"), (other, "s3"))))
    assert sorted(both) == sorted([OFFERS, ASKS])


@pytest.mark.parametrize("why", ["too late", "nothing sent", "another user", "never", "dialled with a line"])
async def test_who_is_not_asked(network: Network, why: str) -> None:
    """Who has nothing to go on with, or says already what they want."""
    network.settings = UssdSettings(return_within=0 if why == "never" else 600)
    desk = network.desk()
    await network.sends(desk)
    if why != "nothing sent":
        await network.sends(desk, "4711")
    network.clock.now += 601 if why == "too late" else 1
    mobile = "09131234567" if why == "another user" else "09121234567"
    sent = ("4711",) if why == "dialled with a line" else ()
    assert await network.sends(desk, *sent, session="s2", mobile=mobile) == (OFFERS if sent else ASKS)


# -- other versions ----------------------------------------------------------------------------------------------------

OTHER = """  a:
    ask: {prompt: common/goodbye, min: 4, max: 12, save: code}
    next: m
    exits: {silence: sorry, invalid: sorry}
  m: {menu: {prompt: common/too_many_attempts, keys: {"1": end}}, exits: {silence: sorry, invalid: sorry}}"""


async def test_a_session_ends_on_the_version_it_began_with(network: Network, tmp_path: Path) -> None:
    """A reload in its middle changes nothing for it, in any process; who dials then gets the new one."""
    network.dialplan = old = replace(network.dialplan, version="old")
    desk = network.desk()
    await network.sends(desk)
    network.dialplan, network.earlier = small_dialplan(tmp_path, OTHER, "new"), {"old": old}
    assert await network.sends(network.desk(), "4711") == OFFERS
    assert await network.sends(desk, "4711", "1") == DONE
    assert await network.sends(desk, mobile="09131234567") == words_of("common/goodbye")
    assert await network.sends(desk, "4711", mobile="09131234567") == words_of("common/too_many_attempts")


async def test_a_version_that_nobody_has_any_more(network: Network, tmp_path: Path) -> None:
    """The session goes on with today's flow of that name."""
    network.dialplan = replace(network.dialplan, version="old")
    desk = network.desk()
    await network.sends(desk)
    network.dialplan = small_dialplan(tmp_path, OTHER, "new")
    assert await network.sends(desk, "4711") == words_of("common/too_many_attempts")


async def test_a_flow_that_is_gone(network: Network, tmp_path: Path) -> None:
    """The service runs another one now: its user begins anew."""
    desk = network.desk()
    await network.sends(desk)
    network.dialplan = small_dialplan(tmp_path, OTHER, "new", name="another")
    network.service = replace(network.service, flow="another")
    assert await network.sends(desk, "4711") == words_of("common/goodbye")
    assert await network.sends(desk, "4711", "4711") == words_of("common/too_many_attempts")


@pytest.mark.parametrize("snapshot", ['{"format": 1}', "{}", "[]", "no json", '{"format": 5, "step": "a"}'])
async def test_what_an_older_program_wrote(network: Network, snapshot: str) -> None:
    """It cannot be read: the user begins anew instead of reading of a technical problem."""
    desk = network.desk()
    await network.sends(desk)
    kept = await network.kept()
    kept.snapshot = snapshot
    key, now = _key(network), network.clock.now
    await network.store.screens.take(key, "09121234567", kept, now=now, until=now + 1, since=0)
    assert await network.store.screens.put(key, kept, now=now, until=None)
    assert await network.sends(desk, "4711") == ASKS
    assert await network.sends(desk, "4711", "4711") == OFFERS


# -- what goes wrong ---------------------------------------------------------------------------------------------------


async def test_a_session_that_grows_too_long(network: Network) -> None:
    """It ends in words that say so, and again in the same ones; nobody waits for it."""
    desk = network.desk()
    await network.sends(desk)
    kept = await network.kept()
    kept.shown = {"-1": "x" * 70_000}
    network.dialplan = replace(
        network.dialplan, screens={"fa": {**network.dialplan.screens["fa"], "pay/amount_payable": "x" * 70_000}}
    )
    network.settings = UssdSettings(limits=Limits(1000, 1000))
    desk = network.desk()
    assert await network.sends(desk, "4711") == TECHNICAL
    assert await network.sends(desk, "4711") == TECHNICAL
    assert await network.sends(desk, "4711", "1") == OVER


class Failing:
    """A store whose next calls of one method fail."""

    def __init__(self, network: Network, method: str, times: int = 1) -> None:
        self._screens = network.store.screens
        self._method = method
        self.times = times

    def __getattr__(self, name: str) -> object:
        real = getattr(self._screens, name)

        async def fails(*arguments: object, **named: object) -> object:
            if name == self._method and self.times:
                self.times -= 1
                raise Unusable("the disk is full")
            return await real(*arguments, **named)

        return fails


@pytest.mark.parametrize("method", ["take", "put"])
async def test_the_store_fails_once(network: Network, method: str) -> None:
    """Whoever asks again goes on at once: nobody holds what failed, and no line is lost."""
    desk = network.desk(Failing(network, method))  # type: ignore[arg-type]
    with pytest.raises(Unusable):
        await network.sends(desk)
    assert await network.sends(desk) == ASKS
    assert await network.sends(desk, "4711") == OFFERS


async def test_a_prompt_without_words_for_a_screen(network: Network) -> None:
    """The flow's failure step says so, and the session is over."""
    texts = {
        "fa": {name: text for name, text in network.dialplan.screens["fa"].items() if name != "pay/amount_payable"}
    }
    network.dialplan = replace(network.dialplan, screens=texts)
    assert await network.sends(network.desk(), "4711") == TECHNICAL
    assert await network.sends(network.desk(), "4711", "1") == OVER
