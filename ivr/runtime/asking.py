"""What every provider client does around a request: check what it was given, and leave one line in the log.

Law: the line says which operation, how long, how it ended. Never a value that was asked with or answered.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import structlog

from ivr.domain.digits import is_digits, to_ascii
from ivr.domain.errors import BadInput, OutcomeUnknown, ProviderUnreachable
from ivr.domain.money import rial
from ivr.domain.operations import UNKNOWN, UNREACHABLE, Argument, Kind, Operation
from ivr.domain.secret import Secret
from ivr.payments.port import Value

Observe = Callable[[str, str, float, str], None]
"""Told of every request: provider, operation, seconds, and how it ended (an exit, or `failed`)."""

FAILED: Final = "failed"
"""How a request ended that was cancelled or met a fault of ours."""

_log = structlog.get_logger("ivr.provider")


@dataclass(slots=True)
class Asked:
    """What becomes known while a request runs."""

    result: str = FAILED
    http_status: int | None = None


@contextmanager
def asked(provider: str, operation: str, observe: Observe | None = None) -> Iterator[Asked]:
    """Around one request: set `result` to its exit, and `http_status` when there was an answer."""
    note = Asked()
    reason: str | None = None
    began = time.perf_counter()
    try:
        yield note
    except ProviderUnreachable as error:
        note.result, reason = UNREACHABLE, str(error)
        raise
    except OutcomeUnknown as error:
        note.result, reason = UNKNOWN, str(error)
        raise
    except BaseException as error:
        note.result, reason = FAILED, type(error).__name__
        raise
    finally:
        seconds = time.perf_counter() - began
        _log.info(
            "provider_asked",
            provider=provider,
            operation=operation,
            ms=round(seconds * 1000, 1),
            result=note.result,
            http_status=note.http_status,
            reason=reason,
        )
        if observe is not None:
            observe(provider, operation, seconds, note.result)


def checked(operation: Operation, arguments: Mapping[str, Value]) -> dict[str, Value]:
    """The arguments as the operation declares them: digits plain, amounts in rial, texts trimmed.

    An optional argument that is empty is left out. Raises BadInput, naming the argument and never its value.
    """
    if unknown := arguments.keys() - operation.arguments.keys():
        raise BadInput(f"{operation.name} takes no argument {', '.join(sorted(unknown))}")
    good: dict[str, Value] = {}
    for name, argument in operation.arguments.items():
        value = arguments.get(name, "")
        if isinstance(value, str):
            value = value.strip()
        if value == "" or (isinstance(value, Secret) and not value):
            if argument.required:
                raise BadInput(f"{operation.name} needs {name}")
            continue
        try:
            good[name] = _checked(argument, value)
        except BadInput as error:
            raise BadInput(f"{operation.name}: {name}: {error}") from None
    return good


def _checked(argument: Argument, value: Value) -> Value:
    if argument.kind is Kind.AMOUNT:
        return rial(value)
    if argument.kind is Kind.SECRET:
        if not isinstance(value, Secret) or len(value) > argument.most:
            raise BadInput(f"must be a secret of at most {argument.most} characters")
        return value
    if isinstance(value, Secret):
        raise BadInput("a secret has no place here")
    text = str(value)
    if argument.kind is Kind.DIGITS:
        text = to_ascii(text)
        if not is_digits(text):
            raise BadInput("must be digits only")
    if len(text) > argument.most or not text.isprintable():
        raise BadInput(f"must be at most {argument.most} printable characters")
    return text
