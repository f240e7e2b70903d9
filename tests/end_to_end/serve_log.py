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
        """The steps that the first new call came to; those of older calls are left out."""
        lines = self.lines()
        call = next((line["call_id"] for line in lines if line["event"] == "call_started"), None)
        return [line["step"] for line in lines if line["event"] == "step" and line["call_id"] == call]

    def events(self) -> list[str]:
        """The lines' names."""
        return [line["event"] for line in self.lines()]

    def errors(self) -> list[str]:
        """The names of lines that tell of an error. A prompt that a hangup cuts short counts as failed: no error."""
        names = [line["event"] for line in self.lines() if line["level"] in ("error", "critical")]
        return [name for name in names if name != "prompt_failed"]

    async def shows(self, event: str, patience: float = 20.0) -> list[dict[str, Any]]:
        """The lines of this name, as soon as there is one. Fails when there is none in time."""

        async def look() -> list[dict[str, Any]]:
            return [line for line in self.lines() if line["event"] == event]

        found = await eventually(look, bool, patience)
        assert found, f"no {event} among {self.events()}"
        return found
