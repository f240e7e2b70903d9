"""What the shipped services show in Persian, by the names of the prompts."""

from typing import Final

from ivr.lab.town import HOUSE
from ivr.prompts.catalogue import Catalogue

WORDS: Final = Catalogue.load(HOUSE / "prompts").screens("fa")
RIAL: Final = WORDS["unit/rial"]


def choices(**lines: str) -> str:
    """`choices(_1="screen/pay")` as it stands on a screen."""
    return "\n".join(f"{line[1:]}) {WORDS[name]}" for line, name in lines.items())
