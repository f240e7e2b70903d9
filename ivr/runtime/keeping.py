"""What a caller registers goes into the books.

Law: the caller hears that it is registered only after it is on disk; a visit of the step registers once, and its
snapshot is kept first, so that the next process asks by the same key. Whatever the books do not take is `unknown`.
"""

from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from ivr.domain.errors import BadInput, IvrError
from ivr.domain.operations import UNKNOWN
from ivr.domain.phone import mobile
from ivr.domain.registration import Registration
from ivr.domain.secret import Secret
from ivr.flow.commands import AskProvider
from ivr.flow.session import Session
from ivr.flow.steps.base import NEXT
from ivr.flow.steps.invoice import AGAIN, AS
from ivr.payments.port import Reply
from ivr.payments.registrations import Kept, Registrations

_EXITS: Final = {Kept.NEW: NEXT, Kept.AGAIN: AGAIN}

_log = structlog.get_logger("ivr.keeping")


async def register(
    command: AskProvider, session: Session, books: Registrations, flush: Callable[[Session], Awaitable[None]]
) -> Reply:
    """The answer to a `keep` step. `flush` returns when the session is kept as it is now."""
    word = str(command.arguments[AS])
    try:
        asked = _asked(command, session, word)
        await flush(session)
        kept = await books.keep(asked)
    except IvrError as exc:
        _log.error("not_registered", name=word, error=str(exc))
        return Reply(UNKNOWN)
    _log.info("registered", name=word, result=kept.value)
    return Reply(_EXITS[kept])


def _asked(command: AskProvider, session: Session, word: str) -> Registration:
    values: dict[str, str | int] = {}
    for name, value in command.arguments.items():
        if isinstance(value, Secret):
            raise BadInput(f"the value {name} is secret")
        if name != AS:
            values[name] = value
    number = session.answers.get("caller_number")
    return Registration(
        key=command.once or f"{session.call_id}.{session.visit}",
        dialled=str(session.answers.get("dialled_number", "")),
        flow=session.flow,
        word=word,
        mobile=None if number is None else mobile(str(number)),
        values=values,
    )
