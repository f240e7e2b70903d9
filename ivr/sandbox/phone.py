"""The handset: a telephone in the browser, at `/phone` of iNoti's pages.

Law: the page is one file that loads nothing from anywhere; what it does goes through the same network as everybody's.

GET    /phone                                -> the page
POST   /phone/dial    {mobile, dialled}      -> what the telephone shows (`_plain`)
POST   /phone/reply   {session, text}        -> the same
POST   /phone/hang_up {session}              -> the same
GET    /phone/state?mobile=                  -> its SMS, the codes there are, and the faults that wait for it
POST   /phone/faults  {mobile, choice}       -> {"waiting": [{name, text}]}; a choice of `phone_words.CHOICES`
DELETE /phone/faults?mobile=                 -> the same: nothing goes wrong for this telephone any more
"""

import re
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import msgspec
from aiohttp import web

from ivr.domain.errors import BadInput
from ivr.domain.phone import mobile
from ivr.sandbox.desk import Desk, say
from ivr.sandbox.faults import Fault
from ivr.sandbox.phone_page import phone_page
from ivr.sandbox.phone_words import CHOICES, words
from ivr.sandbox.sms import Outbox, Sms
from ivr.sandbox.ussd_network import Shown, UssdNetwork

_Shape = TypeVar("_Shape", bound=msgspec.Struct)

_LINK: Final = re.compile(r"https?://\S+")


class _Dial(msgspec.Struct, forbid_unknown_fields=True):
    mobile: str
    dialled: str


class _Reply(msgspec.Struct, forbid_unknown_fields=True):
    session: str
    text: str


class _HangUp(msgspec.Struct, forbid_unknown_fields=True):
    session: str


class _Choose(msgspec.Struct, forbid_unknown_fields=True):
    mobile: str
    choice: str


def add_phone(app: web.Application, network: UssdNetwork, desk: Desk, outbox: Outbox) -> None:
    """Put the handset on iNoti's pages."""

    async def page(request: web.Request) -> web.Response:
        return phone_page(_options())

    async def dial(request: web.Request) -> web.Response:
        asked = await _read(request, _Dial)
        return say(_plain(await network.dial(_owner(asked.mobile), asked.dialled)))

    async def reply(request: web.Request) -> web.Response:
        asked = await _read(request, _Reply)
        return say(_plain(await network.reply(asked.session, asked.text)))

    async def hang_up(request: web.Request) -> web.Response:
        asked = await _read(request, _HangUp)
        return say(_plain(network.hang_up(asked.session)))

    def waiting(owner: str) -> list[dict[str, str]]:
        kinds = [(fault.operation, fault.kind) for fault in desk.faults.all() if fault.only == owner]
        names = {(each.operation, each.kind): name for name, each in CHOICES.items()}
        return [{"name": names[kind], "text": CHOICES[names[kind]].text} for kind in kinds if kind in names]

    async def state(request: web.Request) -> web.Response:
        owner = _owner(request.query.get("mobile", ""))
        return say(
            {
                "sms": [_sms(sms) for sms in outbox.sent if sms.to == owner],
                "services": [{"code": each.code} for each in network.directory.all()],
                "waiting": waiting(owner),
            }
        )

    async def choose_fault(request: web.Request) -> web.Response:
        asked = await _read(request, _Choose)
        owner, chosen = _owner(asked.mobile), CHOICES.get(asked.choice)
        if chosen is None:
            raise BadInput("there is no such choice")
        desk.faults.add(Fault(chosen.operation, chosen.kind, seconds=chosen.seconds, only=owner))
        return say({"waiting": waiting(owner)}, 201)

    async def forget_faults(request: web.Request) -> web.Response:
        owner = _owner(request.query.get("mobile", ""))
        desk.faults.forget(owner)
        return say({"waiting": waiting(owner)})

    for method, path, handler in (
        ("GET", "/phone", page),
        ("POST", "/phone/dial", dial),
        ("POST", "/phone/reply", reply),
        ("POST", "/phone/hang_up", hang_up),
        ("GET", "/phone/state", state),
        ("POST", "/phone/faults", choose_fault),
        ("DELETE", "/phone/faults", forget_faults),
    ):
        app.router.add_route(method, path, _explained(handler))


async def _read(request: web.Request, shape: type[_Shape]) -> _Shape:
    """The body, when it is JSON of this shape and says so: a form on somebody else's page cannot."""
    if request.content_type != "application/json":
        raise BadInput("the body must be JSON")
    return msgspec.json.decode(await request.read(), type=shape)


def _options() -> str:
    """The faults, as the page's select offers them."""
    groups = {"ussd_request": "درخواست بعدی", "ussd_callback": "پس از پرداخت بعدی"}
    return "".join(
        f'<optgroup label="{label}">'
        + "".join(
            f'<option value="{name}">{each.text}</option>'
            for name, each in CHOICES.items()
            if each.operation == operation
        )
        + "</optgroup>"
        for operation, label in groups.items()
    )


def _owner(text: str) -> str:
    number = mobile(text)
    if number is None:
        raise BadInput("a mobile number looks like 09121234567")
    return number


def _explained(handler: Callable[[web.Request], Awaitable[web.Response]]) -> Callable[..., Awaitable[web.Response]]:
    async def explained(request: web.Request) -> web.Response:
        try:
            return await handler(request)
        except (BadInput, msgspec.DecodeError) as error:
            return say({"error": str(error)}, 400)

    return explained


def _plain(shown: Shown) -> dict[str, object]:
    """As JSON. `text` is what stands on the screen, `mistakes` what the merchant did wrong, in words."""
    screen = shown.screen
    return {
        "kind": shown.kind.value,
        "session": shown.session,
        "open": shown.is_open,
        "call": shown.call,
        **words(shown),
        "length": None if screen is None else screen.length,
        "most": None if screen is None else screen.most,
        "alphabet": None if screen is None else screen.alphabet,
    }


def _sms(sms: Sms) -> dict[str, object]:
    link = _LINK.search(sms.text)
    return {"number": sms.number, "at": sms.at, "text": sms.text, "link": link[0] if link else None}
