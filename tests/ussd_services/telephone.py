"""A telephone of the sandbox's USSD network over HTTP, as its handset page uses it."""

import itertools
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from tests.browser import PATIENCE
from tests.ussd_services.house import House, eventually

_numbers: Final = itertools.count(1)


def new_mobile() -> str:
    """A mobile number that nobody has used."""
    return f"0912{next(_numbers):07}"


@dataclass
class Telephone:
    """Somebody's. Every screen that comes is one that the network finds nothing wrong with."""

    house: House
    mobile: str = field(default_factory=new_mobile)
    session: str = ""
    kind: str = ""
    """Of what was shown last: `screen`, `payment`, `network_error`, …"""

    def dial(self, text: str) -> str:
        """Dial a code; returns the screen."""
        return self._shown(self._post("dial", {"mobile": self.mobile, "dialled": text}))

    def answer(self, text: str) -> str:
        """Send a line; returns the screen."""
        return self._shown(self._post("reply", {"session": self.session, "text": text}))

    def fault(self, name: str) -> None:
        """Let something go wrong: a key of `phone_words.CHOICES`."""
        self._post("faults", {"mobile": self.mobile, "choice": name}, 201)

    def sms(self, count: int = 1) -> list[dict[str, Any]]:
        """Wait for so many SMS."""
        eventually(lambda: len(self._inbox()) >= count, f"{count} SMS")
        return self._inbox()

    def pay(self, action: str = "pay") -> str:
        """Open the newest link, and press a button; returns the page."""
        link = [sms["link"] for sms in self.sms() if sms["link"]][-1]
        answer = httpx.post(link, data={"action": action}, trust_env=False, timeout=PATIENCE)
        assert answer.status_code == 200
        return answer.text

    def _inbox(self) -> list[dict[str, Any]]:
        query = {"mobile": self.mobile}
        state = httpx.get(f"{self.house.sandbox.phone_url}/state", params=query, trust_env=False, timeout=PATIENCE)
        inbox: list[dict[str, Any]] = state.json()["sms"]
        return inbox

    def _post(self, path: str, body: dict[str, str], status: int = 200) -> dict[str, Any]:
        url = f"{self.house.sandbox.phone_url}/{path}"
        answer = httpx.post(url, json=body, trust_env=False, timeout=PATIENCE)
        assert answer.status_code == status, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def _shown(self, shown: dict[str, Any]) -> str:
        self.session, self.kind = shown["session"], shown["kind"]
        assert not shown["mistakes"] or self.kind == "network_error", shown
        return str(shown["text"])
