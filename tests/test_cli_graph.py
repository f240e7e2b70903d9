"""`ivr graph`: a flow as text for a page, or as a picture."""

from pathlib import Path

import pytest
from structlog.testing import capture_logs
from typer.testing import CliRunner, Result

from ivr.cli import cli
from tests.deployment import Deployment, fake_recordings


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    recordings = fake_recordings(tmp_path_factory.mktemp("recordings"))
    return Deployment(tmp_path_factory.mktemp("deployment"), recordings).write()


def graph(deployment: Deployment, *arguments: str) -> Result:
    with capture_logs():
        return CliRunner().invoke(cli, ["graph", *arguments, "--config", str(deployment.config)])


def test_mermaid(deployment: Deployment) -> None:
    """On stdout, in the number's own language or in another."""
    ran = graph(deployment, "pay_invoice")
    assert ran.exit_code == 0 and ran.stdout.startswith("flowchart LR\n") and "پرداخت" in ran.stdout
    english = graph(deployment, "pay_invoice", "--language", "en")
    assert "Thank you for calling. Goodbye." in english.stdout


def test_svg_to_a_file(deployment: Deployment, tmp_path: Path) -> None:
    """Nothing on stdout then."""
    file = tmp_path / "flow.svg"
    ran = graph(deployment, "pay_invoice", "--format", "svg", "--output", str(file))
    assert ran.exit_code == 0 and ran.output == "" and "ask_invoice" in file.read_text("utf-8")


def test_a_file_that_cannot_be_written(deployment: Deployment) -> None:
    """One line, status 1."""
    ran = graph(deployment, "pay_invoice", "--output", "/no/such/dir/x.mmd")
    assert ran.exit_code == 1 and "cannot be written" in ran.stderr and len(ran.stderr.splitlines()) == 1


def test_a_flow_with_faults(deployment: Deployment, tmp_path: Path) -> None:
    """Its faults, with their places."""
    flow = tmp_path / "mine.yaml"
    flow.write_text("flow: mine\nfirst: a\non_failure: a\nsteps:\n  a: {hang_up: abnormal}\n", "utf-8")
    ran = graph(deployment, str(flow))
    assert ran.exit_code == 1 and ran.stderr.startswith(f"{flow}:5:") and ran.stdout == ""


def test_a_format_that_does_not_exist(deployment: Deployment) -> None:
    """The command was misused."""
    assert graph(deployment, "pay_invoice", "--format", "png").exit_code == 2
