"""confirm: reads a value back, and the caller says by one key whether it is right.

Law: as in a menu, a key pressed before the value was said agrees to nothing unless the admin allows it; and nobody
agrees to a value that could not be said.
"""

from typing import Final

import yaml

from ivr.domain.reading import Fields
from ivr.flow.steps.ask import INVALID, SILENCE, read_key
from ivr.flow.steps.base import NEXT, Made, Reading
from ivr.flow.steps.menu import offer_facts, read_offer

NO: Final = "no"


def read(body: yaml.Node, reading: Reading) -> Made:
    """`confirm: {prompt: [confirm/you_keyed, {digits: x}, confirm/press_keys], yes: "1", no: "2"}`."""
    fields = Fields(reading.source, body, "confirm")
    yes, no = read_key(fields, "yes", "1"), read_key(fields, "no", "2")
    if yes is None or no is None:
        fields.blame("'yes' and 'no' each need a key")
    elif yes == no:
        fields.blame(f"'{yes}' cannot mean both yes and no", "no" if fields.has("no") else "yes")
    made = read_offer(
        fields, reading, {yes or "": NEXT, no or "": NO}, "confirm", {yes or "": "screen/yes", no or "": "screen/no"}
    )
    if made.saying.parts and not made.saying.has_values:
        fields.blame("nothing is read back: name a value in 'prompt', or use a menu", "prompt")
    fields.done()
    facts = offer_facts(made, {NEXT: f"press {yes}", NO: f"press {no}"})
    return Made(made, frozenset({NEXT, NO, SILENCE, INVALID}), facts=facts)
