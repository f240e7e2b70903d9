"""The screen of a played USSD session: what is said piles up until a line is sent, and stands there on pages.

Law: as `ivr.ussd` shows it, letter by letter: the same pages, and the same lines that turn them.
"""

from collections.abc import Callable, Mapping, Sequence

from ivr.domain.screens import Limits, Page, Screen, paged


class Display:
    """One telephone. `ways`: the words of what leads to the next page, and back, as the session's language is now."""

    def __init__(self, limits: Limits, ways: Callable[[], tuple[str, str]]) -> None:
        self.limits = limits
        self.pages: Sequence[Page] = ()
        self.page = 0
        self._ways = ways
        self._said: list[str] = []
        self._choices: Mapping[str, str] = {}
        self._title = ""

    @property
    def is_stale(self) -> bool:
        """Whether something was said, or sent, since the screen was made."""
        return not self.pages

    def say(self, words: str, choices: Mapping[str, str], title: str) -> None:
        """This is said now, with these choices; `title` stands above it all."""
        self._said += [words] if words else []
        self._choices, self._title = choices, title or self._title
        self.pages = ()

    def clear(self) -> None:
        """A line was sent: what stood there has been read."""
        self._said, self._choices, self._title = [], {}, ""
        self.pages = ()

    def show(self, taken: Callable[[str], bool]) -> None:
        """What has been said, with what can be chosen. `taken`: whether a line answers what is asked."""
        self._turn_to(Screen(self._title, "\n".join(self._said), (*self._choices.items(),)), taken)

    def show_last(self, otherwise: str) -> None:
        """What has been said, and nothing can be answered to it any more. `otherwise`: where nothing was said."""
        self._turn_to(Screen(body="\n".join(self._said) or otherwise), lambda line: False)

    def show_line(self, text: str) -> None:
        """Something that is for the network, and for nobody's eyes."""
        self.pages, self.page = (Page(text),), 0

    def turns(self, line: str) -> bool:
        """Whether the line leads to another page, which then is shown."""
        page = self.pages[self.page]
        step = {page.forward: 1, page.back: -1}.get(line)
        self.page += step or 0
        return step is not None

    def hides(self, line: str) -> bool:
        """Whether it chooses what stands on a page that was not turned to."""
        return line in self.pages[-1].offered and line not in self.pages[self.page].offered

    def offers(self, line: str) -> bool:
        """Whether it is one of the choices."""
        return line in self._choices

    def _turn_to(self, screen: Screen, taken: Callable[[str], bool]) -> None:
        self.pages = paged(screen, self.limits, *self._ways(), taken)
        self.page = 0
