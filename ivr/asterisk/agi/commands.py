"""Every AGI command that we give, one function each. Nothing here sends anything.

Law: an argument is quoted, and none can end its line: whatever holds a control character is refused with BadInput.
"""

import math
import re
from collections.abc import Iterator
from typing import Final

from ivr.domain.digits import KEYS
from ivr.domain.errors import BadInput
from ivr.domain.legs import HangupCause
from ivr.runtime.ports import LegOrder

LEG_CONTEXT: Final = "ivr-leg"
"""The dialplan's subroutine that gives a leg its caller id and its headers before it is dialled; see `render`."""
LEG_CALLER: Final = "IVR_CALLER"
LEG_HEADERS: Final = "IVR_HEADERS"
"""How many headers there are; the names and values follow as IVR_NAME1, IVR_VALUE1 …"""
LEG_NAME: Final = "IVR_NAME"
LEG_VALUE: Final = "IVR_VALUE"

_UNSENDABLE: Final = re.compile(r"[\x00-\x1f\x7f]")


def answer() -> str:
    """Pick up. Asterisk replies when the first sound comes from the caller, or after half a second."""
    return "ANSWER"


def play(file: str, offset: int = 0) -> str:
    """Play one sound file from this sample on; any key breaks it off, and so does the next command."""
    return f"STREAM FILE {_quoted(file)} {_quoted(KEYS)} {offset}"


def listen(milliseconds: int) -> str:
    """Wait so long for a key."""
    return f"WAIT FOR DIGIT {milliseconds}"


def nothing() -> str:
    """Do nothing: for its reply."""
    return "NOOP"


def end_after(seconds: float) -> str:
    """Hang the caller up after so many seconds, whatever goes on then."""
    return f"SET AUTOHANGUP {math.ceil(seconds)}"


def hang_up(cause: HangupCause) -> str:
    """End the call with this Q.850 cause."""
    return f"EXEC Hangup {cause.value}"


def go_to(label: str) -> str:
    """Where in its extension the caller goes on once we close the connection."""
    return f"SET PRIORITY {_quoted(label)}"


def read(expression: str) -> str:
    """A channel variable, or a dialplan function's value."""
    return f"GET VARIABLE {_quoted(expression)}"


def leg_context_exists() -> str:
    """Says 1 when the dialplan has the subroutine that prepares a leg."""
    return read(f"DIALPLAN_EXISTS({LEG_CONTEXT},s,1)")


def prepare_leg(order: LegOrder) -> Iterator[str]:
    """What the subroutine reads. Variables with an underscore in front are handed on to the leg's channel."""
    yield _write("DIALSTATUS", "")  # an earlier leg's
    yield "EXEC HangupCauseClear"
    yield _write(f"_{LEG_CALLER}", order.caller_id)
    for number, (name, value) in enumerate(order.headers.items(), 1):
        yield _write(f"_{LEG_NAME}{number}", name)
        yield _write(f"_{LEG_VALUE}{number}", value)
    yield _write(f"_{LEG_HEADERS}", str(len(order.headers)))


def dial(order: LegOrder) -> str:
    """Dial and talk until one side hangs up; then the call comes back to us (`g`).

    Until the far side answers the caller hears ringing and nothing else (`r`).
    """
    seconds = math.ceil(order.answer_timeout)
    return f"EXEC Dial {_quoted(f'PJSIP/{order.number}@{order.trunk},{seconds},grb({LEG_CONTEXT}^s^1)')}"


def _write(variable: str, value: str) -> str:
    return f"SET VARIABLE {variable} {_quoted(value)}"


def _quoted(text: str) -> str:
    if _UNSENDABLE.search(text) is not None:
        raise BadInput("a control character cannot be sent to Asterisk")
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
