"""A small dialplan whose versions can be told apart by ear: a prompt, and the same once more before the end."""

from pathlib import Path
from typing import Final

NUMBER: Final = "2000"
ONE, TWO, THREE = "invoice/welcome", "pay/paid", "common/goodbye"

NUMBERS: Final = f'numbers:\n  - number: "{NUMBER}"\n    flow: greet\n'
BROKEN: Final = "flow: greet\nfirst: nowhere\n"


def flow(prompt: str) -> str:
    """The flow's text."""
    return f"""flow: greet
first: hello
on_failure: again
steps:
  hello: {{say: {prompt}, next: again}}
  again: {{say: {prompt}, next: end}}
  end: {{hang_up: normal}}
"""


class Greeting:
    """The dialplan's directory."""

    def __init__(self, directory: Path, prompt: str = ONE) -> None:
        self.directory = directory
        (directory / "flows").mkdir(parents=True)
        self.numbers = directory / "numbers.yaml"
        self.flow = directory / "flows" / "greet.yaml"
        self.numbers.write_text(NUMBERS, encoding="utf-8")
        self.says(prompt)

    def says(self, prompt: str) -> None:
        """An admin saves another prompt."""
        self.flow.write_text(flow(prompt), encoding="utf-8")

    def breaks(self) -> None:
        """An admin saves something that cannot work."""
        self.flow.write_text(BROKEN, encoding="utf-8")
