"""manager.conf: who may connect to AMI, and what such a one may do and hear."""

import stat
from dataclasses import replace
from pathlib import Path

import pytest

from ivr.asterisk.render import render
from ivr.asterisk.settings import AmiSettings
from ivr.domain.errors import BadInput
from ivr.domain.secret import Secret
from tests.asterisk.render.test_render import EVIL, SETTINGS, blocks

AMI = AmiSettings("ivr", Secret("ge;heim"))


def test_nobody_may_connect_unless_it_is_configured(tmp_path: Path) -> None:
    """It is off, and its module is not loaded."""
    render(SETTINGS, [], tmp_path)
    assert blocks(tmp_path / "manager.conf") == [("general", {"enabled": "no"})]
    assert "res_manager_devicestate" not in (tmp_path / "modules.conf").read_text()


def test_one_account_on_loopback(tmp_path: Path) -> None:
    """Readable by its owner alone; no rights beyond our actions, no event beyond those that we read."""
    render(replace(SETTINGS, ami=AMI), [], tmp_path)
    file = tmp_path / "manager.conf"
    (_, general), (name, account) = blocks(file)
    assert (general["enabled"], general["bindaddr"], general["port"]) == ("yes", "127.0.0.1", "5038")
    assert (general["webenabled"], general["displayconnects"], general["authtimeout"]) == ("no", "no", "5")
    assert name == "ivr" and account["secret"] == r"ge\;heim"
    text = file.read_text()
    assert "deny = 0.0.0.0/0.0.0.0\ndeny = ::/0\npermit = 127.0.0.0/8\npermit = ::1/128\n" in text
    assert account["read"] == "system,call,agent,user" and account["write"] == "call,agent,user,reporting"
    assert "name(BlindTransfer)" in text
    for printing_digits in ("DTMF", "VarSet", "Newexten", "RTCP"):
        assert printing_digits not in text
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "load = res_manager_devicestate.so" in (tmp_path / "modules.conf").read_text()


def test_elsewhere_than_on_loopback_somebody_is_named(tmp_path: Path) -> None:
    """The secret crosses that network as it is: it takes two lines to open it."""
    away = replace(AMI, host="192.0.2.1", port=5039)
    with pytest.raises(BadInput, match=r"ami\.allow"):
        render(replace(SETTINGS, ami=away), [], tmp_path)
    render(replace(SETTINGS, ami=replace(away, allow=("192.0.2.7", "10.0.0.0/24"))), [], tmp_path)
    text = (tmp_path / "manager.conf").read_text()
    assert "bindaddr = 192.0.2.1\nport = 5039\n" in text
    assert "permit = 192.0.2.7\npermit = 10.0.0.0/24\n" in text and "permit = 127" not in text
    for host, address in (("localhost", "127.0.0.1"), ("127.0.0.3", "127.0.0.3"), ("::1", "::1")):
        render(replace(SETTINGS, ami=replace(AMI, host=host)), [], tmp_path)
        assert dict(blocks(tmp_path / "manager.conf"))["general"]["bindaddr"] == address


@pytest.mark.parametrize("evil", [evil for evil in EVIL if evil != "-a"])
@pytest.mark.parametrize("place", ["username", "host", "allow"])
def test_no_value_can_write_a_line_of_its_own(place: str, evil: str, tmp_path: Path) -> None:
    """An account of somebody else's could be written with it."""
    bad: dict[str, AmiSettings] = {
        "username": replace(AMI, username=evil),
        "host": replace(AMI, host=evil, allow=("192.0.2.7",)),
        "allow": replace(AMI, allow=(evil,)),
    }
    with pytest.raises(BadInput):
        render(replace(SETTINGS, ami=bad[place]), [], tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "ami",
    [
        replace(AMI, username="general"),
        replace(AMI, port=0),
        replace(AMI, secret=Secret("")),
        replace(AMI, secret=Secret("hush\nwrite = all")),
    ],
)
def test_an_account_that_makes_no_sense_is_refused(ami: AmiSettings, tmp_path: Path) -> None:
    """At rendering, and without its secret in the sentence."""
    with pytest.raises(BadInput) as refusal:
        render(replace(SETTINGS, ami=ami), [], tmp_path)
    assert "hush" not in str(refusal.value)
    assert list(tmp_path.iterdir()) == []
