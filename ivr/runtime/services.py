"""What calls use; one for the whole process. Values only."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ivr.domain.errors import Unusable
from ivr.domain.registration import Registration
from ivr.domain.speech import Say
from ivr.flow.progress import Progress
from ivr.payments.port import Provider
from ivr.payments.registrations import Kept, Registrations
from ivr.runtime.brought import Attachments
from ivr.runtime.cashier import Cashier
from ivr.runtime.observer import Observer
from ivr.runtime.ports import Notice
from ivr.runtime.snapshots import Snapshots


class NoRegistrations:
    """Where nothing can be registered. Fulfils `Registrations`."""

    async def keep(self, asked: Registration) -> Kept:
        """Raises Unusable."""
        raise Unusable("nothing is registered here")

    async def under(self, words: Sequence[str], after: int, limit: int) -> Sequence[Registration]:
        """Nothing."""
        return ()


@dataclass(frozen=True, slots=True)
class Services:
    """What calls use; one for the whole process."""

    providers: Mapping[str, Provider]
    cashier: Cashier
    snapshots: Snapshots
    observer: Observer
    speak: Callable[[Sequence[Say], str], Sequence[str]]
    """What is to be said and the language -> media for the voice port."""
    trusted_trunks: frozenset[str]
    longest_call: float
    """Seconds after which a call is ended whatever it does."""
    notify: Callable[[Notice], None] = lambda _: None
    """Takes a notice and returns at once."""
    watch: Callable[[str, Progress], None] | None = None
    """Shows an agent, by name, how far the caller is whom they assist."""
    can_guard: bool = False
    """Whether recordings can be silenced: then calls that an agent sent are guarded, too."""
    attachments: Attachments = field(default_factory=lambda: Attachments(time.time))
    """What programs have attached for agents."""
    registrations: Registrations = field(default_factory=NoRegistrations)
    """Where what callers register is written."""
