"""How a leg that was never answered ended, from what Asterisk says of its channel.

Law: ENDED is never made here; it belongs to answered legs alone. A far side that never gave any sign (no ringing,
no early media) until the time was over is UNREACHABLE: Asterisk calls that "no answer" too.
"""

from collections.abc import Mapping
from typing import Final

from ivr.domain.legs import LegResult

SIP: Final[Mapping[int, LegResult]] = {
    486: LegResult.BUSY,
    600: LegResult.BUSY,
    403: LegResult.REJECTED,
    603: LegResult.REJECTED,
    607: LegResult.REJECTED,
    608: LegResult.REJECTED,
    408: LegResult.NO_ANSWER,
    480: LegResult.NO_ANSWER,
    487: LegResult.NO_ANSWER,
}
"""By SIP status; every other status is UNREACHABLE, 401 and 407 (our own credentials) included."""

Q850: Final[Mapping[int, LegResult]] = {
    16: LegResult.NO_ANSWER,  # the far side hung up without a word
    17: LegResult.BUSY,
    18: LegResult.NO_ANSWER,
    19: LegResult.NO_ANSWER,
    21: LegResult.REJECTED,
}
"""By Q.850 cause where no SIP status is known; every other cause is UNREACHABLE."""


def unanswered(cause: int, sip_status: int, *, heard: bool) -> LegResult:
    """`heard`: the far side rang or spoke before it ended."""
    table, key = (SIP, sip_status) if sip_status else (Q850, cause)
    result = table.get(key, LegResult.UNREACHABLE)
    if result is LegResult.NO_ANSWER and not heard:
        return LegResult.UNREACHABLE
    return result
