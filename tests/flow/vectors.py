"""Reads and runs the calls in `tests/vectors/`; what their entries mean stands in the README there."""

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml
from msgspec.structs import asdict

from ivr.domain.legs import LegResult
from ivr.domain.secret import Secret
from ivr.domain.speech import Amount, Digits, Prompt, Say
from ivr.flow.commands import AskProvider, Dial, HangUp, PaymentOrder, Play, ReadHeaders
from ivr.flow.events import Answered, HeadersRead, LegAnswered, LegEnded, ProviderReplied
from ivr.flow.model import Flow
from tests.flow.caller import Caller
from tests.flow.world import session_of

VECTORS: Final = Path(__file__).parents[1] / "vectors"

Entry = Mapping[str, Any]


def all_calls() -> Iterator[tuple[Path, str]]:
    """Every file and each flow that it is for."""
    for path in sorted(VECTORS.glob("*/*.yaml")):
        flows = _document(path)["flow"]
        for flow in [flows] if isinstance(flows, str) else flows:
            yield path, flow


def run(path: Path, flow: Flow) -> Caller:
    """Make the call of this file. Raises AssertionError naming the file and the entry."""
    document = _document(path)
    assert set(document) <= {"flow", "after", "knows", "call"}, f"{path.name}: strange field"
    if "after" in document:
        caller = run(VECTORS / "beginnings" / flow.name / f"{document['after']}.yaml", flow)
    else:
        caller = Caller(flow, session_of(flow, dict(document.get("knows", {}))))
        caller.send(Answered())
    for number, entry in enumerate(document["call"], start=1):
        try:
            _run_entry(caller, entry)
        except AssertionError as exc:
            raise AssertionError(f"{path.parent.name}/{path.name}, entry {number} {entry}: {exc}") from None
    return caller


def finish(caller: Caller, path: Path) -> None:
    """The call is over, or the file says at which step it is left."""
    last = caller.take()
    if isinstance(last, HangUp):
        assert last.cause.name == "NORMAL" and caller.take() is None
    else:
        assert last is None, f"{path.name}: nobody expected {last}"
        assert caller.session.ended is not None or "at" in _document(path)["call"][-1], f"{path.name}: the call goes on"


@cache
def _document(path: Path) -> Mapping[str, Any]:
    document: Mapping[str, Any] = yaml.safe_load(path.read_bytes())
    return document


def _run_entry(caller: Caller, entry: Entry) -> None:
    word = next(iter(entry))
    assert word in _ENTRIES, f"no such entry: {word}"
    needs_quiet = word in ("keys", "silent", "at")
    assert not (needs_quiet and caller.noticed), f"nobody expected {caller.noticed}"
    _ENTRIES[word](caller, entry)


def _hears(caller: Caller, entry: Entry) -> None:
    _begins(caller, {"begins": entry["hears"]})
    caller.hear()


def _begins(caller: Caller, entry: Entry) -> None:
    said = caller.take()
    assert isinstance(said, Play), f"got {said}"
    words = entry["begins"] if isinstance(entry["begins"], list) else [entry["begins"]]
    assert list(said.say) == [_say(word) for word in words], f"says {said.say}"


def _say(word: str | Mapping[str, Any]) -> Say:
    if isinstance(word, str):
        return Prompt(word)
    return Amount(word["amount"]) if "amount" in word else Digits(word["digits"])


def _silent(caller: Caller, entry: Entry) -> None:
    assert caller.playing is None, "the caller is still listening"
    assert caller.wait() == entry["silent"], "waited otherwise"


def _reads(caller: Caller, entry: Entry) -> None:
    command = caller.take()
    assert isinstance(command, ReadHeaders) and list(command.names) == entry["reads"], f"got {command}"


def _headers(caller: Caller, entry: Entry) -> None:
    values = entry["headers"]
    token = caller.session.asking
    assert token is not None, "nobody reads headers"
    trusted = values != "untrusted"
    caller.send(HeadersRead(token, trusted, values if trusted else {}))


def _asks(caller: Caller, entry: Entry) -> None:
    command = caller.take()
    assert isinstance(command, AskProvider), f"got {command}"
    assert f"{command.provider}.{command.operation}" == entry["asks"], f"asks {command}"
    shown = {
        name: f"•{value.reveal()}" if isinstance(value, Secret) else value for name, value in command.arguments.items()
    }
    assert shown == entry.get("with", shown), f"asks with {shown}"
    _same_payment(command.payment, entry)
    if "answers" in entry:
        _answers(caller, entry)


def _answers(caller: Caller, entry: Entry) -> None:
    token = caller.session.asking
    assert token is not None, "nobody waits for an answer"
    caller.send(ProviderReplied(token, entry["answers"], entry.get("values", {})))


def _dials(caller: Caller, entry: Entry) -> None:
    command = caller.take()
    assert isinstance(command, Dial), f"got {command}"
    shown = asdict(command)
    for unseen in ("token", "payment"):
        del shown[unseen]
    assert shown == entry["dials"], f"dials {shown}"
    _same_payment(command.payment, entry)


def _same_payment(payment: PaymentOrder | None, entry: Entry) -> None:
    shown = None
    if payment is not None:
        shown = {name: value for name, value in asdict(payment).items() if name != "id" and value is not None}
    assert shown == entry.get("payment"), f"with the payment {shown}"


def _leg(caller: Caller, entry: Entry) -> None:
    token = caller.session.leg
    assert token is not None, "nobody was dialled"
    caller.send(LegAnswered(token) if entry["leg"] == "answered" else LegEnded(token, LegResult(entry["leg"])))


def _at(caller: Caller, entry: Entry) -> None:
    assert caller.session.step == entry["at"], f"is in step {caller.session.step}"


def _hangs_up(caller: Caller, entry: Entry) -> None:
    command = caller.take()
    assert isinstance(command, HangUp) and command.cause.name.lower() == entry["hangs_up"], f"got {command}"


_ENTRIES: Final[Mapping[str, Callable[[Caller, Entry], None]]] = {
    "hears": _hears,
    "begins": _begins,
    "hears_out": lambda caller, entry: caller.hear(),
    "keys": lambda caller, entry: caller.keys(entry["keys"]),
    "silent": _silent,
    "reads": _reads,
    "headers": _headers,
    "asks": _asks,
    "answers": _answers,
    "dials": _dials,
    "leg": _leg,
    "at": _at,
    "hangs_up": _hangs_up,
}
