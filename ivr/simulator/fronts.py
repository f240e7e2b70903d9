"""A call shown to somebody: in words on a terminal, or as one line of JSON for each note.

Law: notes hold no secret, so nothing here has to hide one. Which way Persian is written is the terminal's business.
"""

import sys
from collections.abc import Callable, Mapping
from typing import Any, Final, TextIO

import msgspec
from rich.console import Console
from rich.text import Text

from ivr.flow.visit import CHANNEL, USSD
from ivr.simulator import notes
from ivr.simulator.orders import HELP

_LABEL: Final = 9
"""Columns of the word that begins a line."""


class JsonFront:
    """For programs."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def tell(self, note: notes.Note) -> None:
        """One line."""
        self._out.write(msgspec.json.encode(note).decode() + "\n")
        self._out.flush()

    def complain(self, sentence: str) -> None:
        """Only a person at the terminal is told and goes on."""
        sys.stderr.write(sentence + "\n")

    def help(self) -> None:
        """Programs have read it."""


class TextFront:
    """For people."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._ways_told = ""
        self._on_screen = False

    def tell(self, note: notes.Note) -> None:
        """Some words, or none for what a person need not see."""
        line = _LINES.get(type(note))
        if line is not None:
            line(self, note)

    def complain(self, sentence: str) -> None:
        """In red."""
        self._line("", sentence, "red")

    def help(self) -> None:
        """The list."""
        for what, meaning in HELP:
            self._console.print(Text.assemble((f"  {what:32}", "bold"), meaning))

    def _line(self, label: str, words: str, style: str = "") -> None:
        text = Text.assemble((f"{label:>{_LABEL}}  ", "dim"), (words, style))
        self._console.print(text, soft_wrap=True)

    def _begins(self, note: notes.CallBegins) -> None:
        self._on_screen = note.knows.get(CHANNEL) == USSD
        knows = ", ".join(f"{name} {value}" for name, value in note.knows.items())
        self._line(
            "session" if self._on_screen else "call",
            f"flow {note.flow}, language {note.language}, version {note.version}",
            "bold",
        )
        self._line("knows", knows or "nothing")
        goes_on = "what you type is sent from the screen" if self._on_screen else "Enter goes on"
        self._line("", f"'help' says what you can do; {goes_on}", "dim")

    def _entered(self, note: notes.StepEntered) -> None:
        self._ways_told = ""
        self._console.print(Text.assemble(("● ", "cyan"), (note.step, "bold cyan"), (f"  {note.kind}", "dim")))

    def _says(self, note: notes.Says) -> None:
        if not self._on_screen:  # there it is shown, with everything else that stands there
            self._line("says", f"«{note.words}»", "bold")

    def _shows(self, note: notes.Shows) -> None:
        if note.for_network:
            self._line("answer", note.text, "bold magenta")
            self._line("", "(to the network: it sends the payer a link, and the session is over)", "dim")
            return
        label = "screen"
        for line in note.text.split("\n"):
            self._line(label, f"│ {line}", "bold")
            label = ""
        page = f"page {note.page} of {note.pages}, " if note.pages > 1 else ""
        self._line("", f"└ {page}{note.characters} of {note.most} characters", "dim")

    def _asks(self, note: notes.Asks) -> None:
        arguments = ", ".join(f"{name} {value}" for name, value in note.arguments.items())
        self._line("asks", f"{note.operation}: {arguments}", "magenta")
        self._payment(note.payment)

    def _dials(self, note: notes.Dials) -> None:
        headers = "".join(f", {name}: {value}" for name, value in note.headers.items())
        self._line("dials", f"{note.number} on trunk {note.trunk}, caller id {note.caller_id}{headers}", "magenta")
        self._payment(note.payment)

    def _transfers(self, note: notes.Transfers) -> None:
        whom = f"queue {note.queue}" if note.queue is not None else f"agent {note.agent}"
        self._line("transfers", f"to {whom}, waiting up to {note.wait:g} s", "magenta")
        if note.tells:
            self._line("", f"the agent hears first: «{note.tells}»", "magenta")

    def _payment(self, payment: Mapping[str, Any] | None) -> None:
        if payment is not None:
            self._line("payment", ", ".join(f"{name} {value}" for name, value in payment.items()), "magenta")

    def _awaits(self, note: notes.Awaits) -> None:
        waits = [_WAITS[what].format(seconds=f"{note.timer or 0:g}") for what in note.awaits]
        if note.keys:
            keys = "" if note.kind == "record" else "keys: "  # a message is awaited there
            waits.insert(0, keys + note.keys + (" (secret)" if note.secret else ""))
        if "line" in note.awaits:
            waits = [f"{_WAITS['line']}: {note.keys}"]
        self._line("awaits", " | ".join(waits) or "nothing", "green")
        if self._ways_told == note.step:
            return
        self._ways_told = note.step
        self._line("ways", "  ".join(f"{name} → {target}" for name, target in note.ways.items()), "dim")

    def _answered(self, note: notes.Answered) -> None:
        values = "".join(f", {name} {value}" for name, value in note.values.items())
        self._line("answer", f"{note.exit}{values}", "yellow")

    def _headers(self, note: notes.HeadersCame) -> None:
        values = ", ".join(f"{name}: {'absent' if value is None else value}" for name, value in note.values.items())
        self._line("headers", values if note.trusted else "the trunk is not trusted", "yellow")

    def _records(self, note: notes.Records) -> None:
        key = f"{note.finish_key} or " if note.finish_key else ""
        ends = f"; {key}{note.silence:g} s of silence ends it"
        self._line("records", f"{'a tone, then ' if note.beep else ''}up to {note.longest:g} s{ends}", "magenta")

    def _notifies(self, note: notes.Notifies) -> None:
        values = ", ".join(f"{name} {value}" for name, value in note.values.items())
        self._line("tells", f"{note.to}: {note.event}" + (f" ({values})" if values else ""), "magenta")


