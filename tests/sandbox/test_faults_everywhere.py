"""Every fault that makes sense at every operation of every provider, and what its real client then says."""

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp
import pytest

from ivr.domain.errors import BadInput, OutcomeUnknown, ProviderUnreachable
from ivr.domain.secret import Secret
from ivr.payments.port import Reply, Value
from ivr.providers.inoti import Inoti
from ivr.providers.paystar_mellat import PaystarMellat
from ivr.providers.paystar_saman import PaystarSaman
from ivr.providers.pod import Pod
from ivr.providers.web_gateway import WebGateway
from ivr.sandbox.bank import SandboxBank
from ivr.sandbox.faults import PLACES, Fault, FaultKind
from ivr.sandbox.server import SandboxServer
from ivr.sandbox.settings import DEMO_CARDS

CARD = DEMO_CARDS[0]
BILL = {"bill_id": "7748317800142", "payment_id": "1770160"}
OTHER_BILL = {"bill_id": "2050327604613", "payment_id": "1070189"}

UNKNOWN = (FaultKind.DROP, FaultKind.HTTP_ERROR, FaultKind.GARBAGE, FaultKind.HALF_BODY)
"""After these nobody knows."""
HARMLESS = (FaultKind.PERSIAN_DIGITS, FaultKind.WRONG_TYPE, FaultKind.SLOW_DRIP)
"""After these the answer is what it was."""
PAGES = {"web_page", "web_pay", "pod_page", "pod_pay", "inoti_page", "inoti_pay"}
ASKS = {"ussd_request", "ussd_callback"}
"""There iNoti asks the merchant."""
NOT_EVERYWHERE = {
    FaultKind.PERSIAN_DIGITS: PAGES | ASKS,
    FaultKind.WRONG_AMOUNT: PLACES.keys()
    - {"create_transaction", "web_check", "pod_pay_bill", "pod_issue_invoice", "pod_list", "inoti_payments"},
    FaultKind.CODE: PLACES.keys()
    - {"bpm_otp", "bpm_pay", "web_request", "web_check"}
    - {"pod_pay_bill", "pod_issue_invoice", "pod_payment_link", "pod_list", "pod_cancel"},
    FaultKind.DUPLICATE_CALLBACK: PLACES.keys() - {"web_pay", "pod_pay", "ussd_callback"},
    **dict.fromkeys((FaultKind.RESEND, FaultKind.LOST, FaultKind.REORDER), PLACES.keys() - {"ussd_request"}),
    **dict.fromkeys((FaultKind.NO_CALLBACK, FaultKind.WRONG_RRN), PLACES.keys() - {"ussd_callback"}),
    **dict.fromkeys((*UNKNOWN, FaultKind.WRONG_TYPE, FaultKind.SLOW_DRIP, FaultKind.REFUSE), ASKS),
}

Ask = Callable[[], Awaitable[Reply]]


@pytest.fixture
async def asks(
    sandbox: SandboxServer,
    paystar: PaystarSaman,
    bank: SandboxBank,
    mellat: PaystarMellat,
    gateway: WebGateway,
    pod: Pod,
    inoti: Inoti,
) -> AsyncIterator[dict[str, Ask]]:
    """One question for each operation that a client of ours asks; each can be asked again and answers the same."""
    transaction = (await paystar.ask("create_transaction", {"invoice_id": "65843148"})).values
    made = await gateway.ask("create_invoice", {"amount": 1000})
    otp: dict[str, Value] = {"card": CARD.pan, "amount": 1000, "order_id": "1"}
    charge = {**otp, "otp": Secret("000000"), "caller": "09121234567"}  # a password that was never sent: 55
    settle = {**transaction, "card": CARD.pan, "pin": CARD.pin}
    await pod.ask("pay_bill", BILL)
    unique = {"unique_number": (await pod.ask("issue_invoice", OTHER_BILL)).values["unique_number"]}
    ussd = sandbox.inoti_books.ask_for("123", "09121234567", 160000, "42")
    sandbox.inoti_books.pay(ussd)
    paid: dict[str, Value] = {"session": "123", "mobile": "09121234567", "amount": 160000, "our_factor": "42"}
    claim = {**paid, "their_factor": str(ussd.their_factor), "rrn": str(ussd.rrn)}
    yield {
        "create_factor": lambda: paystar.ask("create_invoice", {"amount": 1000, "order_id": "1"}),
        "create_transaction": lambda: paystar.ask("create_transaction", {"invoice_id": "65843149"}),
        "result": lambda: paystar.ask("result", {"invoice_id": "65843151"}),
        "settle": lambda: bank.ask("settle", settle),
        "bpm_otp": lambda: mellat.ask("request_otp", otp),
        "bpm_pay": lambda: mellat.ask("pay", charge),
        "web_request": lambda: gateway.ask("create_invoice", {"amount": 1000}),
        "web_check": lambda: gateway.ask(
            "check", {"invoice_id": str(made.values["tracking_code"]), "amount": 1000}
        ),
        "pod_pay_bill": lambda: pod.ask("pay_bill", BILL),
        "pod_issue_invoice": lambda: pod.ask("issue_invoice", OTHER_BILL),
        "pod_payment_link": lambda: pod.ask("payment_link", unique),
        "pod_list": lambda: pod.ask("bill_status", BILL),
        "inoti_payments": lambda: inoti.ask("verify_payment", claim),
    }  # fmt: skip


