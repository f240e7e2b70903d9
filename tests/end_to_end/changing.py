"""A number of the merchant whose flow is edited while people call it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

NUMBER: Final = "42475040"
ENTRY: Final[Mapping[str, object]] = {"number": NUMBER, "flow": "changing"}

PROMPTS: Final = (
    "bank/amount_is",
    "pay/amount_payable",
    "pay/bank_busy",
    "common/heard_nothing",
    "pay/bank_rejected",
    "bank/wrong_pin",
)
"""The prompt of each version, all of them short."""


def text(prompt: str) -> str:
    """The version that says this when a call begins and, two seconds later, when it ends."""
    return f"""flow: changing
first: question
on_failure: again
steps:
  question: {{ask: {{prompt: {prompt}, save: nothing, min: 1, max: 1, attempts: 1, first_digit_timeout: 2s}},
             next: again, exits: {{silence: again, invalid: again}}}}
  again: {{say: {prompt}, next: end}}
  end: {{hang_up: normal}}
"""


def broken(prompt: str) -> str:
    """Nearly the same; it leads nowhere."""
    return text(prompt).replace("next: again, exits", "next: nowhere, exits")


def write_flow(directory: Path) -> None:
    """The first version, into a dialplan's directory."""
    (directory / "flows" / "changing.yaml").write_text(text(PROMPTS[0]), encoding="utf-8")
