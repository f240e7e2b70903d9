"""One visit of one step, during one event: what the step kinds work with.

Law: a Visit changes its own copy of the session and gathers commands. It does nothing else, so whatever a step decides
can be thrown away.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from ivr.domain.errors import Illegal
from ivr.domain.legs import HangupCause
from ivr.domain.phone import mobile
from ivr.domain.privacy import Privacy
from ivr.domain.secret import Secret
from ivr.domain.speech import Say
from ivr.flow.commands import (
    AskProvider,
    Choice,
    Command,
    Dial,
    Guard,
    HangUp,
    Notify,
    PaymentOrder,
    Play,
    ReadHeaders,
    Record,
    RequestPayment,
    StartTimer,
    StopPlaying,
    StopRecording,
    StopTimer,
    Transfer,
)
from ivr.flow.session import Session

CALLER_MOBILE: Final = "caller_mobile"
"""What every call knows whose caller's number is a mobile's."""


CHANNEL: Final = "channel"
"""What every session knows: VOICE for a call, USSD for screens."""
VOICE: Final = "voice"
USSD: Final = "ussd"


class LostSecret(Exception):
    """A secret is needed that was lost with its process; `step` asks for it again."""

    def __init__(self, step: str) -> None:
        self.step = step
        super().__init__(step)


def scope_of(step: str) -> str:
    """What stands before the names that this step knows: empty in the flow itself, `pay/` in one that `pay` calls."""
    return step[: step.rfind("/") + 1]


class Visit:
    """What a step sees of its call and what it can do."""

    __slots__ = ("commands", "exit", "goto", "learnt", "session")

    def __init__(self, session: Session) -> None:
        self.session = session
        self.learnt: frozenset[str] = frozenset()
        self.commands: list[Command] = []
        self.exit: str | None = None
        self.goto: str | None = None

    @property
    def data(self) -> dict[str, str | int | bool]:
        """What this visit remembers between events."""
        return self.session.data

    @property
    def on_screen(self) -> bool:
        """Whether the caller reads, and sends lines, instead of listening and pressing keys."""
        return self.session.answers.get(CHANNEL) == USSD

    @property
    def left(self) -> bool:
        """Whether the step is done."""
        return self.exit is not None or self.goto is not None or self.session.ended is not None

    # -- what is known ---------------------------------------------------------------------------------------------

    def known(self, name: str) -> str | int | Secret | None:
        """The value of a name, or None when the caller has not given it."""
        session = self.session
        name = scope_of(session.step) + name
        if name in session.secrets:
            return session.secrets[name]
        if name in session.secret_steps:
            raise LostSecret(session.secret_steps[name])
        return self._answer(name)

    def has_learnt(self, name: str) -> bool:
        """Whether the value of a name came while this step was asking for it."""
        return scope_of(self.session.step) + name in self.learnt

    def needed(self, name: str) -> str | int:
        """The value of a name that must be there and must not be a secret."""
        value = self._answer(scope_of(self.session.step) + name)
        if value is None:
            raise Illegal(f"step '{self.session.step}' needs '{name}', which is not known here")
        return value

    def save(self, name: str, value: str | int | Secret) -> None:
        """Make a value known to later steps."""
        session = self.session
        name = scope_of(session.step) + name
        if isinstance(value, Secret):
            session.secrets = {**session.secrets, name: value}
            session.secret_steps = {**session.secret_steps, name: session.step}
        else:
            session.answers = {**session.answers, name: value}

    def forget(self, name: str) -> None:
        """Make a value that is no secret unknown again."""
        name = scope_of(self.session.step) + name
        self.session.answers = {known: value for known, value in self.session.answers.items() if known != name}

    def need_secrets(self) -> None:
        """Go back to the first secret that was lost with its process. Raises LostSecret."""
        lost = [step for name, step in self.session.secret_steps.items() if name not in self.session.secrets]
        if lost:
            raise LostSecret(lost[0])

    # -- keys ------------------------------------------------------------------------------------------------------

    def next_key(self) -> str | None:
        """Take the oldest key that nobody has taken, or None."""
        typed = self.session.typed.reveal()
        if not typed:
            return None
        self.session.typed = Secret(typed[1:])
        return typed[0]

    def overlook(self, key: str | None) -> None:
        """This finish key is not needed any more: neither keyed ahead already, nor coming next."""
        typed = self.session.typed.reveal()
        if not typed:
            self.session.overlooked = key
        elif typed[0] == key:
            self.session.typed = Secret(typed[1:])

    def forget_keys(self) -> None:
        """Throw away what was keyed ahead and what was keyed so far."""
        self.session.typed = Secret("")
        self.session.collected = Secret("")

    # -- what can be done ------------------------------------------------------------------------------------------

    def play(self, say: Sequence[Say], choices: Sequence[Choice] = (), title: Sequence[Say] = ()) -> None:
        """Say this; whatever was being said stops. `choices` and `title` are for screens."""
        self.stop_playing()
        self.session.playing = self._token()
        self.commands.append(Play(self.session.playing, tuple(say), tuple(choices), tuple(title)))

    def stop_playing(self) -> None:
        """Be quiet."""
        token, self.session.playing = self.session.playing, None
        if token is None:
            return
        begun = [command for command in self.commands if isinstance(command, Play) and command.token == token]
        if begun:
            self.commands.remove(begun[0])  # nobody need hear its first syllable
        else:
            self.commands.append(StopPlaying(token))

    def start_timer(self, seconds: float) -> None:
        """Wait so long; a timer that runs is replaced."""
        self.session.timer = self._token()
        self.commands.append(StartTimer(self.session.timer, seconds))

    def stop_timer(self) -> None:
        """Stop waiting."""
        if self.session.timer is not None:
            self.commands.append(StopTimer())
            self.session.timer = None

    def ask(
        self,
        provider: str,
        operation: str,
        arguments: Mapping[str, str | int | Secret],
        *,
        payment: PaymentOrder | None = None,
        payment_id: str | None = None,
    ) -> None:
        """Ask a provider."""
        self.session.asking = self._token()
        if payment is not None:
            self.session.payment = payment.id
        self.commands.append(AskProvider(self.session.asking, provider, operation, arguments, payment, payment_id))

    def read_headers(self, names: Sequence[str]) -> None:
        """Read SIP headers of the caller's INVITE."""
        self.session.asking = self._token()
        self.commands.append(ReadHeaders(self.session.asking, tuple(names)))

    def dial(
        self,
        *,
        trunk: str,
        number: str,
        caller_id: str,
        headers: Mapping[str, str],
        answer_timeout: float,
        payment: PaymentOrder | None,
    ) -> None:
        """Connect the caller to a trunk."""
        self.session.leg = self._token()
        if payment is not None:
            self.session.payment = payment.id
        self.commands.append(Dial(self.session.leg, trunk, number, caller_id, headers, answer_timeout, payment))

    def transfer(
        self, *, agent: str | None, queue: str | None, tell: Sequence[Say], language: str, wait: float
    ) -> None:
        """Let the caller talk to an agent, or to one of a queue; once more under the same token if they may be gone."""
        if self.session.leg is None:
            self.session.leg = self._token()
        self.session.guarded = True  # what is talked there may be recorded, and the recording goes on afterwards
        self.commands.append(Transfer(self.session.leg, agent, queue, tuple(tell), language, wait))

    def record(self, longest: float, silence: float, finish_key: str | None, *, beep: bool) -> None:
        """Record the caller."""
        self.session.recording = self._token()
        self.commands.append(Record(self.session.recording, longest, silence, finish_key, beep))

    def stop_recording(self) -> None:
        """Nothing more is to be recorded."""
        token, self.session.recording = self.session.recording, None
        if token is not None:
            self.commands.append(StopRecording(token))

    def notify(self, target: str, event: str, values: Mapping[str, str | int]) -> None:
        """Tell another program."""
        self.commands.append(Notify(target, f"{self.session.call_id}.{self.session.visit}", event, values))

    def guard(self, privacy: Privacy, *, again: bool = False) -> None:
        """Close the call off from others so far, if there are any. `again`: even if it is so already."""
        session = self.session
        if session.guarded and (again or session.privacy != privacy.value):
            session.privacy = privacy.value
            self.commands.append(Guard(privacy))

    def request_payment(self, invoice_id: str, amount_rial: int) -> None:
        """Have the USSD network send the payer a link when the session is over. Raises Illegal in a call."""
        if not self.on_screen:
            raise Illegal("only the USSD network sends such a link")
        self.commands.append(RequestPayment(invoice_id, amount_rial))

    def hang_up(self, cause: HangupCause) -> None:
        """End the call."""
        self.session.ended = "hung_up"
        self.commands.append(HangUp(cause))

    def leave(self, by: str) -> None:
        """The step is done; the flow says where this exit leads."""
        self.exit = by

    def _answer(self, name: str) -> str | int | None:
        answers = self.session.answers
        if name.rpartition("/")[2] == CHANNEL:
            return answers.get(CHANNEL, VOICE)
        if name not in answers and name.rpartition("/")[2] == CALLER_MOBILE:
            number = answers.get(name.removesuffix(CALLER_MOBILE) + "caller_number")
            return None if number is None else mobile(str(number))
        return answers.get(name)

    def _token(self) -> int:
        self.session.token += 1
        return self.session.token
