"""extensions.conf: the numbers that are ours lead into our application, and nothing leads out.

Law: no context dials a trunk; only our application does. A number that is not ours has no extension: its INVITE is
answered 404, and no channel is made.
Our patterns have as many places as the numbers that they take: none of them takes letters, or numbers of any length.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from ivr.asterisk.agi.commands import LEG_CALLER, LEG_CONTEXT, LEG_HEADERS, LEG_NAME, LEG_VALUE
from ivr.asterisk.render.agents import (
    AGENTS_CONTEXT,
    ASSIST_AGENT,
    ASSIST_CONTEXT,
    ASSIST_FEATURE,
    ASSISTING,
    BY,
    COMES,
    QUEUE,
    TELL,
    TOKEN,
    TRANSFER_CONTEXT,
    WAIT,
    colleagues,
)
from ivr.asterisk.render.agi import agi_address, check_agi
from ivr.asterisk.render.sip import context_of
from ivr.asterisk.render.text import File, Section, extension, literal, name, path, section
from ivr.asterisk.settings import AGENTS_TRUNK, AsteriskSettings, Trunk, Way
from ivr.domain.errors import BadInput

MOST_TRIES: Final = 60
FORBIDDEN: Final = 21
"""Q.850 "call rejected": SIP 403."""
TRY: Final = "IVR_TRY"
AGAIN: Final = "again"
"""Where a caller waits for our application; `ivr.asterisk.ari` sends callers there by this name."""


@dataclass(frozen=True, slots=True)
class Away:
    """What a caller gets while our application is not connected: ringing, and after the last try an apology."""

    tries: int = 10
    """How often the application is asked again, 0 to 60."""
    pause_seconds: int = 1
    """Between two tries, 1 to 60."""
    prompt: str = "fa/common/sorry_try_later"
    """The apology, below the settings' `sounds`."""


def dialplan_file(settings: AsteriskSettings, numbers: Sequence[str], away: Away) -> File:
    """extensions.conf."""
    if not 0 <= away.tries <= MOST_TRIES or not 1 <= away.pause_seconds <= MOST_TRIES:
        raise BadInput(f"while away: from 0 to {MOST_TRIES} tries, from 1 to {MOST_TRIES} seconds apart")
    if not settings.sounds.startswith("/"):
        raise BadInput("sounds must be an absolute path, as Asterisk sees it")
    prompt = path(f"{settings.sounds.rstrip('/')}/{away.prompt}", "sounds")
    check_agi(settings)
    ours = tuple(dict.fromkeys(extension(one, "a dialled number") for one in numbers))
    contexts = (
        Section(
            context_of(trunk),
            tuple(
                line
                for one in (*ours, *(with_values(ours) if trunk.trust_headers else ()))
                for line in _extension(
                    one, _enter(settings, trunk, one), prompt, away, in_clear=_in_clear(settings, trunk)
                )
            ),
        )
        for trunk in settings.trunks
    )
    legs = () if settings.agi is None else (Section(LEG_CONTEXT, tuple(_leg())),)
    agents = _agents(settings, (*ours, *with_values(ours)), prompt, away) if settings.has_people else ()
    return File(
        "extensions.conf",
        (section("general", static=True, writeprotect=True, autofallthrough=True), *contexts, *agents, *legs),
    )


def with_values(numbers: Sequence[str]) -> Sequence[str]:
    """The extensions that take these numbers with a value keyed behind them: `42473000*65843148`.

    It has two digits at least, and `.` waits for all of them: `!` would take the first one from an agent who keys.
    """
    return [f"{'' if one.startswith('_') else '_'}{one}*X." for one in numbers]


