"""What POD can be asked, declared: arguments, results, exits, and what may be done when no answer came."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from ivr.domain.operations import Argument, Kind, Operation, Role
from ivr.providers import pod_wire

_BILL: Final = MappingProxyType(
    {"bill_id": Argument(Kind.DIGITS, most=26), "payment_id": Argument(Kind.DIGITS, most=26)}
)
_ID: Final = Argument(Kind.DIGITS, most=pod_wire.MOST_ID)
_OPTIONAL: Final = Argument(Kind.TEXT, required=False, most=512)
_REFUSALS: Final = frozenset({"invalid_bill", "already_paid", "traffic_bill", "gateway_invalid", "refused"})
_LINK: Final = MappingProxyType(
    {"unique_number": Argument(Kind.TEXT), "redirect_uri": _OPTIONAL, "call_uri": _OPTIONAL, "gateway": _OPTIONAL}
)
_FOUND: Final = frozenset({"paid", "not_paid", "cancelled", "failed", "other"})
_BILL_RESULTS: Final = MappingProxyType(
    {
        **dict.fromkeys(("id", "tracking_number"), Kind.DIGITS),
        "amount": Kind.AMOUNT,
        **dict.fromkeys(("company", "reference", "status", "can_cancel"), Kind.TEXT),
    }
)

OPERATIONS: Final[Mapping[str, Operation]] = MappingProxyType(
    {
        operation.name: operation
        for operation in (
            Operation(
                "read_bill",
                dict.fromkeys(("bill_id", "payment_id", "barcode"), Argument(Kind.DIGITS, False, 26)),
                {
                    **dict.fromkeys(("bill_id", "payment_id", "barcode", "service"), Kind.DIGITS),
                    "kind": Kind.TEXT,
                    "amount": Kind.AMOUNT,
                },
                frozenset({"ok", "invalid_bill", "traffic_bill"}),
                unknown_when="never: its digits say it all, and nothing is asked",
            ),
            Operation(
                "pay_bill",
                {**_BILL, "amount": Argument(Kind.AMOUNT, required=False)},
                _BILL_RESULTS,
                _REFUSALS | {"paid"},
                Role.CHARGE,
                frozenset({"paid"}),
                may_repeat=False,
                inquiry="bill_status",
                unknown_when="no whole answer, 999, 227, 502 or a code nobody knows, a status that is not paid, "
                "another bill or amount",
            ),
            Operation(
                "issue_invoice",
                _BILL,
                {"invoice_id": Kind.DIGITS, "unique_number": Kind.TEXT, "amount": Kind.AMOUNT},
                _REFUSALS | {"ok"},
                inquiry="bill_status",
                unknown_when="no clear answer, another bill or amount, no unique number; asked again, POD answers with "
                "the same invoice",
            ),
            Operation(
                "payment_link",
                _LINK,
                {"url": Kind.TEXT},
                frozenset({"ok", "gateway_invalid", "refused"}),
                unknown_when="no clear answer, no link in it or several; nothing moves",
            ),
            Operation(
                "pay_url", _LINK, {"url": Kind.TEXT}, unknown_when="never: it is made here, and nothing is asked"
            ),
            Operation(
                "bill_status",
                _BILL,
                _BILL_RESULTS,
                _FOUND | {"not_found", "invalid_bill", "gateway_invalid", "refused"},
                Role.INQUIRY,
                _FOUND,
                unknown_when="no clear answer, or one with another amount; a bill that is not listed, not paid, "
                "cancelled, failed or in a status nobody knows",
            ),
            Operation(
                "list",
                {
                    **dict.fromkeys(
                        ("offset", "size", "bill_id", "payment_id", "id"), Argument(Kind.DIGITS, False, 26)
                    ),
                    **dict.fromkeys(("reference_number", "from_date", "to_date"), _OPTIONAL),
                },
                {"count": Kind.DIGITS, "bills": Kind.TEXT},
                frozenset({"ok", "gateway_invalid", "refused"}),
                unknown_when="no clear answer",
            ),
            Operation(
                "cancel",
                {"id": _ID},
                exits=frozenset({"cancelled", "not_cancellable", "not_found", "gateway_invalid", "refused"}),
                role=Role.REVERSAL,
                with_results=frozenset(),
                inquiry="bill_status",
                unknown_when="no clear answer, or one that is not cancelled; asked again by a person, it looks first "
                "where the bill stands",
            ),
        )
    }
)
