"""Flows that call flows: what is handed over, what comes back, what breaks, and what a new process finds."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from ivr.domain.operations import Kind
from ivr.domain.reading import Faults
from ivr.domain.secret import Secret
from ivr.domain.speech import Amount, Digits, Prompt
from ivr.flow.commands import AskProvider
from ivr.flow.events import ProviderReplied
from ivr.flow.linking import MOST_STEPS
from ivr.flow.loader import load_dialplan
from ivr.flow.model import Flow
from ivr.flow.steps.forms import MOST_PATTERNS
from ivr.flow.steps.notify import MOST_VALUES
from tests.flow.caller import Caller
from tests.flow.world import answered, world

MAIN = """flow: main
first: how_much
on_failure: sorry
steps:
  how_much:
    ask: {prompt: pay/amount_payable, form: amount, unit: rial, save: amount}
    next: pay
    exits: {silence: sorry, invalid: sorry}
  pay:
    call: {flow: agree, with: {amount: amount}, save: answer}
    at_most: 2
    exits: {agreed: done, refused: how_much, too_often: sorry}
  done: {say: [pay/paid, {digits: answer.code}], next: end}
  sorry: {say: common/technical_problem, next: end}
  end: {hang_up: normal}
"""
AGREE = """flow: agree
takes: {amount: amount}
gives: [code, never]
first: known
on_failure: broken
steps:
  known: {choose: {value: code, present: broken, missing: read_back}}
  read_back:
    confirm: {prompt: [{amount: amount}, {mobile: caller_number}]}
    next: ask_code
    exits: {no: refused, silence: refused, invalid: refused}
  ask_code:
    ask: {prompt: pay/is, save: code, min: 3, max: 3}
    next: agreed
    exits: {silence: set_never, invalid: broken}
  set_never: {set: {never: x}, next: agreed}
  agreed: {return: agreed}
  refused: {return: refused}
  broken: {say: common/sorry_try_later, next: refused}
"""


def load(directory: Path, first: str = "main", **flows: str) -> Flow:
    """These flows, the first of which callers meet."""
    for name, text in flows.items():
        (directory / f"{name}.yaml").write_text(text, encoding="utf-8")
    return load_dialplan(directory / f"{first}.yaml", world(), verified=False).flows[first]


def faults(directory: Path, first: str = "main", **flows: str) -> list[str]:
    """What is wrong, by file name."""
    with pytest.raises(Faults) as caught:
        load(directory, first, **flows)
    return [str(fault).removeprefix(f"{directory}/") for fault in caught.value.faults]


@pytest.fixture
def caller(tmp_path: Path) -> Caller:
    """Has keyed the amount and been asked to agree, by the called flow."""
    caller = answered(load(tmp_path, main=MAIN, agree=AGREE), {"caller_number": "09121234567"})
    caller.keys("5000#")
    return caller


def said(caller: Caller) -> object:
    """What is being said."""
    return caller.playing.say if caller.playing is not None else None


def test_a_flow_is_called_and_comes_back(caller: Caller) -> None:
    """It knows what it was handed, and what it gives is known afterwards by the name it is saved under."""
    assert isinstance(caller.playing and caller.playing.say[0], Amount)
    assert caller.session.step == "pay/read_back" and caller.session.flow == "main"
    caller.keys("1")
    caller.keys("123")
    assert said(caller) == (Prompt("pay/paid"), Digits("123"))
    assert caller.session.answers == {"caller_number": "09121234567", "amount": 5_000, "answer.code": "123"}


def test_each_call_begins_with_a_clean_slate(caller: Caller) -> None:
    """A second visit knows nothing of the first one; `at_most` bounds how often it may be called."""
    caller.keys("2")
    assert caller.session.step == "how_much"
    assert set(caller.session.answers) == {"caller_number", "amount"}
    caller.keys("700#")
    assert said(caller) == (Amount(700), *(caller.playing.say[1:] if caller.playing else ()))
    caller.keys("2")
    caller.keys("800#")
    assert caller.session.step == "sorry"


@pytest.mark.parametrize("keys", ["", "1"])
def test_another_process_goes_on_inside(caller: Caller, keys: str) -> None:
    """A crash in the called flow: the same step again, and the way back is still known."""
    caller.keys(keys)
    step, say = caller.session.step, said(caller)
    caller.restart()
    assert (caller.session.step, said(caller)) == (step, say) and not caller.faults
    if step == "pay/read_back":
        caller.keys("1")
    caller.keys("123")
    assert said(caller) == (Prompt("pay/paid"), Digits("123"))


def test_what_breaks_inside_is_told_by_the_called_flow(caller: Caller) -> None:
    """Its own failure step, and then the way back that it chooses; a second time ends the call."""
    caller.break_down()
    assert said(caller) == (Prompt("common/sorry_try_later"),) and caller.session.step == "pay/broken"
    caller.hear()
    assert caller.session.step == "how_much"
    caller.break_down()
    assert caller.session.ended == "failed"


def test_what_is_not_known_there_is_not_given(caller: Caller) -> None:
    """`never` was set in one way only: afterwards it is known by that way alone."""
    caller.keys("1")
    for _ in range(3):
        caller.hear()
        caller.wait()
    # `done` reads out a code that nobody keyed: the calling flow breaks, not the called one
    assert caller.faults == ["step 'done' needs 'answer.code', which is not known here"]
    assert caller.session.step == "sorry"


def test_what_breaks_on_the_way_in_is_told_by_the_calling_flow(tmp_path: Path) -> None:
    """The called flow's first step cannot be done: it was never really entered."""
    agree = AGREE.replace("first: known", "first: odd").replace(
        "steps:\n", "steps:\n  odd: {set: {n: '{code}'}, next: known}\n"
    )
    caller = answered(load(tmp_path, main=MAIN, agree=agree), {"caller_number": "09121234567"})
    caller.keys("5000#")
    assert caller.session.step == "sorry" and "needs 'code'" in caller.faults[0]


