"""menu: the caller presses one key out of a few.

Law: a key pressed before the menu was asked chooses nothing unless the admin allows it (`type_ahead: true`): here money
is agreed to.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import yaml

from ivr.domain.digits import KEYS
from ivr.domain.reading import Fields, read_text
from ivr.domain.speech import Prompt
from ivr.flow.commands import Choice
from ivr.flow.describing import Description
from ivr.flow.events import Digit, Event, Line, PromptFinished, TimerFired
from ivr.flow.facts import Facts
from ivr.flow.saying import NO_TITLE, Saying
from ivr.flow.screen_keys import screen_key
from ivr.flow.steps.ask import INVALID, SILENCE, nth, wrong_ways
from ivr.flow.steps.base import NEXT, Made, Reading
from ivr.flow.visit import Visit

NOTHING: Final[Mapping[str, str]] = {}
KEY_EXIT: Final = "key "
"""A menu's exit by key 1 is called `key 1`."""


@dataclass(frozen=True, slots=True)
class MenuStep:
    """How a choice is offered."""

    saying: Saying
    keys: Mapping[str, str]
    """Key -> exit."""
    first_digit_timeout: float
    attempts: int
    barge_in: bool
    type_ahead: bool
    silence_prompts: Sequence[Prompt]
    invalid_prompts: Sequence[Prompt]
    title: Saying = NO_TITLE
    choices: Mapping[str, Prompt] = field(default_factory=dict)
    """Key -> what it means in words, for screens."""
    word: str = "menu"
    """What admins call it: a `confirm` is a menu of two keys."""

    def enter(self, visit: Visit) -> None:
        """Offer the choice."""
        if not self.type_ahead:
            visit.forget_keys()
        visit.data["attempt"] = 1
        self._offer(visit)

    def on(self, visit: Visit, event: Event) -> None:
        """A key, the end of the prompt, or silence."""
        match event:
            case Digit():
                self._take_key(visit)
            case Line(text):
                self._take_line(visit, text)
            case PromptFinished(_, failed):
                self.saying.must_be_heard(failed)
                visit.start_timer(self.first_digit_timeout)
                self._take_key(visit)
            case TimerFired():
                self._wrong(visit, SILENCE, self.silence_prompts)
            case _:
                pass

    def resume(self, visit: Visit, leg: int | None) -> None:
        """Offer it again, with the attempts that are left."""
        visit.data.setdefault("attempt", 1)
        self._offer(visit)

    def describe(self) -> Description:
        """The choice; which key leads where stands in the exits."""
        if self.word == "menu":
            return Description(self.word, self.saying, awaits=f"one of {' '.join(sorted(self.keys))}")
        meant = ("yes" if exit_name == NEXT else exit_name for exit_name in self.keys.values())
        awaits = "; ".join(f"{key} {meaning}" for key, meaning in zip(self.keys, meant, strict=True))
        return Description(self.word, self.saying, awaits=awaits)

    def _offer(self, visit: Visit, *before: Prompt) -> None:
        visit.stop_timer()
        here = visit.on_screen
        choices = [Choice(line, self.choices[key]) for line, key in self.lines.items()] if here and self.choices else ()
        visit.play((*before, *self.saying.resolve(visit)), choices, self.title.resolve(visit) if here else ())
        self._take_key(visit)

    @property
    def lines(self) -> dict[str, str]:
        """What is sent from a screen -> the key that it means, in the order in which they are shown."""
        keys = self.keys.keys()
        lines = {screen_key(key, keys.__contains__): key for key in keys}
        return dict(sorted(lines.items(), key=lambda item: (item[1] in "*#", item[0])))

    def accepts(self, line: str) -> bool:
        """Whether this chooses something."""
        return line in self.lines

    def _take_line(self, visit: Visit, text: str) -> None:
        visit.stop_playing()
        visit.stop_timer()
        key = self.lines.get(text)
        if key is None:
            self._wrong(visit, INVALID, self.invalid_prompts)
        else:
            visit.leave(self.keys[key])

    def _take_key(self, visit: Visit) -> None:
        if visit.session.playing is not None and not self.barge_in:
            return
        key = visit.next_key()
        if key is None:
            return
        visit.stop_playing()
        if key in self.keys:
            visit.leave(self.keys[key])
        else:
            self._wrong(visit, INVALID, self.invalid_prompts)

    def _wrong(self, visit: Visit, why: str, prompts: Sequence[Prompt]) -> None:
        visit.forget_keys()
        attempt = int(visit.data.get("attempt", 1))
        if attempt >= self.attempts:
            visit.leave(why)
            return
        visit.data["attempt"] = attempt + 1
        self._offer(visit, nth(prompts, attempt))


