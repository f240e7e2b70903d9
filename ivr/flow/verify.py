"""What is wrong with a flow as a whole: what a caller would meet that no single line shows.

Law: pure, and asked only about a flow whose every line is right by itself. Each rule is a file in `checks/`; it knows
the step kinds by their facts (`ivr/flow/facts.py`) and by nothing else.
"""

from typing import Final

from ivr.flow.checks import digits, knowing, links, loops, money, silence, speech
from ivr.flow.checks.written import Written

RULES: Final = (knowing.check, silence.check, loops.check, money.check, links.check, digits.check, speech.check)
"""Each notes its faults in `written.source`."""


def verify(written: Written) -> None:
    """Note every fault that the flow has as a whole."""
    for rule in RULES:
        rule(written)