SECRET_MAIN = """flow: main
first: pin
on_failure: sorry
steps:
  pin: {ask: {prompt: bank/enter_pin, save: pin, secret: true, min: 2, max: 2}, next: card,
        exits: {silence: end, invalid: end}}
  card: {call: {flow: cards, with: {pin: pin}, save: got}, exits: {got: settle, none: end}}
  settle:
    provider:
      ask: bank.settle
      with: {card: got.card, pin: pin, transaction: dialled_number, amount: got.amount}
      payment: {provider: bank, invoice: dialled_number}
    exits: {EXITS}
  sorry: {say: common/technical_problem, next: end}
  end: {hang_up: normal}
"""
CARDS = """flow: cards
takes: {pin: secret}
gives: [card, amount]
first: ask
on_failure: none
steps:
  ask: {ask: {prompt: bank/enter_card, form: card, save: card}, next: how, exits: {silence: none, invalid: none}}
  how: {ask: {prompt: pay/is, form: amount, unit: rial, save: amount}, next: got, exits: {silence: none, invalid: none}}
  got: {return: got}
  none: {return: none}
"""


@pytest.fixture
def secret_flow(tmp_path: Path) -> Flow:
    """A PIN is handed over, and a card comes back."""
    operation = world().providers["bank"]["settle"]
    arguments = {name: argument.kind for name, argument in operation.arguments.items()}
    exits = ", ".join(f"{name}: end" for name in sorted(operation.all_exits))
    given = {Kind.SECRET: iter(("got.card", "pin")), Kind.AMOUNT: iter(("got.amount",))}
    handed = {name: next(given[kind]) if kind in given else "dialled_number" for name, kind in arguments.items()}
    text = SECRET_MAIN.replace("EXITS", exits)
    line = next(line for line in text.splitlines() if line.strip().startswith("with: {card"))
    values = ", ".join(f"{name}: {value}" for name, value in handed.items())
    return load(tmp_path, main=text.replace(line, f"      with: {{{values}}}"), cards=CARDS)


