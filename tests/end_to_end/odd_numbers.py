"""Numbers of the merchant that run the shipped flow towards a bank that misbehaves, each in its own way, two that
cannot always be served, and the reception, which leads to other flows.

Law: the flow is the shipped one; only the number that it dials on the bank's trunk (a setting), or for a bank that is
not there at all the trunk itself, is another.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from ivr.domain.secret import Secret
from ivr.lab.town import HOUSE, MERCHANT_PHONE, SWITCH_NUMBER
from ivr.sandbox.settings import SandboxCard

BUSY: Final = "42475001"
REFUSES: Final = "42475002"
NEVER_ANSWERS: Final = "42475003"
HANGS_UP_AT_ONCE: Final = "42475004"
SPEAKS_THEN_REFUSES: Final = "42475005"
RINGS_THEN_REFUSES: Final = "42475006"
NO_SUCH_NUMBER: Final = "42475007"
BROKEN: Final = "42475008"
NOBODY_THERE: Final = "42475009"
STRANGE_GATEWAY: Final = "42475010"
"""Not the bank but the merchant's credential at PayStar is wrong."""
BY_AGI: Final = "42475020"
"""Nothing is odd about it, but that its calls come by AGI()."""
ODD_BY_AGI: Final = {n: f"4247502{n}" for n in range(1, 9)}
"""The same odd banks, reached by calls that come by AGI()."""
AGI_NUMBERS: Final = (BY_AGI, *ODD_BY_AGI.values())

NEVER_OPEN: Final = "42476017"
"""One of a pattern's: nobody is ever there."""
ONE_PLACE: Final = "42475011"
"""One caller at a time."""

RECEPTION: Final = "42475050"
"""The shipped reception, at any hour."""
RECEPTION_CLOSED: Final = "42475051"
"""The same when nobody is there, for callers who are spoken to in English."""

BY_CARD: Final = "42475060"
"""The shipped pay_by_card."""
ORDERS: Final = "42475062"
"""The shipped order_by_card."""
BILLS: Final = "42475061"
"""The shipped pay_bill, and behind its second key bill_status."""

BY_LINK: Final = "42475063"
"""The shipped pay_by_link."""

SECRET_CARD: Final = SandboxCard(Secret("6104337918265073"), Secret("739518264017"), 10**12)
"""Its number and PIN are like nothing else, so that they can be searched for."""

BANK_EXTENSIONS: Final[Mapping[str, Sequence[str]]] = {
    "2190000001": ("Busy()",),
    "2190000002": ("Hangup(21)",),
    "2190000003": ("Ringing()", "Wait(120)"),
    "2190000004": ("Answer()", "Hangup()"),
    "2190000005": ("Progress()", f"Playback({HOUSE}/var/prompts/fa/bank/welcome,noanswer)", "Hangup(21)"),
    "2190000006": ("Ringing()", "Wait(2)", "Hangup(21)"),
    "2190000008": ("Hangup(38)",),
}
"""How the bank behaves on the numbers that the odd ones dial; ...07 has no extension at all."""

_RECEPTION: Final = {
    "merchant_phone": MERCHANT_PHONE,
    "switch_number": SWITCH_NUMBER,
    "operator_number": "2142473999",
}

NUMBERS: Final[Sequence[Mapping[str, object]]] = (
    *(
        {"number": f"4247500{n}", "flow": "pay_invoice", "settings": {"merchant_phone": f"219000000{n}"}}
        for n in range(1, 9)
    ),
    {"number": BY_AGI, "flow": "pay_invoice", "settings": {"merchant_phone": MERCHANT_PHONE}},
    *(
        {"number": number, "flow": "pay_invoice", "settings": {"merchant_phone": f"219000000{n}"}}
        for n, number in ODD_BY_AGI.items()
    ),
    {"number": NOBODY_THERE, "flow": "nowhere_invoice", "settings": {"merchant_phone": "2190000009"}},
    {"number": STRANGE_GATEWAY, "flow": "strange_invoice", "settings": {"merchant_phone": "2190000010"}},
    {
        "number": "424760XX",
        "trunk": "public",
        "flow": "pay_invoice",
        "settings": {"merchant_phone": "2190000011"},
        "hours": "never",
        "closed": {"flow": "closed"},
    },
    {"number": BY_CARD, "flow": "pay_by_card"},
    {"number": BY_LINK, "flow": "pay_by_link"},
    {"number": BILLS, "flow": "pay_bill"},
    {"number": ORDERS, "flow": "order_by_card"},
    {
        "number": RECEPTION,
        "flow": "reception",
        "settings": _RECEPTION,
        "hours": "always",
        "closed": {"flow": "closed"},
    },
    {
        "number": RECEPTION_CLOSED,
        "flow": "reception",
        "settings": _RECEPTION,
        "language": "en",
        "hours": "never",
        "closed": {"flow": "closed"},
    },
    {
        "number": ONE_PLACE,
        "flow": "pay_invoice",
        "settings": {"merchant_phone": "2190000011"},
        "hours": "always",
        "closed": "unavailable",
        "most_calls": 1,
        "full": {"flow": "all_busy"},
    },
)

HOURS: Final[Mapping[str, object]] = {
    "never": {"sat-fri": "closed"},
    "always": {"sat-fri": "00:00-24:00", "holidays": "as_usual"},
}

TRUNKS: Final[Mapping[str, Mapping[str, object]]] = {"nowhere": {"host": "127.0.0.1", "port": 9}}
"""A port on which nobody listens."""

GATEWAYS: Final = ("strange",)


def write_dialplan(directory: Path) -> Path:
    """The shipped dialplan, and pay_invoice twice more: with a bank that is not there, and with a strange gateway."""
    flows = directory / "flows"
    flows.mkdir()
    for shipped in (HOUSE / "dialplan" / "flows").glob("*.yaml"):
        (flows / shipped.name).write_bytes(shipped.read_bytes())
    shipped_flow = (flows / "pay_invoice.yaml").read_text(encoding="utf-8")
    for name, ours, theirs in (
        ("nowhere_invoice", "trunk: bank\n", "trunk: nowhere\n"),
        ("strange_invoice", "paystar", "strange"),
    ):
        text = shipped_flow.replace("flow: pay_invoice\n", f"flow: {name}\n").replace(ours, theirs)
        assert theirs in text
        (flows / f"{name}.yaml").write_text(text, encoding="utf-8")
    return directory