OPERATIONS = sorted(PLACES.keys() - PAGES - ASKS - {"inquire", "pod_cancel"})


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_after_a_fault_the_client_says_what_is_true(
    sandbox: SandboxServer, asks: dict[str, Ask], operation: str
) -> None:
    """Unknown where nobody can know, unchanged where the form alone is odd; and then all is well by itself."""
    ask = asks[operation]
    usual = (await ask()).exit
    usual = (await ask()).exit if operation == "settle" else usual  # settled now, and a duplicate from here on
    for kind, commit in itertools.product(UNKNOWN, (False, True)):
        await sandbox.set_fault(Fault(operation, kind, commit=commit))
        with pytest.raises(OutcomeUnknown):
            await ask()
    await sandbox.set_fault(Fault(operation, FaultKind.SLOW_DRIP, seconds=600))
    with pytest.raises(OutcomeUnknown):
        await ask()
    for kind in HARMLESS:
        await sandbox.set_fault(Fault(operation, kind, seconds=0.05))
        assert (await ask()).exit == usual, kind
    await sandbox.set_fault(Fault(operation, FaultKind.REFUSE, seconds=3600))
    with pytest.raises(ProviderUnreachable):
        await ask()
    await sandbox.clear_faults()
    assert (await ask()).exit == usual
    assert sandbox.faults.all() == []


async def test_a_refusing_provider_is_the_only_one(sandbox: SandboxServer, asks: dict[str, Ask]) -> None:
    """The others go on."""
    for provider in ("paystar", "bank", "mellat", "web_gateway", "pod", "inoti"):
        await sandbox.clear_faults()
        refused = next(operation for operation in OPERATIONS if PLACES[operation].provider == provider)
        await sandbox.set_fault(Fault(refused, FaultKind.REFUSE, seconds=3600))
        for operation in OPERATIONS:
            if PLACES[operation].provider == provider:
                with pytest.raises(ProviderUnreachable):
                    await asks[operation]()
            else:
                await asks[operation]()


async def test_another_amount_in_an_answer(sandbox: SandboxServer, asks: dict[str, Ask]) -> None:
    """A price as text stays text; where the amount is known to be ours, another one is no answer."""
    await sandbox.set_fault(Fault("create_transaction", FaultKind.WRONG_AMOUNT))
    assert (await asks["create_transaction"]()).values["amount"] == 2_500_000 + 1000
    for operation in ("pod_issue_invoice", "pod_list"):
        await sandbox.set_fault(Fault(operation, FaultKind.WRONG_AMOUNT))
        with pytest.raises(OutcomeUnknown, match="another amount"):
            await asks[operation]()
    await sandbox.set_fault(Fault("inoti_payments", FaultKind.WRONG_AMOUNT))
    assert (await asks["inoti_payments"]()).code == "near"


@pytest.mark.parametrize("kind", [*UNKNOWN, FaultKind.WRONG_TYPE, FaultKind.SLOW_DRIP, FaultKind.DELAY])
@pytest.mark.parametrize("operation", ["web_page", "web_pay"])
async def test_pages_fail_too(
    sandbox: SandboxServer, gateway: WebGateway, web: aiohttp.ClientSession, operation: str, kind: FaultKind
) -> None:
    """A payer meets what a client meets, and the invoice is paid once at most."""
    made = await gateway.ask("create_invoice", {"amount": 1000, "return_url": "http://127.0.0.1:1/"})
    url = str(made.values["pay_url"])
    form = {"pan": CARD.pan.reveal(), "pin": CARD.pin.reveal(), "action": "pay"}
    await sandbox.set_fault(Fault(operation, kind, seconds=0.05, commit=True))
    for _ in range(2):
        try:
            answering = web.get(url) if operation == "web_page" else web.post(url, data=form, allow_redirects=False)
            async with answering as answer:
                await answer.read()
        except aiohttp.ClientError:
            assert kind in UNKNOWN
    paid = CARD.balance - sandbox.books.accounts[CARD.pan].balance
    assert paid == (1000 if operation == "web_pay" else 0)
    assert sandbox.faults.all() == []


@pytest.mark.parametrize("kind", FaultKind)
@pytest.mark.parametrize("operation", PLACES)
def test_a_fault_that_makes_no_sense_is_refused(operation: str, kind: FaultKind) -> None:
    """Nothing silently does nothing."""
    code = "55" if kind is FaultKind.CODE else ""
    if operation in NOT_EVERYWHERE.get(kind, ()):
        with pytest.raises(BadInput, match="makes no sense"):
            Fault(operation, kind, code=code)
    else:
        assert Fault(operation, kind, code=code).kind is kind


@pytest.mark.parametrize(("kind", "code"), [(FaultKind.CODE, ""), (FaultKind.CODE, "x"), (FaultKind.DROP, "55")])
def test_a_code_belongs_to_a_fault_of_its_kind(kind: FaultKind, code: str) -> None:
    """And is digits."""
    with pytest.raises(BadInput, match="code"):
        Fault("bpm_pay", kind, code=code)
