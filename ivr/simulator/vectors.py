"""Calls as files: read, made and compared; what their entries mean stands in tests/vectors/README.md.

Law: a file says everything that happens. The first thing that is otherwise than written is a Difference with the
file's line, and the call goes no further.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, TypeVar

import yaml
from msgspec.structs import asdict

from ivr.domain.errors import BadInput
from ivr.domain.legs import LegResult
from ivr.domain.reading import Source
from ivr.domain.secret import Secret
from ivr.domain.speech import Amount, Date, Digits, In, Mobile, Prompt, Say, Text
from ivr.flow.commands import (
    AskProvider,
    Dial,
    HangUp,
    Notify,
    PaymentOrder,
    Play,
    ReadHeaders,
    Record,
    RequestPayment,
    Transfer,
)
from ivr.flow.events import Answered, CallerHungUp, HeadersRead, LegAnswered, LegEnded, ProviderReplied
from ivr.flow.model import Flow
from ivr.simulator.call import Call, NotNow
from ivr.simulator.orders import FAILED, MESSAGES, TALKED

BEGINNINGS: Final = "beginnings"
"""The directory of calls that others begin with: `beginnings/<flow>/<after>.yaml`, beside or above the file."""

MOST_BEGINNINGS: Final = 20
"""Beginnings of beginnings; more is a circle."""

SECRET_MARK: Final = "•"  # noqa: S105 - what stands before a secret in a file
"""A value behind it was a secret: `card: •6037701689095443`."""

FIELDS: Final = frozenset({"flow", "after", "knows", "call"})

Entry = Mapping[str, Any]
AnyCall = TypeVar("AnyCall", bound=Call)


class Difference(BadInput):
    """The call went otherwise than the file says."""


@dataclass(frozen=True, slots=True)
class Vector:
    """One file."""

    path: Path
    flows: tuple[str, ...]
    """What it is for; empty for a beginning, whose flow is its directory's name."""
    after: str | None
    knows: Mapping[str, str | int]
    call: tuple[tuple[int, Entry], ...]
    """(line, entry)."""


def read_vector(path: Path) -> Vector:
    """One file. Raises BadInput with its place when it is none."""
    try:
        return _read(path, path.stat().st_mtime_ns)
    except OSError as exc:
        raise BadInput(f"{path}: cannot be read: {exc.strerror}") from None


def replay(path: Path, flow: Flow, begin: Callable[[Flow, dict[str, str | int]], AnyCall]) -> AnyCall:
    """Make the call of this file; `begin` makes it from the flow and what is known. Raises Difference, BadInput."""
    return _replay(path, flow, begin, MOST_BEGINNINGS)


def finish(call: Call, path: Path) -> None:
    """The call is over, or the file says at which step it is left. Raises Difference."""
    last = call.take()
    if isinstance(last, HangUp):
        _expect(last.cause.name == "NORMAL" and call.take() is None, f"{path}: nobody expected {last}")
        return
    _expect(last is None, f"{path}: nobody expected {last}")
    entries = read_vector(path).call
    left_open = bool(entries) and "at" in entries[-1][1]
    _expect(call.session.ended is not None or left_open, f"{path}: the call goes on in step '{call.session.step}'")


def _replay(path: Path, flow: Flow, begin: Callable[[Flow, dict[str, str | int]], AnyCall], beginnings: int) -> AnyCall:
    vector = read_vector(path)
    if vector.after is not None:
        if not beginnings:
            raise BadInput(f"{path}: begins with itself")
        call = _replay(_beginning(path, flow.name, vector.after), flow, begin, beginnings - 1)
    else:
        call = begin(flow, dict(vector.knows))
        call.send(Answered())
    for number, (line, entry) in enumerate(vector.call, start=1):
        try:
            _run_entry(call, entry)
        except (Difference, NotNow) as exc:
            raise Difference(f"{path}:{line}: entry {number} {dict(entry)}: {exc}") from None
        except (KeyError, TypeError, ValueError, AttributeError):
            raise BadInput(f"{path}:{line}: entry {number} {dict(entry)} is not written as it should be") from None
    return call


def _beginning(path: Path, flow: str, after: str) -> Path:
    for directory in path.absolute().parents:
        if (found := directory / BEGINNINGS / flow / f"{after}.yaml").is_file():
            return found
    raise BadInput(f"{path}: there is no {BEGINNINGS}/{flow}/{after}.yaml beside or above it")


