"""Which steps wait for what somebody keys, or sends from a screen."""

from ivr.flow.model import StepKind
from ivr.flow.steps.ask import AskStep
from ivr.flow.steps.language import LanguageStep
from ivr.flow.steps.menu import MenuStep

Question = AskStep | MenuStep
"""What waits for an answer."""


def question(kind: StepKind) -> Question | None:
    """The question that this step asks; None for one that asks none."""
    offer = kind.offer if isinstance(kind, LanguageStep) else kind
    return offer if isinstance(offer, Question) else None
