"""SOAP by a shipped description: nothing is fetched, whatever a description or an answer points at."""

from importlib.resources import files
from pathlib import Path

import pytest
from zeep.exceptions import ExternalReferenceForbidden

from ivr.domain.errors import OutcomeUnknown
from ivr.providers.inoti import DESCRIPTION
from ivr.providers.soap import SoapOperation
from ivr.runtime.http_client import HttpAnswer


def test_the_description_is_part_of_the_package() -> None:
    """An installation without the source tree has it too."""
    assert files("ivr.providers").joinpath("inoti.wsdl").is_file()
    assert '"**/*.wsdl"' in (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")


def test_nothing_is_fetched(tmp_path: Path) -> None:
    """A description that points elsewhere is useless, and nobody else hears of it."""
    elsewhere = '<s:import namespace="urn:x" schemaLocation="http://127.0.0.1:1/x.xsd"/><s:element name="GetPayments">'
    text = DESCRIPTION.read_text(encoding="utf-8").replace('<s:element name="GetPayments">', elsewhere, 1)
    (tmp_path / "far.wsdl").write_text(text, encoding="utf-8")
    with pytest.raises(ExternalReferenceForbidden):
        SoapOperation(tmp_path / "far.wsdl", "GetPayments")


def test_what_is_written_is_escaped() -> None:
    """Whatever a password or a session holds, it stays one text."""
    body = SoapOperation(DESCRIPTION, "GetPayments").request({"Username": "<a>&\"'", "IsAll": True, "Password": "رمز"})
    assert b"<ns0:Username>&lt;a&gt;&amp;\"'</ns0:Username>" in body
    assert "<ns0:Password>رمز</ns0:Password><ns0:IsAll>true</ns0:IsAll>" in body.decode()


def test_an_answer_s_words_go_nowhere() -> None:
    """Neither into the error nor into its chain."""
    with pytest.raises(OutcomeUnknown) as caught:
        SoapOperation(DESCRIPTION, "GetPayments").answer(HttpAnswer(200, b"<private/>"))
    assert "private" not in str(caught.value) and caught.value.__context__ is None and caught.value.__cause__ is None
