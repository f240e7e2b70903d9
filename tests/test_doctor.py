"""`ivr doctor`: what is missing on this machine, and the command that mends it."""

from pathlib import Path

import pytest

from ivr.doctor import Finding, diagnose
from tests.deployment import Deployment, fake_recordings


@pytest.fixture
def deployment(tmp_path: Path) -> Deployment:
    return Deployment(tmp_path, fake_recordings(tmp_path / "recordings"), without=())


def findings(deployment: Deployment) -> dict[str, Finding]:
    return {finding.what: finding for finding in diagnose(deployment.config)}


def test_a_machine_that_lacks_things(deployment: Deployment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Every missing thing has a cure, and what is well says so."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("IVR_CACHE", str(tmp_path))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "nothing.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    deployment.write()
    found = findings(deployment)
    assert found["python"].cure is None and found["configuration"].cure is None and found["storage"].cure is None
    assert "apt-get install graphviz" in str(found["dot"])
    assert "apt-get install ca-certificates" in str(found["authorities"])
    assert "apt-get install sox" in str(found["sox"]) and "install_asterisk.sh" in str(found["asterisk"])
    assert found["credentials"].cure and "TEST_ARI_PASSWORD" in found["credentials"].said
    assert found["recordings"].cure == "ivr prompts build"
    assert str(found["python"]).startswith("ok")


@pytest.mark.parametrize(("variable", "name"), [("SSL_CERT_FILE", "our.pem"), ("SSL_CERT_DIR", "002c0b4f.0")])
def test_authorities_of_ones_own(
    variable: str, name: str, deployment: Deployment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A file or a directory of them that OpenSSL is told of, in a place of its own, is as good as the system's."""
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "nothing.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "nowhere"))
    file = tmp_path / "authorities" / name
    file.parent.mkdir()
    file.write_text("a certificate", "utf-8")
    monkeypatch.setenv(variable, str(file if variable == "SSL_CERT_FILE" else file.parent))
    found = findings(deployment.write())["authorities"]
    assert found.cure is None and str(file.parent) in found.said


def test_credentials_that_are_there(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are counted, never shown."""
    monkeypatch.setenv("TEST_ARI_PASSWORD", "hunter2")
    monkeypatch.setenv("TEST_SEQUENCE", "hunter2")
    found = findings(deployment.write())
    assert found["credentials"].cure is None
    assert "hunter2" not in repr(found)


def test_a_configuration_with_faults(deployment: Deployment) -> None:
    """The first fault and the command that names the rest."""
    deployment.changes = {"colour": "blue"}
    found = findings(deployment.write())
    assert "colour" in found["configuration"].said and "ivr check" in str(found["configuration"].cure)
    assert "credentials" not in found


def test_a_storage_that_cannot_be_written(deployment: Deployment) -> None:
    """The directory is named, and what to do with it."""
    in_the_way = deployment.home / "file"
    in_the_way.touch()
    deployment.changes = {"storage": str(in_the_way / "books")}
    found = findings(deployment.write())
    assert str(in_the_way) in str(found["storage"].cure)


def test_shipped_recordings_are_well(deployment: Deployment) -> None:
    """A finding without a cure is what `ivr doctor` ends well on."""
    assert Finding("recordings", "there").cure is None
    assert str(Finding("x", "y", "z")) == "missing x: y\n        -> z"
