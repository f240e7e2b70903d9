"""extensions.conf: the numbers that are ours lead into our application, and nothing leads out.

Law: no context dials. A number that is not ours has no extension: its INVITE is answered 404, and no channel is made.
Our patterns have as many places as the numbers that they take: none of them takes letters, or numbers of any length.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ivr.asterisk.render.sip import context_of
from ivr.asterisk.render.text import File, Section, extension, name, path, section
from ivr.asterisk.settings import AsteriskSettings
from ivr.domain.errors import BadInput

MOST_TRIES: Final = 60
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
    application = name(settings.ari.application, "ari.application")
    ours = tuple(dict.fromkeys(extension(one, "a dialled number") for one in numbers))
    contexts = (
        Section(
            context_of(trunk),
            tuple(
                line
                for one in ours
                for line in _extension(one, f"Stasis({application},{trunk.name},${{CALLERID(pres)}})", prompt, away)
            ),
        )
        for trunk in settings.trunks
    )
    return File(
        "extensions.conf", (section("general", static=True, writeprotect=True, autofallthrough=True), *contexts)
    )


def _extension(number: str, enter: str, prompt: str, away: Away) -> list[tuple[str, str]]:
    # Whoever comes back from Stasis alive was not served: our application is away, or is just going.
    steps = (
        f"Set({TRY}=$[0${{{TRY}}} + 1])",
        f"GotoIf($[${{{TRY}}} > {away.tries}]?sorry)",
        "Ringing()",
        f"Wait({away.pause_seconds})",
        "Goto(1)",
    )
    return [
        ("exten", f"{number},1,{enter}"),
        ("same", f"n({AGAIN}),{steps[0]}"),
        *(("same", f"n,{step}") for step in steps[1:]),
        ("same", "n(sorry),Answer()"),
        ("same", f"n,Playback({prompt})"),
        ("same", "n,Hangup()"),
    ]
