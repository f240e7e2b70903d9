"""What a party's `ivr serve` writes into its log, line by line as it comes."""

import json
from typing import Any

from ivr.lab.party import Party
from tests.end_to_end.stage import eventually


class ServeLog:
    """The lines since this was made."""

    def __init__(self, party: Party) -> None:
        self._path = party.log
        self._begin = self._path.stat().st_size

    def lines(self) -> list[dict[str, Any]]:
        """Every whole line; one that is no JSON fails the test: it is a traceback."""
        with self._path.open("rb") as file:
            file.seek(self._begin)
            text = file.read()
        return [json.loads(line) for line in text[: text.rfind(b"\n") + 1].splitlines()]

    def steps(self) -> list[str]:
        """The steps that calls came to."""
        return [line["step"] for line in self.lines() if line["event"] == "step"]

    def events(self) -> list[str]:
        """The lines' names."""
        return [line["event"] for line in self.lines()]

    async def shows(self, event: str, patience: float = 20.0) -> list[dict[str, Any]]:
        """The lines of this name, as soon as there is one. Fails when there is none in time."""

        async def look() -> list[dict[str, Any]]:
            return [line for line in self.lines() if line["event"] == event]

        found = await eventually(look, bool, patience)
        assert found, f"no {event} among {self.events()}"
        return found