def read(body: yaml.Node, reading: Reading) -> Made:
    """The fields of `menu`: prompt, `keys: {"1": step}`, timeouts, attempts."""
    fields = Fields(reading.source, body, "menu")
    inline: dict[str, tuple[str, yaml.Node]] = {}
    keys = fields.fields("keys", "the menu's keys")
    for key, key_node, value in keys.names():
        target = (
            read_text(reading.source, value, f"the step of key {key}") if check_key(reading, key, key_node) else None
        )
        if target is not None:
            inline[KEY_EXIT + key] = (target, value)
    if isinstance(keys.node, yaml.MappingNode) and not keys.node.value:
        keys.blame("a menu needs at least one key")
    made = read_offer(fields, reading, {exit_name.removeprefix(KEY_EXIT): exit_name for exit_name in inline})
    fields.done()
    how = {by: f"press {by.removeprefix(KEY_EXIT)}" for by in inline}
    return Made(made, frozenset({SILENCE, INVALID}), inline, facts=offer_facts(made, how))


def offer_facts(made: MenuStep, how: Mapping[str, str]) -> Facts:
    """Of every question answered by one key; `how`: the exits that the caller chooses, in words."""
    return Facts(
        chosen=frozenset(how),
        heard=frozenset({SILENCE}),
        says=made.saying,
        cut_short=made.barge_in,
        how={**how, **wrong_ways(made.attempts)},
    )


def check_key(reading: Reading, key: str, node: yaml.Node) -> bool:
    """Whether it is one key of the keypad, in quotes; blamed if not."""
    if len(key) != 1 or key not in KEYS:
        reading.source.blame(node, f"'{key}' is not a key: 0-9, * or #")
    elif node.tag != "tag:yaml.org,2002:str":
        reading.source.blame(node, f'the key must be quoted: "{key}"')
    else:
        return True
    return False


def read_offer(
    fields: Fields,
    reading: Reading,
    keys: Mapping[str, str],
    word: str = "menu",
    own_choices: Mapping[str, str] = NOTHING,
) -> MenuStep:
    """The fields that every question answered by one key has. `own_choices`: key -> its words if nobody wrote any."""
    attempts = fields.whole("attempts", 3, least=1, most=10)
    return MenuStep(
        saying=reading.say(fields, "prompt"),
        keys=keys,
        first_digit_timeout=fields.seconds("first_digit_timeout", 7),
        attempts=attempts,
        barge_in=fields.truth("barge_in", True),
        type_ahead=fields.truth("type_ahead", False),
        silence_prompts=reading.prompts(fields, "silence_prompt", "common/heard_nothing", attempts),
        invalid_prompts=reading.prompts(fields, "invalid_prompt", "common/wrong_key", attempts),
        title=reading.show(fields, "title"),
        choices=_choices(fields, reading, keys, own_choices),
        word=word,
    )


def _choices(fields: Fields, reading: Reading, keys: Mapping[str, str], own: Mapping[str, str]) -> dict[str, Prompt]:
    """`choices: {"1": screen/pay}`: words for every key, or for none. `own`: what a kind says by itself."""
    if not fields.has("choices"):
        return {key: Prompt(name) for key, name in own.items()}
    inner = fields.fields("choices", "the words of the keys")
    found = {key: reading.screen_words(inner, key, "") for key, _, _ in inner.names()}
    for key in found.keys() - keys.keys():
        inner.blame(f"there is no key '{key}' here", key)
    for key in sorted(keys.keys() - found.keys()):
        inner.blame(f"key '{key}' has no words")
    return found
