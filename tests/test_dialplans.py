"""`ivr reload` and `ivr dialplan` as an admin meets them, beside a process that takes calls."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio
from typer.testing import Result

from ivr.app import _changes_elsewhere, _first_dialplan, _in_use
from ivr.config import load_settings
from ivr.domain.reading import Faults
from ivr.flow.versions import Loaded
from ivr.loading import load_current_dialplan
from ivr.prompts.catalogue import Catalogue
from ivr.recordings.manifest import Made, source, write
from ivr.runtime.reloader import Reloader
from ivr.store.opening import open_store
from ivr.web.control import control_app, control_listener
from tests.clock import Clock
from tests.deployment import Deployment, fake_recordings
from tests.greeting import NUMBERS, ONE, THREE, TWO, Greeting, flow
from tests.runtime.conftest import House
from tests.serving import serving
from tests.test_cli import ivr


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fake_recordings(tmp_path_factory.mktemp("recordings"))


class Site:
    """A deployment and, while it is up, the part of `ivr serve` that has to do with its dialplan."""

    def __init__(self, home: Path, recordings: Path) -> None:
        self.greeting = Greeting(home / "dialplan")
        self.deployment = Deployment(home, recordings, {"dialplan": str(self.greeting.directory)}).write()
        self.settings = load_settings(self.deployment.config, credentials=False)
        self.settings.storage.mkdir()
        self._stack = AsyncExitStack()

    async def comes_up(self) -> None:
        begun = _first_dialplan(self.settings)
        store = await self._stack.enter_async_context(open_store(self.settings.storage, Clock()))
        loaded = await _in_use(begun, self.settings, store)
        house = House()
        house.dialplan = loaded.dialplan
        self.switchboard = house.new_switchboard()
        self.reloader = Reloader(
            lambda: load_current_dialplan(self.settings),
            store.dialplans,
            self.switchboard,
            house.observer,
            loaded.files,
            notes=_changes_elsewhere(self.settings),
        )
        listener = self._stack.enter_context(control_listener(self.settings.storage))
        await self._stack.enter_async_context(serving(control_app(self.reloader.reload), listener))

    async def goes_down(self) -> None:
        await self._stack.aclose()
        self._stack = AsyncExitStack()

    async def ivr(self, *arguments: str) -> Result:
        return await asyncio.to_thread(ivr, self.deployment, *arguments)

    async def used(self, *prompts: str) -> list[str]:
        """These versions one after the other; returns their ids."""
        ids = []
        for prompt in prompts:
            self.greeting.says(prompt)
            assert (await self.ivr("reload")).exit_code == 0
            ids.append(self.version)
        return ids

    @property
    def version(self) -> str:
        return self.switchboard.dialplan.version

    @property
    def text(self) -> str:
        return self.greeting.flow.read_text(encoding="utf-8")


@pytest_asyncio.fixture
async def site(tmp_path: Path, recordings: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Site]:
    monkeypatch.setenv("SUDO_USER", "maryam")
    site = Site(tmp_path, recordings)
    await site.comes_up()
    yield site
    await site.goes_down()


# -- reload ------------------------------------------------------------------------------------------------------------


async def test_reload(site: Site) -> None:
    """Which version is in use now and what is different in it; the second time that nothing has changed."""
    site.greeting.says(TWO)
    ran = await site.ivr("reload")
    said = f"version {site.version} is in use for new calls: 1 flows and 1 numbers; changed:\n  flows/greet.yaml\n"
    assert (ran.exit_code, ran.stdout, ran.stderr) == (0, said, "")
    ran = await site.ivr("reload")
    said = f"nothing has changed: version {site.version} stays in use, 1 flows and 1 numbers\n"
    assert (ran.exit_code, ran.stdout, ran.stderr) == (0, said, "")


async def test_reload_with_faults(site: Site) -> None:
    """Status 1, and letter for letter what `ivr check` says; the old version stays."""
    before = site.version
    site.greeting.breaks()
    ran, checked = await site.ivr("reload"), await site.ivr("check")
    assert (ran.exit_code, ran.stdout, ran.stderr) == (1, "", checked.stderr)
    assert ran.stderr.count("\n") > 1 and site.version == before


async def test_reload_after_the_configuration_changed(site: Site) -> None:
    """A trunk that was added since the start is not known yet: said: the check is content with it."""
    with site.deployment.config.open("a", encoding="utf-8") as file:
        file.write("# more\n")
    ran = await site.ivr("reload")
    assert ran.exit_code == 0 and "it counts after a restart" in ran.stdout
    site.greeting.breaks()
    assert "it counts after a restart" in (await site.ivr("reload")).stderr


async def test_reload_with_nobody_there(site: Site) -> None:
    """Status 1 and one line."""
    await site.goes_down()
    ran = await site.ivr("reload")
    assert ran.exit_code == 1 and ran.stderr.count("\n") == 1 and "no `ivr serve` is running" in ran.stderr


# -- versions and diff -------------------------------------------------------------------------------------------------


async def test_versions(site: Site) -> None:
    """Newest first, with who did it and what it changed; what is on disk and not in use yet is said."""
    first = site.version
    (second,) = await site.used(TWO)
    uses = json.loads((await site.ivr("dialplan", "versions", "--json")).stdout)
    assert uses == [
        {
            "version": second,
            "since": "2023-11-14T22:13:20Z",
            "how": "reload",
            "who": "maryam",
            "changed": ["flows/greet.yaml"],
        },
        {
            "version": first,
            "since": "2023-11-14T22:13:20Z",
            "how": "start",
            "who": "",
            "changed": ["flows/greet.yaml", "numbers.yaml"],
        },
    ]
    shown = (await site.ivr("dialplan", "versions")).stdout
    assert shown.index(second) < shown.index(first) and "not in use yet" not in shown
    site.greeting.says(THREE)
    assert "not in use yet: flows/greet.yaml" in (await site.ivr("dialplan", "versions")).stdout
    assert len(json.loads((await site.ivr("dialplan", "versions", "--json", "--limit", "1")).stdout)) == 1


async def test_diff(site: Site) -> None:
    """Between any two, by name or id; alone: what is on disk and not in use yet."""
    first = site.version
    (second,) = await site.used(TWO)
    ran = await site.ivr("dialplan", "diff", "previous", "active")
    assert f"--- {first}/flows/greet.yaml\n+++ {second}/flows/greet.yaml\n" in ran.stdout
    assert f"-  hello: {{say: {ONE}, next: again}}\n" in ran.stdout
    assert (await site.ivr("dialplan", "diff", first[:6], second[:6])).stdout == ran.stdout
    assert (await site.ivr("dialplan", "diff")).stdout == ""
    site.greeting.says(THREE)
    assert "+++ disk/flows/greet.yaml\n@@ -2,6 +2,6 @@\n" in (await site.ivr("dialplan", "diff")).stdout
    ran = await site.ivr("dialplan", "diff", "nothing")
    assert ran.exit_code == 1 and ran.stderr == "there is no version 'nothing'; see: ivr dialplan versions\n"


# -- rollback ----------------------------------------------------------------------------------------------------------


async def test_rollback(site: Site) -> None:
    """Files and calls are as they were; what is on disk is what runs, so a reload changes nothing; it can be undone."""
    first = site.version
    (second,) = await site.used(TWO)
    ran = await site.ivr("dialplan", "rollback", first[:5])
    assert ran.exit_code == 0, ran.stderr
    assert ran.stdout.splitlines()[0] == f"{site.greeting.directory} is version {first} again"
    assert site.version == first and site.text == flow(ONE)
    assert "nothing has changed" in (await site.ivr("reload")).stdout
    (use, *_) = json.loads((await site.ivr("dialplan", "versions", "--json")).stdout)
    assert (use["version"], use["how"]) == (first, "rollback")
    assert (await site.ivr("dialplan", "rollback", "previous")).exit_code == 0
    assert site.version == second and site.text == flow(TWO)


async def test_rollback_over_work_of_somebody(site: Site) -> None:
    """What was never in use would be lost: refused, with its name; forced, with a copy beside."""
    first = site.version
    await site.used(TWO)
    site.greeting.says(THREE)
    ran = await site.ivr("dialplan", "rollback", first)
    assert ran.exit_code == 1 and f"{site.greeting.flow} was never in use as it is now" in ran.stderr
    assert site.text == flow(THREE)
    assert (await site.ivr("dialplan", "rollback", first, "--force")).exit_code == 0
    assert site.text == flow(ONE) and site.version == first
    assert site.greeting.flow.with_name("greet.yaml.lost").read_text(encoding="utf-8") == flow(THREE)


async def test_rollback_to_what_does_not_work_any_more(site: Site) -> None:
    """A trunk of that time is gone: its faults, before anything is written."""
    site.greeting.numbers.write_text(NUMBERS + "    trunk: merchant\n", encoding="utf-8")
    assert (await site.ivr("reload")).exit_code == 0
    merchants = site.version
    site.greeting.numbers.write_text(NUMBERS, encoding="utf-8")
    assert (await site.ivr("reload")).exit_code == 0
    config = site.deployment.config
    config.write_text(config.read_text(encoding="utf-8").replace("  merchant:", "  other:"), encoding="utf-8")
    ran = await site.ivr("dialplan", "rollback", merchants)
    assert ran.exit_code == 1 and f"{site.greeting.numbers}:4:" in ran.stderr and "no trunk 'merchant'" in ran.stderr
    assert site.greeting.numbers.read_text(encoding="utf-8") == NUMBERS


async def test_rollback_with_nobody_there(site: Site) -> None:
    """The files are written; the next start uses them."""
    first = site.version
    await site.used(TWO)
    await site.goes_down()
    ran = await site.ivr("dialplan", "rollback", first)
    assert ran.exit_code == 0 and "when `ivr serve` is started" in ran.stdout
    assert site.text == flow(ONE)
    await site.comes_up()
    assert site.version == first


# -- the start ---------------------------------------------------------------------------------------------------------


async def test_started_in_the_middle_of_editing(site: Site) -> None:
    """A process that comes back does not stay away because of a half-written flow: the version in use last goes on."""
    (second,) = await site.used(TWO)
    await site.goes_down()
    site.greeting.breaks()
    await site.comes_up()
    assert site.version == second
    assert (await site.ivr("reload")).exit_code == 1
    (third,) = await site.used(THREE)
    assert site.version == third


async def test_started_with_faults_and_nothing_to_go_back_to(site: Site, tmp_path: Path) -> None:
    """The faults, as ever."""
    await site.goes_down()
    site.greeting.breaks()
    (site.settings.storage / "dialplan.sqlite").unlink()
    with pytest.raises(Faults):
        _first_dialplan(site.settings)
    async with open_store(site.settings.storage, Clock()) as store:
        begun = _first_dialplan(site.settings)
        assert not isinstance(begun, Loaded)
        with pytest.raises(Faults):
            await _in_use(begun, site.settings, store)
        await store.dialplans.use("old", {"numbers.yaml": "numbers: [nonsense]\n"}, "start", "")
        with pytest.raises(Faults):
            await _in_use(begun, site.settings, store)


async def test_a_prompt_that_is_not_recorded_yet_is_told(tmp_path: Path, recordings: Path) -> None:
    """Nothing is wrong and nothing has changed, and yet callers would not hear what the admin wrote."""
    site = Site(tmp_path, recordings)
    texts = tmp_path / "prompts"
    shutil.copytree(site.settings.prompts, texts)
    entry = Catalogue.load(texts).entry("fa", "invoice/welcome")
    out = tmp_path / "recordings"
    shutil.copytree(recordings, out)
    write(out, {"fa": {"invoice/welcome": Made(source(texts, "fa", "invoice/welcome", entry).key, {})}})
    site.deployment.changes = {**site.deployment.changes, "prompts": str(texts), "recordings": str(out)}
    site.settings = load_settings(site.deployment.write().config, credentials=False)
    await site.comes_up()
    try:
        assert "note" not in (await site.ivr("check")).stdout
        file = texts / "fa" / "catalogue.yaml"
        file.write_text(file.read_text(encoding="utf-8").replace(entry.heard, "سلام."), encoding="utf-8")
        for command in ("check", "reload"):
            said = await site.ivr(command)
            assert said.exit_code == 0
            assert (
                "note: 1 prompt is not recorded as written now (the first: fa/invoice/welcome); "
                "callers hear it after: ivr prompts build" in said.stdout
            )
    finally:
        await site.goes_down()