def _agents(settings: AsteriskSettings, numbers: Sequence[str], prompt: str, away: Away) -> Sequence[Section]:
    """What agents may dial and send callers to, and where our application sends a caller who is to talk to one."""
    application = name(settings.ari.application, "ari.application")
    came = f"{application},{AGENTS_TRUNK},${{CALLERID(pres)}},comes=${{{COMES}}}"
    caller = f"${{EXTEN:{len(ASSIST_AGENT)}}}"
    assist = f"Stasis({came},by=${{{BY}}},assist=yes)"
    enter = f"Stasis({came},by=${{BLINDTRANSFER}},asked=${{ATTENDEDTRANSFER}})"
    back = f"Stasis({came},back=${{{TOKEN}}},how=${{QUEUESTATUS}})"
    queue = f"Queue(${{{QUEUE}}},tcr,,${{{TELL}}},${{{WAIT}}})"
    for agent in settings.agents:
        if agent.number in numbers:
            raise BadInput(f"agent {agent.name}: {agent.number} is a number of ours that callers dial")
    return (
        Section(
            AGENTS_CONTEXT,
            (
                *(line for one in numbers for line in _extension(one, enter, prompt, away, count=True)),
                *colleagues(settings),
            ),
        ),
        Section(
            TRANSFER_CONTEXT,
            (
                ("exten", f"s,1,Set(__DYNAMIC_FEATURES={ASSIST_FEATURE})"),
                ("same", f"n,{queue}"),
                ("same", f"n(back),{back}"),
                *_waiting("back", prompt, away),
            ),
        ),
        Section(
            ASSIST_CONTEXT,
            (
                *(line for one in numbers for line in _extension(one, assist, prompt, away, count=True)),
                ("exten", f"_{ASSIST_AGENT}.,1,Stasis({application},{ASSISTING},,caller={caller})"),
                ("same", "n,Hangup()"),
            ),
        ),
    )


def _enter(settings: AsteriskSettings, trunk: Trunk, number: str) -> str:
    """How a call from this trunk to this number is handed to us."""
    if settings.agi is not None and settings.way_of(trunk, number) is Way.AGI:
        return f"AGI(agi://{agi_address(settings.agi)}/{trunk.name}/${{EXTEN}})"
    return f"Stasis({name(settings.ari.application, 'ari.application')},{trunk.name},${{CALLERID(pres)}})"


def _in_clear(settings: AsteriskSettings, trunk: Trunk) -> str | None:
    """True of a call that did not come by TLS though its trunk speaks nothing else; None where no call can.

    An endpoint takes calls from every transport. What the sender writes (Via, Contact) proves nothing; where the
    request arrived does.
    """
    if trunk.transport != "tls" or settings.transports == {"tls"}:
        return None
    clear = literal(settings.sip_bind, "sip_bind")
    return f'$["${{CHANNEL(pjsip,local_addr)}}" = "{clear}"]'


def _leg() -> Iterator[tuple[str, str]]:
    """Gives a leg that `AGI()` dials its caller id and headers: runs on its channel, before the INVITE leaves."""
    caller = f"${{{LEG_CALLER}}}"
    yield "exten", "s,1,Set(CONNECTEDLINE(num-pres,i)=allowed)"
    steps = (
        "Set(CONNECTEDLINE(name-pres,i)=allowed)",
        f'Set(CONNECTEDLINE(all,i)="{caller}" <{caller}>)',
        "Set(I=1)",
    )
    for step in steps:
        yield "same", f"n,{step}"
    yield "same", f"n(next),GotoIf($[${{I}} > 0${{{LEG_HEADERS}}}]?done)"
    yield "same", f"n,Set(PJSIP_HEADER(add,${{{LEG_NAME}${{I}}}})=${{{LEG_VALUE}${{I}}}})"
    yield "same", "n,Set(I=$[${I} + 1])"
    yield "same", "n,Goto(next)"
    yield "same", "n(done),Return()"


def _extension(
    number: str, enter: str, prompt: str, away: Away, *, count: bool = False, in_clear: str | None = None
) -> Iterator[tuple[str, str]]:
    if count:
        yield "exten", f"{number},1,Set({COMES}=$[0${{{COMES}}} + 1])"
        yield "same", f"n(enter),{enter}"
    elif in_clear is not None:
        yield "exten", f"{number},1,GotoIf({in_clear}?clear)"
        yield "same", f"n(enter),{enter}"
    else:
        yield "exten", f"{number},1,{enter}"
    yield from _waiting("enter" if count or in_clear is not None else "1", prompt, away)
    if in_clear is not None:
        yield "same", f"n(clear),Hangup({FORBIDDEN})"


def _waiting(enter: str, prompt: str, away: Away) -> Iterator[tuple[str, str]]:
    """Whoever comes back from Stasis or AGI alive was not served: our application is away, or is just going."""
    yield "same", f"n({AGAIN}),Set({TRY}=$[0${{{TRY}}} + 1])"
    yield "same", f"n,GotoIf($[${{{TRY}}} > {away.tries}]?sorry)"
    yield "same", "n,Ringing()"
    yield "same", f"n,Wait({away.pause_seconds})"
    yield "same", f"n,Goto({enter})"
    yield "same", "n(sorry),Answer()"
    yield "same", f"n,Playback({prompt})"
    yield "same", "n,Hangup()"