def test_secrets_go_in_and_out(secret_flow: Flow) -> None:
    """They stay secrets, and no snapshot has them."""
    caller = answered(secret_flow, {"dialled_number": "42"})
    caller.keys("77")
    assert caller.session.secrets["card/pin"] == Secret("77")
    caller.keys("6037701689095443")
    caller.keys("5000#")
    asked = caller.noticed[-1]
    assert isinstance(asked, AskProvider) and Secret("6037701689095443") in asked.arguments.values()
    assert "6037701689095443" not in caller.session.snapshot()
    assert set(caller.session.secrets) == {"pin", "got.card"}
    assert not any("/" in name for name in caller.session.answers)


def test_a_secret_that_was_lost_is_asked_for_where_it_was_asked(secret_flow: Flow) -> None:
    """A crash while the called flow asks for the amount: the PIN, the call, the card, and then the amount again."""
    caller = answered(secret_flow, {"dialled_number": "42"})
    caller.keys("77")
    caller.keys("6037701689095443")
    caller.restart()
    assert caller.session.step == "card/how"
    caller.keys("5000#")
    assert caller.session.step == "card/ask"
    caller.keys("6037701689095443")
    caller.keys("6000#")
    assert caller.session.step == "pin"
    caller.keys("77")
    caller.keys("6037701689095443")
    caller.keys("5000#")
    assert caller.session.step == "settle" and not caller.faults
    caller.send(ProviderReplied(caller.session.asking or 0, "approved", {}))


def test_flows_inside_flows(tmp_path: Path) -> None:
    """Three deep, and back by each one's ending; the version tells when any of them changed."""
    inner = "flow: c\nfirst: a\non_failure: a\nsteps:\n  a: {say: %s, next: b}\n  b: {return: ok}\n"
    middle = "flow: b\nfirst: x\non_failure: y\nsteps:\n  x: {call: {flow: c}, next: y}\n  y: {return: ok}\n"
    outer = (
        "flow: main\nfirst: x\non_failure: end\nsteps:\n  x: {call: {flow: b}, next: y}\n"
        "  y: {call: {flow: c}, next: end}\n  end: {hang_up: normal}\n"
    )
    flow = load(tmp_path, main=outer, b=middle, c=inner % "pay/is")
    caller = answered(flow)
    assert caller.session.step == "x/x/a" and said(caller) == (Prompt("pay/is"),)
    caller.hear()
    assert caller.session.step == "y/a"
    caller.hear()
    assert caller.session.ended == "hung_up" and set(caller.session.answers) >= {"caller_number"}
    assert not any("/" in name for name in caller.session.answers)
    other = load(tmp_path, main=outer, b=middle, c=inner % "pay/paid")
    assert other.version != flow.version == load(tmp_path, main=outer, b=middle, c=inner % "pay/is").version


def test_a_flow_that_never_comes_back(tmp_path: Path) -> None:
    """A reception hands the caller over to a whole flow: it hangs up by itself."""
    main = "flow: main\nfirst: a\non_failure: a\nsteps:\n  a: {call: {flow: other}}\n"
    other = "flow: other\nfirst: a\non_failure: a\nsteps:\n  a: {hang_up: busy}\n"
    assert answered(load(tmp_path, main=main, other=other)).session.ended == "hung_up"


def test_what_every_flow_knows(tmp_path: Path) -> None:
    """The call's own id too, without being handed over."""
    main = "flow: main\nfirst: a\non_failure: a\nsteps:\n  a: {call: {flow: other}}\n"
    other = (
        "flow: other\nfirst: a\non_failure: end\nsteps:\n"
        '  a: {set: {order: "{call_id}-1"}, next: end}\n  end: {hang_up: normal}\n'
    )
    assert answered(load(tmp_path, main=main, other=other)).session.answers["a/order"] == "1613848397.81207-1"


# -- what admins can get wrong -----------------------------------------------------------------------------------------


