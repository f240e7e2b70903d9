"""Callers who listen, and what can be told of their calls afterwards.

Law: a caller acts on what the phone really hears, and a call is judged by its recording alone.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, TypeVar

from ivr.domain.speech import Amount, Digits
from ivr.lab.hearing import RATE, Heard, Sound, hear, load_wav, longest_silence
from ivr.lab.party import Party
from ivr.lab.phone import PhoneCall
from ivr.lab.town import Town
from ivr.prompts.speaking import speak
from ivr.prompts.units import Currency
from ivr.sandbox.books import Invoice, InvoiceState
from ivr.sandbox.diary import Line
from ivr.sandbox.faults import Fault, FaultKind
from ivr.sandbox.settings import DEMO_CARDS, SandboxCard
from tests.end_to_end.notifier import Notifier

PATIENCE: Final = 60.0
"""Seconds that a caller waits for a certain prompt, on a machine that is busy with other callers."""
LOOK_EVERY: Final = 0.15
LOOK_BACK: Final = 5.0
"""Seconds that a caller may be late in noticing what was said, on a machine that is busy."""
MOST_SILENCE: Final = 3.0
"""Seconds without a sound that a caller may be left with while something is owed to them."""
MONEY: Final = 160_000
MONEY_WORDS: Final = ("number/100_o", "number/60", "number/1000", "unit/rial")

MOST_STALL: Final = 0.6
"""Seconds that a prompt's sound may stand still while the machine is busy elsewhere."""
WHOLE: Final = 0.9
"""The share of a prompt from which it was heard to its end: the rest may be too quiet to be told from silence."""
ENOUGH: Final = 0.6
"""The share of a prompt's length that is told from silence and found again at least, its pieces together."""
WAITS: Final = frozenset({"common/please_wait", "pay/checking_result", "bill/paying", "bill/looking"})

T = TypeVar("T")


class Deaf(AssertionError):
    """The caller waited for a prompt in vain."""


@dataclass(frozen=True)
class Told:
    """One call as its recording tells it."""

    sound: Sound
    heard: Sequence[Heard]
    keyed: Sequence[tuple[float, str]]

    @property
    def names(self) -> list[str]:
        """Every prompt in order, those cut short included; without what is said while somebody is being slow."""
        return [_as_heard(one.name) for one in self.heard if one.name not in WAITS]

    @property
    def whole(self) -> list[str]:
        """Those of them that were heard to their end."""
        return [_as_heard(one.name) for one in self.heard if one.name not in WAITS and one.share > WHOLE]

    @property
    def waits(self) -> list[str]:
        """What was said while somebody was being slow."""
        return [one.name for one in self.heard if one.name in WAITS]

    def after(self, name: str) -> list[str]:
        """What was heard after the last time of this prompt."""
        return self.names[len(self.names) - self.names[::-1].index(name) :]

    def silence(self) -> float:
        """Seconds of the longest silence of the whole call."""
        return longest_silence(self.sound)


