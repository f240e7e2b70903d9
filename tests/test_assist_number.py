"""`assist_number`: one of the dialplan's numbers, found out whenever both are looked at together."""

from pathlib import Path

import pytest
import yaml

from ivr.config import load_settings
from ivr.domain.reading import Faults
from ivr.loading import load_current_dialplan, load_world
from tests.deployment import Deployment, fake_recordings
from tests.test_cli import ivr


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fake_recordings(tmp_path_factory.mktemp("recordings"))


@pytest.fixture
def deployment(tmp_path: Path, recordings: Path, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    for name in ("TEST_ARI_PASSWORD", "TEST_SEQUENCE", "TEST_SARA"):
        monkeypatch.setenv(name, "x")
    agents = {"sara": {"password": {"env": "TEST_SARA"}}}
    return Deployment(tmp_path, recordings, {"agents": agents, "queues": {"sales": {"agents": ["sara"]}}}).write()


def assisting(deployment: Deployment, number: str) -> None:
    content = yaml.safe_load(deployment.config.read_text("utf-8"))
    content["asterisk"] |= {"ami": {"password": {"env": "TEST_SARA"}}, "assist_number": number}
    deployment.config.write_text(yaml.safe_dump(content), "utf-8")


def numbers(deployment: Deployment) -> list[str]:
    return [one.number for one in load_world(load_settings(deployment.config))[0].numbers]


def test_one_of_ours(deployment: Deployment) -> None:
    """Nothing is wrong."""
    assisting(deployment, next(one for one in numbers(deployment) if one.isdigit()))
    ran = ivr(deployment, "check")
    assert ran.exit_code == 0, ran.stderr


def test_none_of_ours(deployment: Deployment) -> None:
    """Named with the place where it stands, by `ivr check` and before `ivr serve` begins."""
    assisting(deployment, "999")
    line = 1 + next(
        at for at, text in enumerate(deployment.config.read_text("utf-8").splitlines()) if "assist_number" in text
    )
    ran = ivr(deployment, "check")
    assert ran.exit_code == 1
    assert ran.stderr.startswith(f"{deployment.config}:{line}:") and "no number 999 that agents may call" in ran.stderr
    with pytest.raises(Faults, match="no number 999"):
        load_current_dialplan(load_settings(deployment.config))


def test_a_single_flow(deployment: Deployment) -> None:
    """Has no numbers: it is checked for itself."""
    assisting(deployment, "999")
    settings = load_settings(deployment.config)
    flow = settings.dialplan / "flows" / "pay_invoice.yaml"
    assert ivr(deployment, "check", str(flow)).exit_code == 0