def test_flows_in_a_circle(tmp_path: Path) -> None:
    """Named with the whole circle, once."""
    text = "flow: {}\nfirst: a\non_failure: b\nsteps:\n  a: {{call: {{flow: {}}}, next: b}}\n  b: {{return: ok}}\n"
    assert faults(tmp_path, main=text.format("main", "b"), b=text.format("b", "main")) == [
        "b.yaml:5:20: flows cannot call each other in a circle: main -> b -> main"
    ]
    assert faults(tmp_path, main=text.format("main", "main")) == [
        "main.yaml:5:20: flows cannot call each other in a circle: main -> main"
    ]


def test_calls_that_do_not_fit(tmp_path: Path) -> None:
    """Values of another kind, too many, too few; endings without a way on and ways on without an ending."""
    main = MAIN.replace("with: {amount: amount}", "with: {amount: caller_number, amuont: amount}")
    main = main.replace("refused: how_much", "refusd: how_much").replace("answer.code", "answer.cod")
    assert faults(tmp_path, main=main, agree=AGREE) == [
        "main.yaml:10:5: step 'pay' has no way on for 'refused'",
        "main.yaml:10:40: 'caller_number' is digits, and amount is needed here",
        "main.yaml:10:55: flow 'agree' takes no 'amuont' (did you mean 'amount'?)",
        "main.yaml:12:35: step 'pay' never leaves by 'refusd' (did you mean 'refused'?)",
        "main.yaml:13:35: nothing in this flow makes 'answer.cod' known (did you mean 'answer.code'?)",
    ]
    main = MAIN.replace("flow: agree, with: {amount: amount}", "flow: agre")
    assert (
        faults(tmp_path, main=main, agree=AGREE)[0]
        == "main.yaml:10:18: there is no flow 'agre' (did you mean 'agree'?)"
    )
    main = MAIN.replace(", with: {amount: amount}", "")
    assert faults(tmp_path, main=main, agree=AGREE) == ["main.yaml:10:11: flow 'agree' needs 'amount'"]


def test_a_secret_cannot_be_handed_over_as_anything_else(tmp_path: Path) -> None:
    """Not even in two steps."""
    main = MAIN.replace("form: amount, unit: rial", "form: card")
    assert "main.yaml:10:40: 'amount' is secret: it can go to a provider and nowhere else" in faults(
        tmp_path, main=main, agree=AGREE
    )
    agree = AGREE.replace("amount: amount}\n", "amount: secret}\n", 1)
    assert "agree.yaml:9:33: 'amount' is secret: it can go to a provider and nowhere else" in faults(
        tmp_path, main=MAIN, agree=agree
    )


def test_a_called_flow_with_faults_of_its_own(tmp_path: Path) -> None:
    """They are told with its own name and line, and the calling flow is not blamed for them."""
    assert faults(tmp_path, main=MAIN, agree=AGREE.replace("pay/is", "pay/iss"))[0].startswith(
        "agree.yaml:13:19: there is"
    )
    [empty, calling, *_] = faults(tmp_path, main=MAIN, agree="")
    assert empty == "agree.yaml:1:1: the file is empty"
    assert calling == "main.yaml:10:18: flow 'agree' cannot be called before its own faults are mended"


def test_strange_words(tmp_path: Path) -> None:
    """Names that cannot be, endings that cannot be, and what is given without being known."""
    agree = AGREE.replace("amount: amount}", "amount: money, Up: text}", 1).replace("code, never", "code, nothing")
    agree = agree.replace("return: agreed", "return: too_often").replace("  set_never: ", "  set/never: ")
    found = faults(tmp_path, first="agree", agree=agree)
    assert "agree.yaml:2:17: 'amount' must be one of text, digits, amount, date, secret" in found
    assert "agree.yaml:2:24: 'Up' is not a name: small letters a-z, digits and _ only" in found
    assert "agree.yaml:3:15: nothing in this flow makes 'nothing' known" in found
    assert (
        "agree.yaml:16:3: 'set/never' cannot be a step's name: '/' stands between flows that call each other" in found
    )
    assert "agree.yaml:17:20: 'too_often' cannot be an ending's name: small letters a-z, digits and _ only" in found