class Caller:
    """One caller in the middle of a call."""

    def __init__(self, call: PhoneCall, sounds: Mapping[str, Sound]) -> None:
        self.call = call
        self._sounds = sounds
        self._from = 0.0

    async def hears(self, name: str, share: float = WHOLE) -> None:
        """Return when so much of this prompt has been heard, later than the last one that was waited for."""
        await self.hears_one_of(name, share=share)

    async def hears_one_of(self, *names: str, share: float = WHOLE) -> str:
        """Return which of these has been heard."""
        wanted = {name: self._sounds[name] for name in names}
        long_ago = max(len(sound) for sound in wanted.values()) / RATE + LOOK_BACK
        loop = asyncio.get_running_loop()
        deadline = loop.time() + PATIENCE
        looked = self.call.now
        while True:
            over = self.call.over
            self._from = max(self._from, looked - long_ago)  # not before what the last look has seen, however late
            looked = self.call.now
            if (found := self._found(hear(self.call.sound(self._from), wanted), share)) is not None:
                self._from += found.end
                return found.name
            if over or loop.time() > deadline:
                all_of_it = [one.name for one in hear(self.call.sound(), self._sounds)]
                raise Deaf(f"{'the call ended' if over else 'too late'} without {' or '.join(names)}: {all_of_it}")
            await asyncio.sleep(LOOK_EVERY)

    def forgets(self) -> None:
        """From now on wait for what is said later."""
        self._from = self.call.now

    async def barges(self, name: str, keys: str, *, secret: bool = False) -> None:
        """Key while this prompt is being said."""
        await self.hears(name, share=0.2)
        await self.keys(keys, secret=secret)

    async def keys(self, keys: str, *, secret: bool = False) -> None:
        """Key, and from now on wait for what is said afterwards."""
        self.forgets()
        await self.call.key(keys, secret=secret)

    async def answers(self, name: str, keys: str, *, secret: bool = False) -> None:
        """Listen to this prompt to its end, then key."""
        await self.hears(name)
        await self.keys(keys, secret=secret)

    async def hangs_up(self) -> Told:
        """Put the receiver down."""
        await self.call.hang_up()
        return await self.told()

    async def told(self) -> Told:
        """Wait for the end."""
        return await asyncio.to_thread(tell, await self.call.ended(), self.call.keyed, self._sounds)

    def _found(self, heard: Sequence[Heard], share: float) -> Heard | None:
        """The first prompt that was said so far, in one piece or in several that a busy machine made of it. What is
        left of one that was waited for before is too short.
        """
        so_far: Counter[str] = Counter()
        for one in heard:
            so_far[one.name] += int((one.end - one.start) * RATE)
            if one.share >= share and so_far[one.name] >= ENOUGH * share * len(self._sounds[one.name]):
                return one
        return None

    # -- ways that most calls share --------------------------------------------------------------------------------

    async def keys_invoice(self, code: str) -> None:
        """Cut the greeting short with the invoice number, and listen until the amount has been said."""
        await self.barges("invoice/welcome", f"{code}#")
        await self.hears("pay/amount_payable")

    async def agrees(self, code: str) -> None:
        """As far as the bank's greeting."""
        await self.keys_invoice(code)
        await self.barges("pay/press_keys", "1")

    async def pays(self, card: SandboxCard = DEMO_CARDS[0]) -> None:
        """Card and PIN at the bank, each as soon as it is asked for."""
        await self.hears("bank/enter_card", share=0.2)
        await self.pays_with_card(card)

    async def pays_with_card(self, card: SandboxCard = DEMO_CARDS[0]) -> None:
        """The bank has asked for the card already."""
        await self.keys(card.pan.reveal(), secret=True)
        if await self.hears_one_of("bank/enter_pin", "common/too_few_digits", share=0.2) != "bank/enter_pin":
            await self.hears("bank/enter_card", share=0.2)  # as a caller does when the machine had no time for a key
            await self.keys(card.pan.reveal(), secret=True)
            await self.hears("bank/enter_pin", share=0.2)
        await self.keys(f"{card.pin.reveal()}#", secret=True)


def tell(recording: Path, keyed: Sequence[tuple[float, str]], sounds: Mapping[str, Sound]) -> Told:
    """What a recording holds."""
    sound = load_wav(recording)
    return Told(sound, _mended(hear(sound, sounds), sounds), tuple(keyed))


def _mended(heard: Sequence[Heard], sounds: Mapping[str, Sound]) -> list[Heard]:
    """A prompt that a stall of the machine broke into two is one prompt."""
    mended: list[Heard] = []
    for one in heard:
        before = mended[-1] if mended else None
        length = len(sounds[one.name]) / RATE
        broken = before is not None and before.name == one.name and before.share < WHOLE
        if before is not None and broken and one.end - before.start < length + MOST_STALL:
            mended[-1] = replace(before, end=one.end, share=max(before.share, one.share))
        else:
            mended.append(one)
    return mended