# -- reading -----------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=1024)
def _read(path: Path, _changed: int) -> Vector:
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise BadInput(f"{path}: not UTF-8 text") from None
    source = Source(str(path))
    root = source.compose(text)
    if root is None:
        raise BadInput("\n".join(map(str, source.faults)))
    document = _constructed(root)
    if not isinstance(document, dict) or not set(document) <= FIELDS or not isinstance(document.get("call"), list):
        raise BadInput(f"{path}:1:1: a call's file has 'call', a list, and nothing but {', '.join(sorted(FIELDS))}")
    [entries] = [value for key, value in root.value if key.value == "call"]
    calls = []
    for node, entry in zip(entries.value, document["call"], strict=True):
        line = node.start_mark.line + 1
        if not isinstance(entry, dict) or next(iter(entry), None) not in _ENTRIES:
            raise BadInput(f"{path}:{line}: no such entry; one begins with {', '.join(_ENTRIES)}")
        calls.append((line, entry))
    flows = document.get("flow", ())
    knows = document.get("knows", {})
    if not isinstance(knows, dict):
        raise BadInput(f"{path}:1:1: 'knows' must be a mapping")
    return Vector(path, (flows,) if isinstance(flows, str) else tuple(flows), document.get("after"), knows, (*calls,))


def _constructed(root: yaml.Node) -> Any:
    """The document as plain values."""
    return yaml.constructor.SafeConstructor().construct_document(root)


# -- one entry ---------------------------------------------------------------------------------------------------------


def _run_entry(call: Call, entry: Entry) -> None:
    word = next(iter(entry))
    needs_quiet = word in ("keys", "silent", "at", "leaves")
    _expect(not (needs_quiet and call.noticed), f"nobody expected {call.noticed}")
    _ENTRIES[word](call, entry)


def _expect(well: bool, otherwise: str) -> None:
    if not well:
        raise Difference(otherwise)


def _hears(call: Call, entry: Entry) -> None:
    _begins(call, {"begins": entry["hears"]})
    call.hear()


def _begins(call: Call, entry: Entry) -> None:
    said = call.take()
    if not isinstance(said, Play):
        raise Difference(f"got {said}")
    words = entry["begins"] if isinstance(entry["begins"], list) else [entry["begins"]]
    _expect(list(said.say) == [_say(word) for word in words], f"says {list(map(written_say, said.say))}")


def written_say(part: Say) -> str | dict[str, Any]:
    """A part of what is said, as a file has it."""
    match part:
        case Prompt(name):
            return name
        case Amount(rial):
            return {"amount": rial}
        case Digits(text):
            return {"digits": text}
        case Mobile(text):
            return {"mobile": text}
        case Date(text):
            return {"date": text}
        case Text(text):
            return {"show": text}
        case In(language, Prompt(name)):
            return {"language": language, "prompt": name}


def _say(word: str | Mapping[str, Any]) -> Say:
    if isinstance(word, str):
        return Prompt(word)
    match word:
        case {"amount": rial}:
            return Amount(rial)
        case {"mobile": text}:
            return Mobile(text)
        case {"date": text}:
            return Date(text)
        case {"show": text}:
            return Text(text)
        case {"language": language, "prompt": name}:
            return In(language, Prompt(name))
        case _:
            return Digits(word["digits"])


def _silent(call: Call, entry: Entry) -> None:
    _expect(call.playing is None, "the caller is still listening")
    waited = call.wait()
    _expect(waited == entry["silent"], f"waited {waited} s")


def _reads(call: Call, entry: Entry) -> None:
    command = call.take()
    _expect(isinstance(command, ReadHeaders) and list(command.names) == entry["reads"], f"got {command}")


def _headers(call: Call, entry: Entry) -> None:
    values = entry["headers"]
    token = call.session.asking
    if token is None:
        raise Difference("nobody reads headers")
    trusted = values != "untrusted"
    call.send(HeadersRead(token, trusted, values if trusted else {}))


def _asks(call: Call, entry: Entry) -> None:
    command = call.take()
    if not isinstance(command, AskProvider):
        raise Difference(f"got {command}")
    _expect(f"{command.provider}.{command.operation}" == entry["asks"], f"asks {command}")
    shown = {
        name: f"{SECRET_MARK}{value.reveal()}" if isinstance(value, Secret) else value
        for name, value in command.arguments.items()
    }
    _expect(shown == entry.get("with", shown), f"asks with {dict(command.arguments)}")
    _same_payment(command.payment, entry)
    if "answers" in entry:
        _answers(call, entry)


def _answers(call: Call, entry: Entry) -> None:
    token = call.session.asking
    if token is None:
        raise Difference("nobody waits for an answer")
    call.send(ProviderReplied(token, entry["answers"], entry.get("values", {})))


