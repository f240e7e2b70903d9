"""provider: ask a provider, and go the way its answer says.

Law: a question that moves money is never asked twice: when its process died meanwhile, the answer is `unknown`. A
caller who waits longer than a moment hears that we are still there.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import yaml

from ivr.domain.operations import ALWAYS_POSSIBLE, UNKNOWN, UNREACHABLE, Argument, Kind, Operation, Role
from ivr.domain.reading import Fields, did_you_mean, read_text
from ivr.domain.secret import Secret
from ivr.domain.speech import Prompt
from ivr.flow.describing import Description
from ivr.flow.events import Event, PromptFinished, ProviderReplied, TimerFired
from ivr.flow.facts import Facts
from ivr.flow.steps.base import FITS, Made, Reading
from ivr.flow.steps.payment import PaymentOf, read_payment
from ivr.flow.visit import Visit


@dataclass(frozen=True, slots=True)
class ProviderStep:
    """One question to one provider."""

    provider: str
    operation: str
    role: Role
    arguments: Mapping[str, str]
    """The operation's argument -> the name of the value it gets."""
    constants: Mapping[str, str]
    save: str | None
    hold_prompt: Prompt
    hold_after: float
    payment: PaymentOf | None = None

    def enter(self, visit: Visit) -> None:
        """Ask."""
        arguments: dict[str, str | int | Secret] = dict(self.constants)
        for argument, name in self.arguments.items():
            value = visit.known(name)
            if value is not None:
                arguments[argument] = value
        order = None
        if self.payment is not None:
            self.payment.begin(visit)
            order = self.payment.order(visit)
        about = visit.session.payment if self.role is Role.INQUIRY else None
        visit.ask(self.provider, self.operation, arguments, payment=order, payment_id=about)
        visit.start_timer(self.hold_after)

    def on(self, visit: Visit, event: Event) -> None:
        """The answer, or a moment of waiting."""
        match event:
            case ProviderReplied(_, exit_name, values):
                if self.save is not None:
                    for name, value in values.items():
                        visit.save(f"{self.save}.{name}", value)
                visit.leave(exit_name)
            case TimerFired():
                visit.play((self.hold_prompt,))
            case PromptFinished():
                visit.start_timer(self.hold_after)
            case _:
                pass  # keys wait for the step that asks for them

    def resume(self, visit: Visit, leg: int | None) -> None:
        """Ask again, unless the question moved money."""
        if self.payment is not None:
            visit.leave(UNKNOWN)
        else:
            self.enter(visit)

    def describe(self) -> Description:
        """Who is asked what."""
        return Description("provider", about=f"{self.provider}.{self.operation}")


def read(body: yaml.Node, reading: Reading) -> Made:
    """`provider: {ask: paystar.create_transaction, with: {invoice_id: value}, save: name}`."""
    fields = Fields(reading.source, body, "provider")
    asked = fields.text("ask")
    operation = _operation(asked, fields, reading)
    save = fields.name("save", "") or None
    arguments = _arguments(fields.fields("with", "what the provider gets", required=False), operation, reading)
    if operation is not None and save is not None:
        for name, kind in operation.results.items():
            reading.make(f"{save}.{name}", kind, fields.value("save"))
            if kind is Kind.SECRET:
                fields.blame(f"'{asked}' answers with a secret ('{name}'), and that cannot be saved", "save")
    payment = None
    if operation is not None and operation.role is Role.CHARGE:
        payment_fields = fields.fields("payment", "the payment")
        payment = read_payment(payment_fields, reading)
        if payment.provider and payment.provider != asked.partition(".")[0]:
            payment_fields.blame(f"'{asked}' takes the money: the payment's provider is who is asked", "provider")
    made = ProviderStep(
        provider=asked.partition(".")[0],
        operation=asked.partition(".")[2],
        role=operation.role if operation else Role.QUERY,
        arguments=arguments,
        constants={},
        save=save,
        hold_prompt=reading.prompt(fields, "hold_prompt", "common/please_wait"),
        hold_after=fields.seconds("hold_after", 1.5, most=30),
        payment=payment,
    )
    fields.done()
    if operation is None:
        return Made(made)
    return Made(made, operation.all_exits, facts=_facts(asked, operation, save))


def _facts(asked: str, operation: Operation, save: str | None) -> Facts:
    """The caller hears nothing here that can be relied on; only some exits come with values."""
    makes = {by: frozenset(f"{save}.{name}" for name in operation.comes_with(by)) for by in operation.exits}
    how = {by: f"{asked} answers '{by}'" for by in operation.exits}
    how |= {UNREACHABLE: f"{asked} cannot be reached", UNKNOWN: f"nobody knows what {asked} did"}
    return Facts(
        mute=True,
        makes=makes if save else {},
        asks=True,
        asked=asked.partition(".")[0],
        pays=operation.role is Role.CHARGE,
        undecided=frozenset({UNKNOWN}) if operation.role is Role.CHARGE else frozenset(),
        decides=operation.exits - ALWAYS_POSSIBLE if operation.role is Role.INQUIRY else frozenset(),
        how=how,
    )


def _operation(asked: str, fields: Fields, reading: Reading) -> Operation | None:
    provider, dot, name = asked.partition(".")
    if not asked:
        return None
    if not dot:
        fields.blame("'ask' must be provider.operation, e.g. paystar.create_transaction", "ask")
        return None
    operations = reading.world.providers.get(provider)
    if operations is None:
        fields.blame(f"there is no provider '{provider}'{did_you_mean(provider, reading.world.providers)}", "ask")
        reading.lacks(provider)
        return None
    if name not in operations:
        fields.blame(f"'{provider}' cannot be asked '{name}'{did_you_mean(name, operations)}", "ask")
        return None
    return operations[name]


def _arguments(fields: Fields, operation: Operation | None, reading: Reading) -> dict[str, str]:
    found: dict[str, str] = {}
    known: Mapping[str, Argument] = operation.arguments if operation else {}
    for argument, key, value in fields.names():
        if operation is not None and argument not in known:
            reading.source.blame(key, f"'{operation.name}' takes no '{argument}'{did_you_mean(argument, known)}")
            continue
        name = read_text(reading.source, value, f"'{argument}'")
        if name is not None and operation is not None:
            reading.uses.refers.append((name, FITS[known[argument].kind], value))
            if not known[argument].required:
                reading.uses.optional.append(value)
            if known[argument].kind is not Kind.AMOUNT:
                reading.uses.fits.append((name, known[argument].most, f"'{argument}' of {operation.name}", value))
            found[argument] = name
    for argument, spec in known.items():
        if spec.required and argument not in found and not fields.has(argument):
            fields.blame(f"'{operation.name if operation else ''}' needs '{argument}'")
    return found