class Stage:
    """The town with callers to be sent into it."""

    def __init__(self, town: Town, sounds: Mapping[str, Sound], notifier: Notifier) -> None:
        self.town = town
        self.sounds = sounds
        self.notifier = notifier
        self._callers = 0

    async def call(
        self,
        number: str,
        *,
        caller_number: str | None = "",
        sounds: Mapping[str, Sound] | None = None,
        **more: Any,
    ) -> Caller:
        """A caller who was answered; each has a number of their own unless one is given.

        `sounds`: what they know to be prompts; the Persian ones unless others are given.
        """
        call = await self.town.phone.call(number, caller_number=self.number(caller_number), **more)
        return Caller(call, sounds or self.sounds)

    def number(self, given: str | None) -> str | None:
        """A mobile number that nobody else calls with."""
        if given != "":
            return given
        self._callers += 1
        return f"0912{self._callers:07}"

    def invoice(self, amount: int = MONEY, state: InvoiceState = InvoiceState.OPEN, code: str | None = None) -> Invoice:
        """An invoice at PayStar, of which the merchant has no record."""
        return self.town.sandbox.books.add_invoice(amount, code, state)

    def fault(self, operation: str, kind: FaultKind, about: str, **more: Any) -> None:
        """What goes wrong with the next request about this invoice or transaction, and with no other."""
        self.town.sandbox.faults.add(Fault(operation, kind, only=about, **more))

    async def until_asked(self, operation: str, invoice: str) -> None:
        """Return once the sandbox has been asked about an invoice."""

        async def look() -> bool:
            return bool(self.asked(operation, invoice))

        assert await eventually(look, bool, PATIENCE), f"nobody asked {operation}"

    async def until_found(self, invoice: str) -> None:
        """Return once PayStar has said that an invoice is paid, or patience is over."""

        async def look() -> bool:
            return any(line.result == "paid" and line.fault is None for line in self.asked("result", invoice))

        await eventually(look, bool, PATIENCE)

    def transaction(self, invoice: str) -> str:
        """The invoice's last transaction at PayStar."""
        transactions = self.town.sandbox.books.transactions.values()
        return [one.id for one in transactions if one.invoice.tracking_code == invoice][-1]

    def asked(self, operation: str, invoice: str) -> list[Line]:
        """What the sandbox was asked about an invoice."""
        lines = (line for line in self.town.sandbox.diary.lines if line.operation == operation)
        return [line for line in lines if invoice in line.fields.values()]

    async def lines(self, party: str, payment: str) -> list[str]:
        """The kinds of the journal's lines of one payment."""
        parties = {"merchant": self.town.merchant, "switch": self.town.switch, "bank": self.town.bank}
        shown = json.loads(await parties[party].command("payments", "show", payment, "--json"))
        return [entry["kind"] for entry in shown["entries"]]

    async def own_invoice(self, amount: int = MONEY, provider: str = "paystar") -> str:
        """An invoice that the merchant had made."""
        made = ("invoices", "create", str(amount), "--order", "test", "--provider", provider)
        return (await self.town.merchant.command(*made)).strip()


def money(amount: int, language: str = "fa") -> list[str]:
    """The names of the prompts that say this many rial, as they are heard."""
    return [_as_heard(name) for name in speak([Amount(amount)], language, Currency.RIAL)]


def digits(text: str, language: str = "fa") -> list[str]:
    """The names of the prompts that read these digits."""
    return speak([Digits(text)], language, Currency.RIAL)


def _as_heard(name: str) -> str:
    """The same word may be a number's or a digit's recording."""
    kind, _, value = name.partition("/")
    return f"digit/{value}" if kind == "number" and len(value) == 1 else name


async def eventually(
    look: Callable[[], Awaitable[T]], good: Callable[[T], bool], patience: float = 20.0, every: float = LOOK_EVERY
) -> T:
    """Look until it is good or patience is over; returns what was seen last."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + patience
    while not good(seen := await look()) and loop.time() < deadline:  # noqa: ASYNC110 - nobody announces it
        await asyncio.sleep(every)
    return seen


async def payments_of(party: Party, invoice: str) -> list[dict[str, Any]]:
    """The journal's payments of one invoice, oldest first, with every line."""
    rows = [row for row in await party.payments() if row["invoice_id"] == invoice]
    return sorted(rows, key=lambda row: str(row["created_at"]))


async def channels(party: Party) -> list[str]:
    """What is up in its Asterisk, a line a channel."""
    lines = (await party.instance.rx("core show channels concise")).splitlines()
    return [line for line in lines if "!" in line]


async def all_quiet(town: Town, patience: float = 20.0) -> list[str]:
    """The channels still up in any Asterisk after a moment: none."""

    async def look() -> list[str]:
        parties = town.parties
        return [line for lines in await asyncio.gather(*map(channels, parties)) for line in lines]

    return await eventually(look, lambda lines: not lines, patience)


def seconds(sound: Sound) -> float:
    """How long it is."""
    return len(sound) / RATE