_WAITS: Final[Mapping[str, str]] = {
    "prompt": "hear: the prompt ends",
    "timer": "wait: nothing for {seconds} s",
    "answer": "approve / decline / time out / unreachable / answer EXIT",
    "headers": "headers NAME=VALUE … / headers untrusted",
    "leg": "answered / ended / busy / no_answer / rejected / unreachable",
    "line": "a line from the screen",
    "recording": "talk / silent recording / failed recording",
}

_LINES: Final[Mapping[type[notes.Note], Callable[[TextFront, Any], None]]] = {
    notes.CallBegins: TextFront._begins,
    notes.KeysPressed: lambda front, note: front._line("keys", note.keys, "yellow"),
    notes.PromptHeard: lambda front, note: front._line("", "(heard to its end)", "dim"),
    notes.TimerFired: lambda front, note: front._line("wait", f"{note.seconds:g} s pass", "yellow"),
    notes.HeadersCame: TextFront._headers,
    notes.Answered: TextFront._answered,
    notes.LegChanged: lambda front, note: front._line("leg", note.result, "yellow"),
    notes.Recorded: lambda front, note: front._line("message", note.result, "yellow"),
    notes.CallerLeft: lambda front, note: front._line("hang up", "by the caller", "yellow"),
    notes.StepLeft: lambda front, note: front._line("leaves", f"{note.step} by {note.exit} → {note.to}", "dim"),
    notes.StepEntered: TextFront._entered,
    notes.Says: TextFront._says,
    notes.Shows: TextFront._shows,
    notes.LineSent: lambda front, note: front._line("sends", note.line, "yellow"),
    notes.RequestsPayment: lambda front, note: front._line(
        "payment", f"the USSD network is to send a link: invoice {note.invoice}, {note.amount} rial", "magenta"
    ),
    notes.PromptStopped: lambda front, note: front._line("", "(cut short)", "dim"),
    notes.Asks: TextFront._asks,
    notes.Reads: lambda front, note: front._line("reads", f"SIP headers {', '.join(note.headers)}", "magenta"),
    notes.Dials: TextFront._dials,
    notes.Transfers: TextFront._transfers,
    notes.Records: TextFront._records,
    notes.RecordingStopped: lambda front, note: front._line("", "(thrown away)", "dim"),
    notes.Notifies: TextFront._notifies,
    notes.Guarded: lambda front, note: front._line("privacy", note.privacy, "dim"),
    notes.HangsUp: lambda front, note: front._line("hangs up", note.cause, "bold"),
    notes.FlowBroke: lambda front, note: front._line("broke", note.fault, "bold red"),
    notes.Awaits: TextFront._awaits,
    notes.CallEnds: lambda front, note: front._line("over", note.how, "bold"),
}
