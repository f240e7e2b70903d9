"""The whole chain on one machine: the merchant, the payment service's switch, the bank, the sandbox, and a phone.

Law: four Asterisks on four loopback addresses, real SIP and RTP between them; whatever was started is stopped, always.
"""

import asyncio
import secrets
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from ivr.asterisk.settings import Ari
from ivr.domain.secret import Secret
from ivr.lab.addresses import Block
from ivr.lab.asterisk import Installation
from ivr.lab.desk import configure_desk, start_desk
from ivr.lab.party import Party
from ivr.lab.phone import Phone
from ivr.lab.ussd import USSD_PROVIDER, USSD_SECRET, inoti, know_services, services
from ivr.runtime.merchants import SCOPES
from ivr.sandbox.server import SandboxServer
from ivr.sandbox.settings import DEMO_GATEWAY, DEMO_TERMINAL, DemoInvoice, SandboxSettings

HOUSE: Final = Path(__file__).resolve().parents[2]
"""The checkout."""
BANK_DIALPLAN: Final = Path(__file__).resolve().parents[1] / "sandbox" / "bank_dialplan"

PAY_NUMBER: Final = "42473000"
"""Runs pay_invoice at the merchant: the short way."""
CHAIN_NUMBER: Final = "42473001"
"""Runs merchant_invoice at the merchant: the chain of three parties."""
SWITCH_NUMBER: Final = "42474000"
MERCHANT_PHONE: Final = "2191071390"

SHOP_KEY: Final = "the-labs-own-shop-key"
"""Opens the merchant's HTTP API to the program of a shop; worth nothing anywhere else."""
SHOP_WEBHOOK_SECRET: Final = "the-labs-own-webhook-secret"  # noqa: S105 - as above


