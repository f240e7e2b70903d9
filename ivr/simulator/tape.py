"""A played call as a file of tests/vectors: what came in and what went out, in order.

Law: no secret that was keyed is on the tape: other digits of the same shape stand for it, in the keys and wherever the
flow passes it on. A secret that has changed its form on the way is left out.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

import yaml

from ivr.domain.secret import Secret
from ivr.flow.commands import AskProvider, Dial, HangUp, Notify, Play, ReadHeaders, Record, RequestPayment, Transfer
from ivr.simulator.call import Noticed
from ivr.simulator.keys import Key, StandIns
from ivr.simulator.vectors import (
    SECRET_MARK,
    written_dial,
    written_notice,
    written_payment,
    written_record,
    written_say,
    written_transfer,
)

_KEYS: Final = "keys"


class Tape:
    """Remembers one call."""

    def __init__(self, flow: str, knows: Mapping[str, str | int]) -> None:
        self._flow = flow
        self._knows = dict(knows)
        self._entries: list[dict[str, Any]] = []

    # -- what comes in -----------------------------------------------------------------------------------------------

    def keys(self, key: Key) -> None:
        """One key."""
        if self._entries and _KEYS in self._entries[-1]:
            self._entries[-1][_KEYS].append(key)
        else:
            self._entries.append({_KEYS: [key]})

    def sends(self, line: str) -> None:
        """A line from the screen."""
        self._entries.append({"sends": line})

    def hears(self) -> None:
        """The prompt was heard to its end."""
        last = self._entries[-1] if self._entries else {}
        if "begins" in last:
            self._entries[-1] = {"hears": last["begins"]}
        else:
            self._entries.append({"hears_out": True})

    def silent(self, seconds: float) -> None:
        """The timer fired."""
        self._entries.append({"silent": int(seconds) if seconds == int(seconds) else seconds})

    def headers(self, values: Mapping[str, str | None] | None) -> None:
        """The headers came; None: the trunk is not trusted."""
        self._entries.append({"headers": "untrusted" if values is None else dict(values)})

    def answers(self, exit_name: str, values: Mapping[str, str | int]) -> None:
        """A provider answered."""
        last = self._entries[-1] if self._entries else {}
        entry = last if "asks" in last and "answers" not in last else {}
        entry["answers"] = exit_name
        if values:
            entry["values"] = dict(values)
        if entry is not last:
            self._entries.append(entry)

    def leg(self, what: str) -> None:
        """The leg was answered, or ended."""
        self._entries.append({"leg": what})

    def recorded(self, what: str) -> None:
        """The recording ended."""
        self._entries.append({"recorded": what})

    def leaves(self) -> None:
        """The caller hung up."""
        self._entries.append({"leaves": True})

    # -- what goes out -----------------------------------------------------------------------------------------------

    def noticed(self, noticed: Noticed) -> None:
        """The flow did this."""
        match noticed:
            case Play(_, say):
                parts = [written_say(part) for part in say]
                one = len(parts) == 1 and isinstance(parts[0], str)
                self._entries.append({"begins": parts[0] if one else parts})
            case ReadHeaders(_, names):
                self._entries.append({"reads": list(names)})
            case AskProvider():
                entry: dict[str, Any] = {"asks": f"{noticed.provider}.{noticed.operation}"}
                entry["with"] = dict(noticed.arguments)
                self._entries.append(_with_payment(entry, written_payment(noticed.payment)))
            case Dial():
                self._entries.append(_with_payment({"dials": written_dial(noticed)}, written_payment(noticed.payment)))
            case Transfer():
                self._entries.append({"transfers": written_transfer(noticed)})
            case Record():
                self._entries.append({"records": written_record(noticed)})
            case Notify():
                self._entries.append({"notifies": written_notice(noticed)})
            case RequestPayment(invoice, amount):
                self._entries.append({"requests": {"invoice": invoice, "amount": amount}})
            case HangUp(cause):
                self._entries.append({"hangs_up": cause.name.lower()})

    # -- the file ----------------------------------------------------------------------------------------------------

    def text(self, about: str, at: str | None) -> str:
        """The file; `about` says what the caller notices, `at` is the step that the call is left in, if it goes on."""
        stand_ins = StandIns(key for entry in self._entries for key in entry.get(_KEYS, ()))
        call = [_written(entry, stand_ins) for entry in self._entries]
        if at is not None:
            call.append({"at": at})
        head = _dumped({"flow": self._flow, "knows": self._knows})
        return f"# {about}\n{head}call:\n" + "".join(_indented(_dumped([entry])) for entry in call)


def _with_payment(entry: dict[str, Any], payment: dict[str, Any] | None) -> dict[str, Any]:
    return {**entry, "payment": payment} if payment is not None else entry


def _written(entry: Mapping[str, Any], stand_ins: StandIns) -> dict[str, Any]:
    """The entry without its secrets."""
    if _KEYS in entry:
        return {_KEYS: stand_ins.keyed(entry[_KEYS])}
    if "with" not in entry:
        return dict(entry)
    arguments: dict[str, str | int] = {}
    for name, value in entry["with"].items():
        if not isinstance(value, Secret):
            arguments[name] = value
        elif value.reveal() in stand_ins.known:
            arguments[name] = SECRET_MARK + stand_ins.of(value.reveal())
        else:
            return {key: value for key, value in entry.items() if key != "with"}
    return {**entry, "with": arguments}


class _Dumper(yaml.SafeDumper):
    """Quotes every text that holds a digit or anything but a plain name: YAML reads 0123 as 83."""


def _quoted(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    plain = re.fullmatch(r"[A-Za-z_][A-Za-z_/.-]*", text) and text.lower() not in ("on", "off", "yes", "no", "y", "n")
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if plain else '"')


_Dumper.add_representer(str, _quoted)


def _dumped(value: object) -> str:
    return yaml.dump(value, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=10_000, default_flow_style=None)


def _indented(text: str) -> str:
    return "".join(f"  {line}\n" for line in text.splitlines())
