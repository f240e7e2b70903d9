"""What a provider may be made to answer: which exit an order means, and the values that come with it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from ivr.domain.digits import is_digits
from ivr.domain.errors import BadInput
from ivr.domain.money import rial
from ivr.domain.operations import ALWAYS_POSSIBLE, UNKNOWN, Kind, Operation
from ivr.domain.reading import did_you_mean
from ivr.flow.commands import AskProvider
from ivr.flow.engine import TOO_OFTEN
from ivr.flow.model import Step
from ivr.flow.steps.invoice import BOOKS
from ivr.flow.steps.invoice import OPERATIONS as OF_BOOKS
from ivr.simulator.call import NotNow
from ivr.simulator.orders import Answer, Approve, Decline

YES: Final = ("ok", "approved", "paid", "next")
"""What good answers are called, the likeliest first."""

NO: Final = ("declined", "refused", "not_confirmed")
"""What bad answers are called, the likeliest first."""

DEFAULTS: Final[Mapping[Kind, str]] = {Kind.AMOUNT: "160000", Kind.DIGITS: "70012345", Kind.TEXT: "text"}


@dataclass(frozen=True, slots=True)
class Providers:
    """Who can be asked what, as it is configured."""

    operations: Mapping[str, Mapping[str, Operation]]
    codes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Provider -> its own code -> the exit that it leads to."""


def possible_exits(asked: AskProvider, step: Step, providers: Providers) -> tuple[str, ...]:
    """By which exits this question may end. Our own books are always reached: what the step has, and `unknown`."""
    operation = _operation(asked, providers) if asked.provider != BOOKS else None
    exits = operation.all_exits if operation else {*step.exits, UNKNOWN} - {TOO_OFTEN}
    return tuple(sorted(exits, key=lambda name: (name not in YES, name in ALWAYS_POSSIBLE, name)))


def chosen_exit(order: Answer | Approve | Decline, asked: AskProvider, step: Step, providers: Providers) -> str:
    """The exit that is meant. Raises NotNow with those that there are."""
    exits = possible_exits(asked, step, providers)
    match order:
        case Answer(exit=name):
            found = name if name in exits else None
            wanted = name
        case Approve():
            found = next((name for name in YES if name in exits), None)
            wanted = "approve"
        case Decline(""):
            others = [name for name in exits if name not in YES and name not in ALWAYS_POSSIBLE]
            found = next((name for name in (*NO, *others) if name in others), None)
            wanted = "decline"
        case Decline(code):
            meant = providers.codes.get(asked.provider, {}).get(code, code)
            found = meant if meant in exits else None
            wanted = code
    if found is None:
        known = f"{asked.provider}.{asked.operation} answers {', '.join(exits)}"
        raise NotNow(f"'{wanted}' is no answer here{did_you_mean(wanted, exits)}; {known}")
    return found


def results(exit_name: str, asked: AskProvider, providers: Providers) -> Mapping[str, Kind]:
    """The values that usually come with this answer."""
    operation = _operation(asked, providers)
    if operation is None or (exit_name not in YES and asked.provider != BOOKS):
        return {}
    return {name: kind for name, kind in operation.results.items() if name in operation.comes_with(exit_name)}


def answer_values(
    given: Mapping[str, str], exit_name: str, asked: AskProvider, providers: Providers
) -> dict[str, str | int]:
    """What was given, and defaults for the rest. Raises NotNow for a value that cannot be one."""
    operation = _operation(asked, providers)
    kinds = operation.results if operation is not None else {}
    for name in given:
        if name not in kinds:
            raise NotNow(f"{asked.provider}.{asked.operation} answers no '{name}'{did_you_mean(name, kinds)}")
    usual = results(exit_name, asked, providers)
    texts = {**{name: DEFAULTS.get(kind, "text") for name, kind in usual.items()}, **given}
    return {name: _value(name, text, kinds[name]) for name, text in texts.items()}


def _value(name: str, text: str, kind: Kind) -> str | int:
    if kind is Kind.AMOUNT:
        try:
            return rial(text)
        except BadInput as exc:
            raise NotNow(f"'{name}': {exc}") from None
    if kind is Kind.DIGITS and not is_digits(text):
        raise NotNow(f"'{name}' must be digits")
    return text


def _operation(asked: AskProvider, providers: Providers) -> Operation | None:
    operations = OF_BOOKS if asked.provider == BOOKS else providers.operations.get(asked.provider, {})
    return operations.get(asked.operation)
