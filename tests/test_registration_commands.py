"""`ivr registrations list`, as operators and their spreadsheets meet it."""

import asyncio
import csv
import io
import json
from pathlib import Path
from shutil import copytree

import pytest
from structlog.testing import capture_logs
from typer.testing import CliRunner, Result

from ivr.cli import cli
from ivr.domain.registration import Registration
from ivr.domain.secret import Secret
from ivr.lab.postgres import Server
from ivr.store.opening import open_store
from ivr.store.shared import Shared
from tests.clock import Clock
from tests.deployment import ROOT, Deployment

NOROOZ = 1_742_502_600.0
"""The first moment of 1404 in Tehran: 2025-03-20T20:30:00Z."""
ASKED = (
    Registration("a.4", "42473010", "register_code", "registration", "09121234567", {"code": "0048213"}),
    Registration("b.4", "*6655*123", "visits", "visit", None, {"fee": 50_000, "note": "=1+1"}),
)


async def _write(deployment: Deployment, shared: Shared | None) -> None:
    async with open_store(deployment.storage, Clock(NOROOZ), shared) as store:
        for one in ASKED:
            await store.registrations.keep(one)


@pytest.fixture(params=["sqlite", "postgres"])
def deployment(request: pytest.FixtureRequest, tmp_path: Path) -> Deployment:
    """Two callers have registered something at the first moment of Norooz."""
    more: dict[str, object] = {}
    if request.param == "postgres":
        server: Server = request.getfixturevalue("postgres")
        more = {"database": server.new_books(), "worker": "a"}
    made = Deployment(tmp_path, tmp_path, more).write()
    made.storage.mkdir(parents=True)
    asyncio.run(_write(made, Shared(Secret(str(more["database"])), "a") if more else None))
    return made


def ivr(deployment: Deployment, *arguments: str) -> Result:
    """Run `ivr registrations list` in this process, its log lines set aside."""
    with capture_logs():
        runner = CliRunner(env={"COLUMNS": "200"})
        return runner.invoke(cli, ["registrations", "list", *arguments, "--config", str(deployment.config)])


def test_as_json(deployment: Deployment) -> None:
    """As merchants get it: oldest first, the newest so many, of one word or after an id."""
    found = json.loads(ivr(deployment, "--json").stdout)
    assert [(one["id"], one["mobile"], one["values"]) for one in found] == [
        (1, "09121234567", {"code": "0048213"}),
        (2, None, {"fee": 50_000, "note": "=1+1"}),
    ]
    assert found[0]["created_at"] == "2025-03-20T20:30:00.000Z"
    for options, ids in ((["--word", "visit"], [2]), (["--after", "1"], [2]), (["--limit", "1"], [2])):
        said = json.loads(ivr(deployment, "--json", *options).stdout)
        assert [one["id"] for one in said] == ids


def test_for_a_spreadsheet(deployment: Deployment) -> None:
    """A column for each name of a value; leading zeros stay, and what a program would run is text."""
    text = ivr(deployment, "--csv", "--calendar", "persian").stdout
    first, second = csv.DictReader(io.StringIO(text))
    assert first == {
        "id": "1",
        "day": "1404-01-01",
        "time": "00:00:00",
        "word": "registration",
        "mobile": "09121234567",
        "dialled": "42473010",
        "flow": "register_code",
        "values.code": "0048213",
        "values.fee": "",
        "values.note": "",
        "created_at": "2025-03-20T20:30:00.000Z",
    }
    assert (second["values.fee"], second["values.note"], second["mobile"]) == ("50000", "'=1+1", "")


SHOP = {
    "registrations": ["visit", "visits"],
    "keys": {"till": {"secret": {"env": "NOT_THERE"}, "scopes": ["registrations.read"]}},
}
FLOW = """flow: register
first: a
on_failure: b
steps:
  a: {keep: {as: visit, with: {call: call_id}}, next: c, exits: {again: c, unknown: b}}
  b: {say: common/technical_problem, next: d}
  c: {say: common/goodbye, next: d}
  d: {hang_up: normal}
"""


def test_a_word_that_no_flow_keeps(tmp_path: Path) -> None:
    """`ivr check` says so: the merchant would wait for ever."""
    copytree(ROOT / "dialplan", tmp_path / "dialplan")
    changes = {"merchants": {"shop": SHOP}, "dialplan": str(tmp_path / "dialplan")}
    made = Deployment(tmp_path, tmp_path, changes).write()
    (tmp_path / "dialplan" / "flows" / "register.yaml").write_text(FLOW, "utf-8")
    with capture_logs():
        said = CliRunner().invoke(cli, ["check", "--config", str(made.config)]).stdout
    assert "note: no flow keeps anything as 'visits', which is merchant 'shop''s (did you mean 'visit'?)\n" in said


def test_for_people(deployment: Deployment) -> None:
    """A table in which everything stands; two forms at once are a mistake."""
    shown = ivr(deployment).stdout
    assert all(text in shown for text in ("0048213", "registration", "09121234567", "2025-03-21"))
    assert ivr(deployment, "--json", "--csv").exit_code == 2
