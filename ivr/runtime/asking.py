"""What every provider client does around a request: check what it was given, and leave one line in the log.

Law: the line says which operation, how long, how it ended. Never a value that was asked with or answered.
"""

import time
from collections.abc import Callable, Mapping
from typing import Final, Self

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


class Asked:
    """What becomes known while a request runs. Around one request: `with Asked(…) as note`.

    Set `result` to its exit, and `http_status` when there was an answer.
    """

    __slots__ = ("_began", "_observe", "_operation", "_provider", "http_status", "result")

    def __init__(self, provider: str, operation: str, observe: Observe | None = None) -> None:
        self.result = FAILED
        self.http_status: int | None = None
        self._provider = provider
        self._operation = operation
        self._observe = observe
        self._began = time.perf_counter()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        reason: str | None = None
        if isinstance(error, ProviderUnreachable | OutcomeUnknown):
            self.result = UNREACHABLE if isinstance(error, ProviderUnreachable) else UNKNOWN
            reason = str(error)
        elif error is not None:
            self.result = FAILED
            reason = type(error).__name__
        seconds = time.perf_counter() - self._began
        _log.info(
            "provider_asked",
            provider=self._provider,
            operation=self._operation,
            ms=round(seconds * 1000, 1),
            result=self.result,
            http_status=self.http_status,
            reason=reason,
        )
        if self._observe is not None:
            self._observe(self._provider, self._operation, seconds, self.result)


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