class Town:
    """`async with Town(...)`: everything runs inside."""

    def __init__(
        self,
        asterisk: Installation,
        recordings: Path,
        *,
        prompts: Path = HOUSE / "prompts",
        dialplan: Path = HOUSE / "dialplan",
        sandbox: SandboxSettings | None = None,
        home: Path | None = None,
        apps: bool = True,
        phone: bool = True,
        visitors: Sequence[str] = (),
        paystar_timeout: str = "3s",
        numbers: Sequence[Mapping[str, object]] = (),
        hours: Mapping[str, object] | None = None,
        trunks: Mapping[str, Mapping[str, object]] | None = None,
        bank_extensions: Mapping[str, Sequence[str]] | None = None,
        strange_gateways: Sequence[str] = (),
        agi_numbers: Sequence[str] = (),
        all_flows: bool = False,
        agents: Mapping[str, str] | None = None,
        queues: Mapping[str, Sequence[str]] | None = None,
        recorded: Sequence[str] = (),
        notices: Mapping[str, str] | None = None,
        books: str | None = None,
        api: bool = False,
        webhook: str = "",
        ussd: bool = False,
    ) -> None:
        """`recordings`: built prompts. `home`: kept afterwards; None: a temporary one, removed at the end.

        `apps=False` starts the Asterisks only, `phone=False` leaves the phone's Asterisk to somebody else to drive.
        `visitors`: addresses besides the phone's that may call the merchant. `numbers`, `trunks`: the merchant's,
        besides its own; `hours`: the opening hours that these numbers name. `bank_extensions`: numbers on which the
        bank's Asterisk behaves as this dialplan says. `strange_gateways`: names of further providers of the merchant,
        PayStar with a credential it does not know.
        `agi_numbers`: the merchant's numbers whose calls come by AGI(). `agents`: names of the merchant's agents and
        the numbers of their phones, which stand on a desk of their own; `queues`: queues and who is in them.
        `recorded`: agents whose talks are recorded. `notices`: where the merchant's notices go, by name. `books`: where
        in PostgreSQL the merchant keeps them; None: in a file. `api`: the merchant serves its HTTP API to a shop, and
        tells `webhook` what became of payments. `ussd`: the merchant serves every USSD service that is shipped to the
        sandbox's network, and whoever wants a link by SMS finds it at the sandbox's.
        `all_flows`: the merchant has every flow
        of the dialplan that fits it, for somebody who will give it more numbers.
        """
        self._asterisk = asterisk
        self._recordings = recordings
        self._prompts = prompts
        self._dialplan = dialplan
        self._home = home
        self._apps = apps
        self._with_phone = phone
        self._visitors = tuple(visitors)
        self._paystar_timeout = paystar_timeout
        self._numbers = tuple(numbers)
        self._hours = dict(hours or {})
        self._trunks = dict(trunks or {})
        self._bank_extensions = dict(bank_extensions or {})
        self._strange_gateways = tuple(strange_gateways)
        self._agi_numbers = tuple(agi_numbers)
        self._all_flows = all_flows
        self._agents = dict(agents or {})
        self._queues = dict(queues or {})
        self._recorded = frozenset(recorded)
        self._notices = dict(notices or {})
        self._api = api
        self._webhook = webhook
        self._books = books
        self._ussd = ussd
        self._sandbox_settings = sandbox or SandboxSettings()
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def _start(self) -> None:
        self.home = self._home or Path(tempfile.mkdtemp(prefix="ivr-lab-"))
        if self._home is None:
            self._stack.callback(shutil.rmtree, self.home, ignore_errors=True)
        block = self._stack.enter_context(Block())
        self.sandbox = await self._stack.enter_async_context(SandboxServer(self._sandbox_settings))
        names = ("merchant", "switch", "bank", "phone", *(("desk",) if self._agents else ()))
        parties = {name: Party(name, block.address(), self.home / name, self._asterisk) for name in names}
        self.merchant, self.switch, self.bank = parties["merchant"], parties["switch"], parties["bank"]
        self.handset = parties["phone"]
        if self._ussd:
            know_services(self.sandbox, self.ussd_url)
            self._notices = {"sms": f"{self.sandbox.admin_url}/_sandbox/sms", **self._notices}
        self.parties = tuple(parties.values())
        self._configure()
        if self._agents:
            configure_desk(parties["desk"], self.merchant, self._passwords)
        for party in parties.values():
            self._stack.push_async_callback(party.stop)
        await asyncio.gather(*(party.start_asterisk() for party in parties.values()))
        if self._apps:
            await asyncio.gather(*(party.start_app() for party in (self.merchant, self.switch, self.bank)))
        if self._with_phone:
            self.phone = await self.new_phone()
            self._stack.push_async_callback(self.phone.stop)
        if self._agents:
            self.desk = await start_desk(parties["desk"], self.merchant, list(self._agents))
            self._stack.push_async_callback(self.desk.stop)

    @property
    def invoices(self) -> Sequence[DemoInvoice]:
        """The invoices that the sandbox began with."""
        return self._sandbox_settings.invoices

    @property
    def ussd_url(self) -> str:
        """Where the merchant's USSD services are, but for their names."""
        return f"{self.merchant.web_url}/ussd/{USSD_SECRET}"

    async def new_phone(self) -> Phone:
        """Drive the phone's Asterisk."""
        ari = Ari(f"http://{self.handset.address}:{self.handset.ari_port}", "ivr", Secret(self.handset.password))
        phone = Phone(ari, self.handset.address, self.home / "heard")
        await phone.start()
        return phone

    def _configure(self) -> None:
        merchant, switch, bank, handset = self.merchant, self.switch, self.bank, self.handset
        sequence = DEMO_GATEWAY.sequence.reveal()
        paystar: dict[str, object] = {
            "kind": "paystar_saman",
            "base_url": self.sandbox.paystar_url,
            "sequence": {"env": "PAYSTAR_SEQUENCE"},
            "read_timeout": self._paystar_timeout,
            "connect_timeout": "2s",
        }
        mellat: dict[str, object] = {
            **paystar,
            "kind": "paystar_mellat",
            "base_url": self.sandbox.mellat_url,
            "sequence": {"env": "MELLAT_SEQUENCE"},
        }
        web: dict[str, object] = {
            "kind": "web_gateway",
            "base_url": self.sandbox.web_gateway_url,
            "api_key": {"env": "WEB_API_KEY"},
            "return_url": f"{merchant.web_url}/back/web?order={{order_id}}",
        }
        pod: dict[str, object] = {
            "kind": "pod",
            "base_url": self.sandbox.pod_url,
            "token": {"env": "POD_TOKEN"},
            "api_key": {"env": "POD_API_KEY"},
            "pay_host": self.sandbox.pod_url,
            "redirect_uri": f"{merchant.web_url}/back/pod",
            "call_uri": f"{merchant.web_url}/called/pod",
            "read_timeout": self._paystar_timeout,
            "connect_timeout": "2s",
        }
        merchant.environment["POD_TOKEN"] = self._sandbox_settings.pod.token.reveal()
        merchant.environment["POD_API_KEY"] = self._sandbox_settings.pod.api_key.reveal()
        for party in (merchant, switch):
            party.environment["PAYSTAR_SEQUENCE"] = sequence
        merchant.environment["WEB_API_KEY"] = DEMO_TERMINAL.api_key.reveal()
        merchant.environment["MELLAT_SEQUENCE"] = sequence
        merchant.environment["STRANGE_SEQUENCE"] = "nobody-knows-this-one"
        account = self._sandbox_settings.inoti
        merchant.environment |= {
            "USSD_SECRET": USSD_SECRET,
            "INOTI_USERNAME": account.username.reveal(),
            "INOTI_PASSWORD": account.password.reveal(),
        }
        self._passwords = {agent: secrets.token_urlsafe(16) for agent in self._agents}
        merchant.environment |= {_password_of(agent): password for agent, password in self._passwords.items()}
        agents = {
            agent: {"number": number, "password": {"env": _password_of(agent)}, "record": agent in self._recorded}
            for agent, number in self._agents.items()
        }
        strange = {**paystar, "sequence": {"env": "STRANGE_SEQUENCE"}}
        merchant.configure(
            trunks={
                "public": {**merchant.trunk_to(handset), "match": [handset.address, *self._visitors]},
                "bank": merchant.trunk_to(bank),
                "paystar": merchant.trunk_to(switch),
                **self._trunks,
            },
            providers={
                "paystar": paystar,
                "mellat": mellat,
                "web": web,
                "pod": pod,
                **({USSD_PROVIDER: inoti(self.sandbox.inoti_url)} if self._ussd else {}),
                **dict.fromkeys(self._strange_gateways, strange),
            },
            dialplan=self._dialplan,
            numbers=[
                {"number": PAY_NUMBER, "flow": "pay_invoice", "settings": {"merchant_phone": MERCHANT_PHONE}},
                {"number": CHAIN_NUMBER, "flow": "merchant_invoice", "settings": {"switch_number": SWITCH_NUMBER}},
                *self._numbers,
            ],
            hours=self._hours,
            services=services(MERCHANT_PHONE) if self._ussd else None,
            recordings=self._recordings,
            prompts=self._prompts,
            agi_numbers=self._agi_numbers,
            all_flows=self._all_flows,
            asterisk=self._manager() if self._agents else None,
            more={
                "agents": agents,
                "queues": {name: {"agents": list(who)} for name, who in self._queues.items()},
                "notices": {name: {"url": url} for name, url in self._notices.items()},
                **({"database": self._books, "worker": "merchant"} if self._books else {}),
                **(self._shop() if self._api else {}),
                **({"ussd": {"secret": {"env": "USSD_SECRET"}}} if self._ussd else {}),
            },
        )
        switch.configure(
            trunks={
                "merchant": switch.trunk_to(merchant, trust_headers=True),
                "public": switch.trunk_to(handset),
                "bank": switch.trunk_to(bank),
            },
            providers={"paystar": paystar},
            dialplan=self._dialplan,
            numbers=[
                {"number": SWITCH_NUMBER, "flow": "switch_invoice", "settings": {"merchant_phone": MERCHANT_PHONE}}
            ],
            recordings=self._recordings,
            prompts=self._prompts,
        )
        bank.configure(
            trunks={
                "merchant": bank.trunk_to(merchant, trust_headers=True),
                "switch": bank.trunk_to(switch, trust_headers=True),
            },
            providers={"bank": {"kind": "sandbox_bank", "base_url": self.sandbox.bank_url}},
            dialplan=BANK_DIALPLAN,
            numbers=[{"number": MERCHANT_PHONE, "flow": "bank_ivr"}],
            recordings=self._recordings,
            prompts=self._prompts,
        )
        self._add_bank_extensions()
        handset.configure(
            trunks={
                "merchant": handset.trunk_to(merchant),
                "switch": handset.trunk_to(switch),
                "bank": handset.trunk_to(bank),
            },
            recordings=self._recordings,
            prompts=self._prompts,
            modules=("res_rtp_multicast", "chan_rtp", "chan_bridge_media"),  # lead to the phone's ear
        )

    def _shop(self) -> dict[str, object]:
        """A shop whose program uses the merchant's API, by whatever the merchant has."""
        self.merchant.environment |= {"SHOP_KEY": SHOP_KEY, "SHOP_WEBHOOK_SECRET": SHOP_WEBHOOK_SECRET}
        shop: dict[str, object] = {
            "providers": ["paystar", "mellat", *([USSD_PROVIDER] if self._ussd else [])],
            "registrations": ["registration"],
            "keys": {"till": {"secret": {"env": "SHOP_KEY"}, "scopes": list(SCOPES)}},
        }
        if self._webhook:
            shop["webhook"] = {"url": self._webhook, "secret": {"env": "SHOP_WEBHOOK_SECRET"}}
        return {"merchants": {"shop": shop}}

    def _manager(self) -> dict[str, object]:
        """What the merchant needs to let agents help callers."""
        merchant = self.merchant
        merchant.environment["AMI_PASSWORD"] = secrets.token_urlsafe(16)
        ami = {"host": merchant.address, "port": merchant.ami_port, "password": {"env": "AMI_PASSWORD"}}
        return {"ami": ami, "assist_number": PAY_NUMBER}

    def _add_bank_extensions(self) -> None:
        """Asterisk joins contexts of one name, so these stand beside the bank's own number."""
        lines = [
            f"exten => {number},{priority},{application}"
            for number, applications in self._bank_extensions.items()
            for priority, application in enumerate(applications, 1)
        ]
        with (self.bank.instance.etc / "extensions.conf").open("a", encoding="utf-8") as file:
            for trunk in ("merchant", "switch"):
                file.writelines(f"{line}\n" for line in ("", f"[from-{trunk}]", *lines))


def _password_of(agent: str) -> str:
    """The environment variable that holds it."""
    return f"AGENT_{agent.upper().replace('-', '_')}"