def _dials(call: Call, entry: Entry) -> None:
    command = call.take()
    if not isinstance(command, Dial):
        raise Difference(f"got {command}")
    shown = written_dial(command)
    _expect(shown == entry["dials"], f"dials {shown}")
    _same_payment(command.payment, entry)


def written_dial(command: Dial) -> dict[str, Any]:
    """A dialled leg, as a file has it."""
    shown = asdict(command)
    for unseen in ("token", "payment"):
        del shown[unseen]
    return shown


def _transfers(call: Call, entry: Entry) -> None:
    command = call.take()
    if not isinstance(command, Transfer):
        raise Difference(f"got {command}")
    shown = written_transfer(command)
    _expect(shown == entry["transfers"], f"transfers {shown}")


def written_transfer(command: Transfer) -> dict[str, Any]:
    """To whom a caller is sent, as a file has it."""
    whom = {"agent": command.agent} if command.agent is not None else {"queue": command.queue}
    told = [written_say(part) for part in command.tell]
    tell = {"tell": told, "language": command.language} if told else {}
    return {**whom, **tell, "wait": command.wait}


def written_payment(payment: PaymentOrder | None) -> dict[str, Any] | None:
    """A payment without its id, as a file has it. Its payer is whoever calls, and that stands there already."""
    if payment is None:
        return None
    return {name: value for name, value in asdict(payment).items() if name not in ("id", "payer") and value is not None}


def _same_payment(payment: PaymentOrder | None, entry: Entry) -> None:
    shown = written_payment(payment)
    _expect(shown == entry.get("payment"), f"with the payment {shown}")


def _leg(call: Call, entry: Entry) -> None:
    token = call.session.leg
    if token is None:
        raise Difference("nobody was dialled")
    call.send(LegAnswered(token) if entry["leg"] == "answered" else LegEnded(token, LegResult(entry["leg"])))


def _records(call: Call, entry: Entry) -> None:
    command = call.take()
    if not isinstance(command, Record):
        raise Difference(f"got {command}")
    shown = written_record(command)
    _expect(shown == entry["records"], f"records {shown}")


def written_record(command: Record) -> dict[str, Any]:
    """A recording that begins, as a file has it."""
    return {name: value for name, value in asdict(command).items() if name != "token"}


def _recorded(call: Call, entry: Entry) -> None:
    what = entry["recorded"]
    if what not in MESSAGES:
        raise ValueError(what)
    call.record(talked=what == TALKED, failed=what == FAILED)


def _notifies(call: Call, entry: Entry) -> None:
    command = call.take()
    if not isinstance(command, Notify):
        raise Difference(f"got {command}")
    shown = written_notice(command)
    _expect(shown == entry["notifies"], f"notifies {shown}")


def written_notice(command: Notify) -> dict[str, Any]:
    """A notice without its id, as a file has it."""
    return {"to": command.target, "event": command.event, "with": dict(command.values)}


def _at(call: Call, entry: Entry) -> None:
    step = call.session.step  # with the steps before it that called the flow in which it is
    _expect(f"/{step}".endswith(f"/{entry['at']}"), f"is in step {step}")


def _leaves(call: Call, _: Entry) -> None:
    _expect(call.session.ended is None, "the call is over already")
    call.send(CallerHungUp())


def _requests(call: Call, entry: Entry) -> None:
    command = call.take()
    if not isinstance(command, RequestPayment):
        raise Difference(f"got {command}")
    shown = {"invoice": command.invoice_id, "amount": command.amount_rial}
    _expect(shown == entry["requests"], f"requests {shown}")


def _hangs_up(call: Call, entry: Entry) -> None:
    command = call.take()
    _expect(isinstance(command, HangUp) and command.cause.name.lower() == entry["hangs_up"], f"got {command}")


_ENTRIES: Final[Mapping[str, Callable[[Call, Entry], None]]] = {
    "hears": _hears,
    "begins": _begins,
    "hears_out": lambda call, entry: call.hear(),
    "keys": lambda call, entry: call.keys(entry["keys"]),
    "sends": lambda call, entry: call.line(str(entry["sends"])),
    "silent": _silent,
    "reads": _reads,
    "headers": _headers,
    "asks": _asks,
    "answers": _answers,
    "dials": _dials,
    "transfers": _transfers,
    "leg": _leg,
    "records": _records,
    "recorded": _recorded,
    "notifies": _notifies,
    "leaves": _leaves,
    "at": _at,
    "requests": _requests,
    "hangs_up": _hangs_up,
}
