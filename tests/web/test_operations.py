"""/healthz and /metrics as an operator's monitoring sees them."""

import asyncio
from collections.abc import Mapping

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from ivr.domain.errors import IvrError, Unusable
from ivr.runtime.observer import Observer
from ivr.web import operations
from ivr.web.operations import Check, operations_app


class Part:
    """A part that works until a test says otherwise."""

    def __init__(self) -> None:
        self.problem: IvrError | None = None
        self.door = asyncio.Event()
        self.door.set()

    async def __call__(self) -> None:
        await self.door.wait()
        if self.problem is not None:
            raise self.problem


def client(
    observer: Observer | None = None, others: Mapping[str, Check] | None = None, **vital: Check
) -> httpx.AsyncClient:
    app = operations_app(vital, (observer or Observer()).registry, others)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://ivr")


async def test_a_part_fails_and_recovers() -> None:
    """200, then 503 with one sentence about that part alone, then 200 again."""
    asterisk, journal = Part(), Part()
    async with client(asterisk=asterisk, journal=journal) as web:
        well = await web.get("/healthz")
        assert (well.status_code, well.json()) == (200, {"status": "ok", "parts": {"asterisk": "ok", "journal": "ok"}})
        journal.problem = Unusable("the disk is full")
        ill = await web.get("/healthz")
        assert ill.status_code == 503
        assert ill.json() == {"status": "failing", "parts": {"asterisk": "ok", "journal": "the disk is full"}}
        journal.problem = None
        assert (await web.get("/healthz")).status_code == 200


async def test_a_provider_that_is_down_takes_nobody_out_of_service() -> None:
    """A load balancer goes on sending callers, who hear words for it; monitoring reads which provider it is and why."""
    asterisk, paystar = Part(), Part()
    async with client(others={"provider paystar": paystar}, asterisk=asterisk) as web:
        assert (await web.get("/healthz")).json()["status"] == "ok"
        paystar.problem = Unusable("paystar does not answer")
        degraded = await web.get("/healthz")
        assert degraded.status_code == 200
        assert degraded.json() == {
            "status": "degraded",
            "parts": {"asterisk": "ok", "provider paystar": "paystar does not answer"},
        }
        asterisk.problem = Unusable("no Asterisk")
        failing = await web.get("/healthz")
    assert (failing.status_code, failing.json()["status"]) == (503, "failing")


async def test_a_provider_that_hangs_is_not_waited_for_as_long_as_asterisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks has an answer before giving up on the whole process."""
    monkeypatch.setattr(operations, "LESS_PATIENCE", 0.05)
    stuck = Part()
    stuck.door.clear()
    async with client(others={"provider": stuck}, asterisk=Part()) as web:
        answer = await web.get("/healthz")
    assert answer.status_code == 200
    assert answer.json()["parts"] == {"asterisk": "ok", "provider": "no answer within 0.05 s"}


async def test_a_part_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Monitoring is answered within our patience, whatever hangs."""
    monkeypatch.setattr(operations, "PATIENCE", 0.05)
    stuck = Part()
    stuck.door.clear()
    async with client(asterisk=Part(), provider=stuck) as web:
        answer = await web.get("/healthz")
    assert answer.status_code == 503
    assert answer.json()["parts"] == {"asterisk": "ok", "provider": "no answer within 0.05 s"}


async def test_a_check_that_breaks_is_a_part_that_fails() -> None:
    """A bug in one check hides neither the other parts nor itself; its text, which may hold anything, is not shown."""

    async def broken() -> None:
        raise RuntimeError("password=hunter2")

    async with client(asterisk=Part(), provider=broken) as web:
        answer = await web.get("/healthz")
    assert answer.status_code == 503
    assert answer.json()["parts"] == {"asterisk": "ok", "provider": "its check broke: RuntimeError"}


async def test_metrics_are_prometheus() -> None:
    """What was counted can be read by the real parser, figures that others keep included."""
    observer = Observer()
    observer.calls.labels("pay_invoice", "hung_up").inc()
    observer.provider_asked("paystar", "result", 0.2, "paid")
    observer.watch("ivr_payments_for_people", "Payments that only people can resolve", lambda: 3)
    async with client(observer) as web:
        answer = await web.get("/metrics")
    found = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }
    assert found["ivr_calls_total", "hung_up", "pay_invoice"] == 1
    assert found["ivr_provider_seconds_sum", "paid", "paystar", "result"] == 0.2
    assert found["ivr_payments_for_people",] == 3


@pytest.mark.parametrize("path", ["/", "/healthz/x", "/payments"])
async def test_nothing_else_is_served(path: str) -> None:
    """No other page, and nothing is changed by asking."""
    async with client() as web:
        assert (await web.get(path)).status_code == 404
        assert (await web.post("/healthz")).status_code == 405
