"""SOAP as far as a provider needs it: one operation of a shipped service description, written and read by zeep.

Law: zeep touches no network. The description comes from the package, the request leaves through our own HttpClient,
and whatever an answer makes zeep stumble over is OutcomeUnknown, without a word of the answer. No document type, no
entity, no external file is ever read.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ivr.domain.errors import OutcomeUnknown
from ivr.runtime.http_client import HttpAnswer

CONTENT_TYPE: Final = "text/xml; charset=utf-8"


@dataclass(frozen=True, slots=True)
class _Reply:
    """What zeep looks at in an answer."""

    content: bytes
    status_code: int = 200
    encoding: str = "utf-8"

    @property
    def headers(self) -> Mapping[str, str]:
        """Whatever it was sent as, it is read as XML: providers get this wrong."""
        return {"Content-Type": CONTENT_TYPE}


class SoapOperation:
    """One operation of a service description (WSDL, SOAP 1.1, document/literal)."""

    def __init__(self, description: Path, operation: str) -> None:
        # Imported here: it takes a quarter of a second, and most deployments and commands never speak SOAP.
        import zeep
        from zeep.settings import Settings

        # `forbid_external` holds for the description too: what it points at is not fetched, and so not accepted.
        settings = Settings(forbid_dtd=True, forbid_entities=True, forbid_external=True, xml_huge_tree=False)
        self._client: Any = zeep.Client(str(description), settings=settings)
        self._name = operation
        self._binding: Any = self._client.service._binding
        self._operation: Any = self._binding.get(operation)
        self.headers: Mapping[str, str] = {
            "Accept": "text/xml",
            "Content-Type": CONTENT_TYPE,
            "SOAPAction": f'"{self._operation.soapaction}"',
        }
        """What goes with the request."""

    def request(self, arguments: Mapping[str, str | bool]) -> bytes:
        """The request's body."""
        from lxml import etree

        envelope = self._client.create_message(self._client.service, self._name, **arguments)
        return bytes(etree.tostring(envelope, encoding="utf-8", xml_declaration=True))

    def answer(self, answer: HttpAnswer) -> object:
        """What the operation returned. Raises OutcomeUnknown for a fault, another status than 200, or no SOAP."""
        if answer.status != 200:
            raise OutcomeUnknown(f"the provider answered with HTTP {answer.status}")
        try:
            result: object = self._binding.process_reply(self._client, self._operation, _Reply(answer.body))
        except Exception as exc:  # noqa: BLE001 - zeep meets odd envelopes with IndexError, TypeError and others
            stumbled = type(exc).__name__
        else:
            return result
        raise OutcomeUnknown(f"the answer is no SOAP that can be read: {stumbled}")
