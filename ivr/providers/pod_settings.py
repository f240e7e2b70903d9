"""One account at POD's gateway: where it is, what it is called with, and which service has which number."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from ivr.domain.bills import KINDS, SERVICES
from ivr.domain.errors import BadInput
from ivr.domain.operations import UNKNOWN
from ivr.domain.reading import Fields
from ivr.domain.secret import Secret
from ivr.runtime.configured import Base, read_http, read_secret
from ivr.runtime.http_client import HttpSettings

GATEWAY_PATH: Final = "/srv/sc/nzh/doServiceCall"
PAY_HOST: Final = "https://pay.pod.ir"
"""Production; the provider's own sandbox is https://sandbox.pod.ir:1033."""

PRODUCTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "pay_bill": "27903493",
        "issue_invoice": "27903191",
        "payment_link": "46547342",  # 217462 in the provider's own sandbox
        "list": "3884760",
        "cancel": "3884767",
    }
)
"""The number of each service (scProductId)."""

ERROR_EXITS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "21": "gateway_invalid",
        "http_401": "gateway_invalid",
        "http_403": "gateway_invalid",
        "141": "invalid_bill",
        "178": "invalid_bill",
        "179": "invalid_bill",
        "180": "already_paid",
        "462": "traffic_bill",
        "403": "refused",
        "227": UNKNOWN,
        "502": UNKNOWN,
        "999": UNKNOWN,
    }
)
"""The exit by the provider's code. One that is not here is `refused`, or `unknown` where money may have moved."""

EXITS: Final = frozenset({"gateway_invalid", "invalid_bill", "already_paid", "traffic_bill", "refused", UNKNOWN})

FIRST_MOBILE: Final = ("همراه اول", "hamrah aval", "hamrah-e aval", "hamrahe aval", "mci")
"""How Hamrah-e Aval may be named in a bill; its mobile bills cannot be cancelled."""

ABSENT_AFTER: Final = 900.0
MOST_CREDENTIAL: Final = 512


@dataclass(frozen=True, slots=True)
class PodSettings:
    """One account. Raises BadInput for what cannot work; credentials lose surrounding spaces."""

    http: HttpSettings
    token: Secret
    """Sent as `_token_`. The list shows the bills that this very token paid for."""
    api_key: Secret
    """Sent as `scApiKey`."""
    name: str = "pod"
    api_keys: Mapping[str, Secret] = field(default_factory=dict)
    """By the names of PRODUCTS: a service whose key is another."""
    token_issuer: str = "1"  # noqa: S105 - who made the token
    path: str = GATEWAY_PATH
    products: Mapping[str, str] = field(default_factory=lambda: PRODUCTS)
    pay_host: str = PAY_HOST
    redirect_uri: str = ""
    """Where the payer's browser comes back to; an argument of the same name goes before."""
    call_uri: str = ""
    """What POD calls after a payment; an argument of the same name goes before."""
    unique_number_field: str = "uniqueNumber"
    """Where the issued invoice holds what a payment link is made of; the document does not print that answer."""
    services: Mapping[str, str] = field(default_factory=lambda: SERVICES)
    """Kinds of bills by their digit; traffic bills are refused before anything is asked."""
    error_exits: Mapping[str, str] = field(default_factory=lambda: ERROR_EXITS)
    never_cancelled: tuple[str, ...] = FIRST_MOBILE
    """Words in a mobile bill's company by which it cannot be cancelled."""
    absent_after: float = ABSENT_AFTER
    """Seconds after which a wallet payment that the list does not have has not happened."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "token", _credential("token", self.token))
        object.__setattr__(self, "api_key", _credential("api_key", self.api_key))
        keys = {name: _credential(f"api_keys: {name}", key) for name, key in self.api_keys.items()}
        object.__setattr__(self, "api_keys", keys)
        if not self.path.startswith("/"):
            raise BadInput("a path must begin with /")
        if wrong := (self.api_keys.keys() | self.products.keys()) - PRODUCTS.keys():
            raise BadInput(f"there is no service {', '.join(sorted(wrong))}")
        if wrong_exits := set(self.error_exits.values()) - EXITS:
            raise BadInput(f"error_exits: no such exit: {', '.join(sorted(wrong_exits))}")
        for name in ("pay_host", "redirect_uri", "call_uri"):
            if (address := getattr(self, name)) or name == "pay_host":
                web_address(name, address)
        if not 0 < self.absent_after <= 7 * 24 * 3600:
            raise BadInput("absent_after must be more than 0 and at most a week")


def web_address(name: str, text: str) -> str:
    """The same. Raises BadInput, with its name, when it is no http(s) address that a form can carry."""
    host = text.partition("://")[2]
    if not text.startswith(("http://", "https://")) or not host or not text.isascii() or not text.isprintable():
        raise BadInput(f"{name} must be an address: http(s)://host…")
    return text


def read(fields: Fields, name: str, base: Base) -> PodSettings:
    """The settings of one `kind: pod`."""
    product_fields = fields.fields("products", "'products'", required=False)
    products = {service: product_fields.text(service) for service, _, _ in product_fields.names()}
    error_fields = fields.fields("error_exits", "'error_exits'", required=False)
    errors = {code: error_fields.text(code) for code, _, _ in error_fields.names()}
    return PodSettings(
        http=read_http(fields, base),
        token=read_secret(fields, "token", base),
        api_key=read_secret(fields, "api_key", base),
        name=name,
        api_keys={
            each: read_secret(fields, f"api_key_{each}", base) for each in PRODUCTS if fields.has(f"api_key_{each}")
        },
        token_issuer=fields.text("token_issuer", "1"),
        path=fields.text("path", GATEWAY_PATH),
        products={**PRODUCTS, **products},
        pay_host=fields.text("pay_host", PAY_HOST),
        redirect_uri=fields.text("redirect_uri", ""),
        call_uri=fields.text("call_uri", ""),
        unique_number_field=fields.text("unique_number_field", "uniqueNumber"),
        services=base.bill_services,
        error_exits={**ERROR_EXITS, **errors},
        never_cancelled=tuple(text for text, _ in fields.texts("never_cancelled", required=False)) or FIRST_MOBILE,
        absent_after=fields.seconds("absent_after", ABSENT_AFTER, most=7 * 24 * 3600),
    )


def read_services(fields: Fields) -> Mapping[str, str]:
    """`bill_services: {"7": other, "8": tax}`: what sources differ about; the usual table for the rest."""
    found = {}
    for digit, key, _ in fields.names():
        if len(digit) != 1 or digit not in "0123456789":
            fields.source.blame(key, f"'{digit}' is no service: one digit")
        found[digit] = fields.one_of(digit, KINDS)
    return {**SERVICES, **found}


def _credential(name: str, secret: Secret) -> Secret:
    text = secret.reveal().strip()
    if not text or len(text) > MOST_CREDENTIAL or not text.isascii() or not text.isprintable():
        raise BadInput(f"{name} must be 1 to {MOST_CREDENTIAL} printable ASCII characters")
    return Secret(text)
