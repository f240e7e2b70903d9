"""What a flow cannot do on a screen, and what a screen has no room for.

Law: asked only about flows that a USSD service runs, and only about what its users can come to.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from ivr.domain.screens import Limits, Page, Screen, paged
from ivr.domain.speech import In, Prompt
from ivr.flow.channels import misplaced, reached, ways
from ivr.flow.describing import describe
from ivr.flow.model import Flow, Step, World
from ivr.flow.questions import question
from ivr.flow.saying import NO_TITLE, AmountOf, DateOf, DigitsOf, Only, Part, PromptFor, Saying, TextOf, only_on_screen
from ivr.flow.steps.ask import AskStep
from ivr.flow.steps.base import NEXT
from ivr.flow.steps.menu import MenuStep
from ivr.flow.steps.ussd_payment import UssdPaymentStep
from ivr.flow.visit import USSD

MOST_PAGES_OF_ONE: Final = 4
"""Pages of one text; who must turn more has forgotten how it began."""
MOST_KEYS: Final = 3
"""Noughts that say no, or nines that turn a page; who must send more miscounts."""
_AMOUNT: Final = "9,999,999,999 ریال"
_DIGITS: Final = "9" * 20


def check(flow: Flow, language: str, limits: Limits, world: World) -> Iterator[tuple[str, str]]:
    """(step, what is wrong with it)."""
    here = reached(flow, USSD)
    for step in misplaced(flow, USSD, here):
        yield step.name, f"USSD has no '{describe(step.kind).kind}': let a 'channel' step lead only calls here"
    yield from _without_a_word(flow)
    yield from _asked_after_a_payment(flow)
    for name in flow.steps:
        if name in here:
            yield from ((name, what) for what in _wrong(flow.steps[name], language, limits, world))


def _without_a_word(flow: Flow) -> Iterator[tuple[str, str]]:
    """Ends of sessions that nothing was shown before, since their user sent something; questions without words."""
    seen = {(name, False) for name in (flow.first, flow.on_failure) if name in flow.steps}
    todo = sorted(seen)
    for name, told in todo:
        step = flow.steps[name]
        offer = question(step.kind)
        if offer is not None:
            told = False
            has_choices = isinstance(offer, MenuStep) and bool(offer.choices)
            if not (_shows(offer.saying) or _shows(offer.title) or has_choices):
                yield name, "it asks without a word on a screen: what it says is for callers"
        elif _shows(step.facts.says) or isinstance(step.kind, UssdPaymentStep):
            told = True
        if not step.exits and step.facts.ending is None and not step.facts.keeps and not told:
            yield name, "a USSD session can end here without a word on the screen since its user sent something"
        for target in ways(step, USSD):
            if target in flow.steps and (target, told) not in seen:
                seen.add((target, told))
                todo.append((target, told))


def _asked_after_a_payment(flow: Flow) -> Iterator[tuple[str, str]]:
    """Questions behind a payment link: the network sends it when the session is over, and it never would be."""
    todo = [name for name in sorted(reached(flow, USSD)) if isinstance(flow.steps[name].kind, UssdPaymentStep)]
    seen = {flow.steps[name].exits.get(NEXT, "") for name in todo}
    todo = sorted(seen & flow.steps.keys())
    for name in todo:
        step = flow.steps[name]
        if question(step.kind) is not None:
            yield name, "it stands behind a 'ussd_payment', whose link is sent when the session ends: lead to 'hang_up'"
            continue
        new = {target for target in ways(step, USSD) if target in flow.steps} - seen
        seen |= new
        todo += sorted(new)


def _shows(saying: Saying) -> bool:
    """Whether there is anything in it for who reads."""
    return any(only_on_screen(part) is not False for part in saying.parts)


def _wrong(step: Step, language: str, limits: Limits, world: World) -> Iterator[str]:
    offer = question(step.kind)
    if isinstance(offer, AskStep) and offer.secret:
        yield "a secret is never asked for by USSD: the network keeps what is sent"
    if isinstance(offer, AskStep) and offer.cancel_key is not None and len(offer.cancel_line) > MOST_KEYS:
        many = len(offer.cancel_line)
        yield f"on a screen {many} noughts would cancel, fewer could be a number: write 'min: 2', or no 'cancel_key'"
    if isinstance(offer, MenuStep) and offer.keys.keys() != offer.choices.keys():
        yield "on a screen every key needs words: write 'choices'"
    shown = world.screens.get(language, {})
    missing = sorted({name for name in _prompts(step) if name not in shown})
    if missing:
        yield f"there is no prompt '{missing[0]}' in '{language}' for the screen"
    elif len(pages := _pages(step, shown, limits)) > MOST_PAGES_OF_ONE:
        yield (
            f"on a screen it needs {len(pages)} pages in '{language}', and {MOST_PAGES_OF_ONE} are the most: shorten "
            "its words, or give them a shorter 'screen' in the catalogue"
        )
    elif (many := len(pages[0].forward or "")) > MOST_KEYS:
        yield (
            f"on a screen it needs {len(pages)} pages in '{language}', and {many} nines would turn them, fewer could "
            "be a number: write 'min: 2', or shorten its words"
        )


def _prompts(step: Step) -> Iterator[str]:
    """What is shown and not spoken."""
    offer = question(step.kind)
    if isinstance(offer, MenuStep):
        yield from (prompt.name for prompt in offer.choices.values())
        yield from _names(offer.title)
    if isinstance(offer, AskStep):
        yield from _names(offer.title)
        if offer.cancel_key is not None:
            yield offer.cancel_words.name


def _names(saying: Saying) -> Iterator[str]:
    for part in saying.parts:
        match part:
            case Prompt(name) | Only(True, Prompt(name)):
                yield name
            case PromptFor(_, prompts, otherwise):
                yield from (prompt.name for prompt in (*prompts.values(), otherwise))
            case _:
                pass


def _pages(step: Step, shown: Mapping[str, str], limits: Limits) -> list[Page]:
    """The longest of its screens."""
    offer = question(step.kind)
    title, choices = NO_TITLE if offer is None else offer.title, []
    if isinstance(offer, MenuStep):
        worded = ((line, offer.choices.get(key)) for line, key in offer.lines.items())
        choices = [(line, shown.get(prompt.name, "")) for line, prompt in worded if prompt is not None]
    if isinstance(offer, AskStep) and offer.cancel_key is not None:
        choices = [(offer.cancel_line, shown.get(offer.cancel_words.name, ""))]
    body = _longest(step.facts.says, shown)
    screen = Screen(_longest(title, shown), body, choices)
    words = (shown.get("screen/forward", ""), shown.get("screen/back", ""))
    return paged(screen, limits, *words, lambda line: offer is not None and offer.accepts(line))


def _longest(saying: Saying, shown: Mapping[str, str]) -> str:
    return " ".join(text for part in saying.parts if (text := _text(part, shown)))


def _text(part: Part, shown: Mapping[str, str]) -> str:
    match part:
        case Only(False):
            return ""
        case Prompt(name) | Only(True, Prompt(name)) | In(_, Prompt(name)):
            return shown.get(name, "")
        case PromptFor(_, prompts, otherwise):
            return max((shown.get(one.name, "") for one in (*prompts.values(), otherwise)), key=len)
        case AmountOf():
            return _AMOUNT
        case DigitsOf() | DateOf() | TextOf():
            return _DIGITS
        case _:
            return _DIGITS[:11]