def test_flows_that_would_grow_without_bound(tmp_path: Path) -> None:
    """Each calls the next one twice: refused before it fills the memory."""
    text = (
        "flow: {0}\nfirst: a\non_failure: c\nsteps:\n  a: {{call: {{flow: {1}}}, next: b}}\n"
        "  b: {{call: {{flow: {1}}}, next: c}}\n  c: {{return: ok}}\n"
    )
    flows = {f"f{n}": text.format(f"f{n}", f"f{n + 1}") for n in range(20)}
    flows["f20"] = "flow: f20\nfirst: a\non_failure: a\nsteps:\n  a: {return: ok}\n"
    found = faults(tmp_path, first="f0", **flows)
    assert found and all(f"more than {MOST_STEPS}" in fault for fault in found)


def test_no_number_runs_a_flow_that_is_made_to_be_called(tmp_path: Path) -> None:
    """Nobody would have handed it anything, and there is nowhere to come back to."""
    (tmp_path / "flows").mkdir()
    (tmp_path / "flows" / "agree.yaml").write_text(AGREE, encoding="utf-8")
    (tmp_path / "numbers.yaml").write_text('numbers: [{number: "42", flow: agree}]', encoding="utf-8")
    with pytest.raises(Faults, match="flow 'agree' is for other flows to call: it has 'return' or 'takes'"):
        load_dialplan(tmp_path, world(), verified=False)


def test_a_return_that_nobody_called_breaks_aloud(tmp_path: Path) -> None:
    """A number ran it all the same, by an older dialplan: the call ends."""
    text = "flow: main\nfirst: a\non_failure: a\nsteps:\n  a: {return: ok}\n"
    caller = answered(load(tmp_path, main=text))
    assert caller.session.ended == "failed" and caller.faults == ["step 'a' returns, and nobody called this flow"]


# -- what cannot happen by itself --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("step", "then"), [("pay", "pay/read_back"), ("pay/refused", "how_much")])
def test_a_step_that_never_waits_is_taken_again(caller: Caller, step: str, then: str) -> None:
    """The dialplan was changed while nobody drove the call: a call begins, a return goes back."""
    caller.session = replace(caller.session, step=step)
    caller.restart()
    assert caller.session.step == then and not caller.faults


def test_too_much_is_refused(tmp_path: Path) -> None:
    """Notices, patterns and values have bounds, and nothing is saved of a flow that gives nothing."""
    many = ", ".join(f"v{n}: caller_number" for n in range(MOST_VALUES + 1))
    patterns = ", ".join(f"'{n}X'" for n in range(MOST_PATTERNS + 1))
    main = (
        "flow: main\nfirst: a\non_failure: b\nsteps:\n  a: {call: {flow: b, save: x}, exits: {ok: c}}\n"
        f"  c: {{notify: {{to: shop, event: x, with: {{{many}}}}}, next: d}}\n"
        f"  d: {{ask: {{prompt: pay/is, save: y, pattern: [{patterns}]}}, next: e,"
        " exits: {silence: b, invalid: b}}\n"
        "  e: {notify: {to: shop, event: x, with: {n: 5}}, next: f}\n"
        "  f: {call: {flow: c, with: {n: 5}}, exits: {ok: b}}\n"
        "  b: {hang_up: normal}\n"
    )
    other = "flow: b\nfirst: a\non_failure: a\nsteps:\n  a: {return: ok}\n"
    third = other.replace("flow: b", "flow: c\ntakes: {n: amount}")
    assert [fault.split(": ", 1)[1] for fault in faults(tmp_path, main=main, b=other, c=third)] == [
        "flow 'b' gives nothing: leave 'save' out",
        f"a notice holds at most {MOST_VALUES} values, not {MOST_VALUES + 1}",
        f"at most {MOST_PATTERNS} patterns, not {MOST_PATTERNS + 1}",
        "'n' must be quoted: \"5\"",
        "'n' must be quoted: \"5\"",
    ]
