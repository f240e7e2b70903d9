"""The bank's role behind its IVR: take the money of a transaction once, and say later whether it was taken."""

from aiohttp import web

from ivr.domain.digits import is_digits
from ivr.domain.secret import Secret
from ivr.sandbox.desk import MOST_BODY, Body, Desk, say


def bank_app(desk: Desk) -> web.Application:
    """`POST /bank/settle` {merchant_id, transaction_id, amount, pan, pin} -> {result, reference, reason}.

    `result` is approved, declined (with a reason), wrong_card, wrong_pin or duplicate. `POST /bank/inquire`
    {transaction_id} -> {result: approved | none, reference}.
    """
    counter = _Bank(desk)
    app = web.Application(client_max_size=MOST_BODY)
    app.router.add_post("/bank/settle", desk.serve("settle", counter.settle))
    app.router.add_post("/bank/inquire", desk.serve("inquire", counter.inquire))
    return app


class _Bank:
    def __init__(self, desk: Desk) -> None:
        self._books = desk.books

    def settle(self, request: web.Request, body: Body) -> tuple[web.Response, str]:
        amount = body.get("amount")
        texts = [body.get(name) for name in ("merchant_id", "transaction_id", "pan", "pin")]
        merchant, transaction, pan, pin = (t if isinstance(t, str) and is_digits(t) else None for t in texts)
        if not merchant or not transaction or not pan or not pin or type(amount) is not int:
            return _bad()
        done = self._books.settle(merchant, transaction, amount, Secret(pan), Secret(pin))
        return say({"result": done.result, "reference": done.reference, "reason": done.reason}), done.result

    def inquire(self, request: web.Request, body: Body) -> tuple[web.Response, str]:
        transaction = body.get("transaction_id")
        if not isinstance(transaction, str):
            return _bad()
        reference = self._books.settled.get(transaction)
        result = "approved" if reference else "none"
        return say({"result": result, "reference": reference}), result


def _bad() -> tuple[web.Response, str]:
    return say({"result": "invalid"}, 400), "invalid"
