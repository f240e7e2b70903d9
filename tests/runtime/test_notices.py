"""Notices to other programs, over real sockets: what arrives, what is tried again, and what is given up."""

import hashlib
import hmac
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from ivr.domain.secret import Secret
from ivr.runtime.http_client import HttpSettings
from ivr.runtime.notices import MOST_WAITING, PAUSES, Notices, NoticeTarget
from ivr.runtime.ports import Notice
from ivr.runtime.signing import SIGNATURE, TIMESTAMP
from tests.clock import Clock
from tests.providers import raw_server as raw
from tests.providers.raw_server import Exchange, RawServer, says

NOTICE = Notice("shop", "17.1.4", "paid", "17.1", "pay_invoice", {"invoice": "42", "amount": 160_000})
KEY = "a very secret key"


@asynccontextmanager
async def notices_to(url: str, *, pauses: Sequence[float] = (0, 0), secret: str | None = KEY) -> AsyncIterator[Notices]:
    """Tells `shop` at this address; closed at the end."""
    target = NoticeTarget(
        HttpSettings(url, connect_seconds=0.5, read_seconds=0.2), Secret(secret) if secret is not None else None
    )
    notices = Notices({"shop": target}, Clock(), pauses, last_words=0.05)
    try:
        yield notices
    finally:
        await notices.close()


def answering(*statuses: int) -> raw.Behave:
    """These statuses, one after the other; the last one for ever."""
    left = list(statuses)

    async def behave(exchange: Exchange) -> None:
        status = left.pop(0) if len(left) > 1 else left[0]
        await says({}, status=f"{status} Whatever")(exchange)

    return behave


async def told(notices: Notices, notice: Notice = NOTICE) -> list[dict[str, object]]:
    """Tell it, wait for what becomes of it, and return the log."""
    with capture_logs() as lines:
        notices.send(notice)
        await notices.settled()
    return [dict(line) for line in lines]


async def test_a_notice_arrives_signed() -> None:
    """The receiver can check who sent it, and that nothing was changed."""
    async with RawServer(answering(202)) as server, notices_to(f"{server.url}/hooks/ivr") as notices:
        assert [line["event"] for line in await told(notices)] == ["notice_told"]
    [seen] = server.seen
    assert (seen.method, seen.target) == ("POST", "/hooks/ivr")
    assert seen.json == {
        "id": "17.1.4",
        "event": "paid",
        "call_id": "17.1",
        "flow": "pay_invoice",
        "time": 1_700_000_000,
        "values": {"invoice": "42", "amount": 160_000},
    }
    headers = {name.lower(): value for name, value in seen.headers.items()}
    signed = hmac.new(KEY.encode(), b"1700000000." + seen.body, hashlib.sha256).hexdigest()
    assert (headers[TIMESTAMP.lower()], headers[SIGNATURE.lower()]) == ("1700000000", signed)


async def test_without_a_key_it_is_not_signed() -> None:
    """And a slash at the end of the address stays."""
    async with RawServer(answering(200)) as server, notices_to(f"{server.url}/a/", secret=None) as notices:
        await told(notices)
    assert server.seen[0].target == "/a/" and SIGNATURE.lower() not in {name.lower() for name in server.seen[0].headers}


@pytest.mark.parametrize("status", [500, 503, 408, 429])
async def test_it_is_told_again(status: int) -> None:
    """A receiver that is not well at the moment gets the same notice again."""
    async with RawServer(answering(status, 200)) as server, notices_to(server.url) as notices:
        assert (await told(notices))[-1] == {
            "event": "notice_told", "where": "shop", "tries": 2, "log_level": "debug",
        }  # fmt: skip
    assert len({seen.body for seen in server.seen}) == 1 and len(server.seen) == 2


@pytest.mark.parametrize(("status", "tries"), [(500, 3), (404, 1), (302, 1), (401, 1)])
async def test_it_is_given_up(status: int, tries: int) -> None:
    """After a few tries, or at once when another one would not help; the log says so, without the address."""
    async with RawServer(answering(status)) as server, notices_to(server.url) as notices:
        [line] = await told(notices)
    assert line == {
        "event": "notice_given_up", "where": "shop", "why": f"status {status}", "tries": tries, "log_level": "error",
    }  # fmt: skip


@pytest.mark.parametrize("behave", [raw.silent, raw.closes, raw.resets])
async def test_no_answer_is_tried_again(behave: raw.Behave) -> None:
    """It may have arrived: the receiver knows it by its id."""
    async with RawServer(behave) as server, notices_to(server.url) as notices:
        assert (await told(notices))[-1]["tries"] == 3
    assert len(server.seen) == 3


async def test_what_is_waiting_when_the_process_ends() -> None:
    """It is given up, and the log says so."""
    with capture_logs() as lines:
        async with RawServer(answering(500)) as server, notices_to(server.url, pauses=(3600,)) as notices:
            notices.send(NOTICE)
    assert [line["why"] for line in lines if line["event"] == "notice_given_up"] == ["the process ends"]


async def test_no_more_than_can_be_kept() -> None:
    """A receiver that is away for long does not fill the memory; and nobody is told of who is not configured."""
    async with notices_to("http://127.0.0.1:9", pauses=(3600,)) as notices:
        with capture_logs() as lines:
            for _ in range(MOST_WAITING + 1):
                notices.send(NOTICE)
            notices.send(Notice("nobody", "1", "x", "1", "f", {}))
            assert [line["why"] for line in lines] == ["too many are waiting", "there is no such target"]


def test_tries_are_bounded() -> None:
    """A few minutes in all."""
    assert len(PAUSES) == 4 and sum(PAUSES) < 300
