"""The same call written by hand: as a dialplan with Read and CURL, and as the one line that hands it to FastAGI.

Law: it does what the flow pay_invoice does on its good path, with the same prompts, and no more: it keeps no books, it
cannot find out later what became of a payment, and what it reads aloud is what it was given beforehand.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ivr.domain.speech import Amount, Digits, Prompt, Say
from ivr.lab.bench.settings import AMOUNT, MERCHANT_PHONE, NUMBER
from ivr.prompts.speaking import speak
from ivr.prompts.units import Currency

LANGUAGE: Final = "fa"
MODULES: Final = ("app_stack",)
"""Needed beside BENCH_MODULES: Dial runs a subroutine that adds the header."""

ASK_INVOICE: Final = ("invoice/welcome", "invoice/enter_number")
CONNECTING: Final = ("pay/connecting_to_bank",)
NOT_CONFIRMED: Final = ("pay/not_confirmed",)
PAID: Final = ("pay/paid", "pay/tracking_number_is")
GOODBYE: Final = ("common/goodbye",)
MOST_DIGITS: Final = 12
TRANSACTION_DIGITS: Final = 8
PATIENCE: Final = 7
"""Seconds for a key."""


def read_amount(amount: int) -> list[str]:
    """The amount and the question, as prompts."""
    say: list[Say] = [Prompt("pay/amount_payable"), Amount(amount), Prompt("pay/is"), Prompt("pay/press_keys")]
    return speak(say, LANGUAGE, Currency.RIAL)


def paid(transaction: str) -> list[str]:
    """That it is paid, with the number to keep."""
    return [*PAID, *speak([Digits(transaction)], LANGUAGE, Currency.RIAL)]


def files(sounds: Path, prompts: Sequence[str]) -> str:
    """Prompts as Asterisk's applications take them."""
    return "&".join(f"{sounds}/{LANGUAGE}/{name}" for name in prompts)


def dialplan(sounds: Path, provider: str, sequence: str) -> str:
    """(a): everything in the dialplan."""
    tracking = files(sounds, [f"digit/${{TRANSACTION:{at}:1}}" for at in range(TRANSACTION_DIGITS)])
    body = '{"invoice_id":${INVOICE},"merchant_cid":"${CALLERID(num)}","ivr":0,"type":1}'
    return f"""
[from-public](+)
exten => {NUMBER},1,Answer()
 same => n,Read(INVOICE,{files(sounds, ASK_INVOICE)},{MOST_DIGITS},,1,{PATIENCE})
 same => n,Set(CURLOPT(httpheader)=Authorization: Bearer {sequence})
 same => n,Set(CURLOPT(httpheader)=Content-Type: application/json)
 same => n,Set(CURLOPT(conntimeout)=2)
 same => n,Set(CURLOPT(httptimeout)=3)
 same => n,Set(REPLY=${{CURL({provider}/api/ivr/create-transaction,{body})}})
 same => n,Set(TRANSACTION=${{JSON_DECODE(REPLY,transactionId)}})
 same => n,GotoIf($["${{TRANSACTION}}" = ""]?sorry)
 same => n,Set(MERCHANT=${{JSON_DECODE(REPLY,merchantId)}})
 same => n,Set(PRICE=${{JSON_DECODE(REPLY,price)}})
 same => n,Read(KEY,{files(sounds, read_amount(AMOUNT))},1,,1,{PATIENCE})
 same => n,GotoIf($["${{KEY}}" != "1"]?sorry)
 same => n,Playback({files(sounds, CONNECTING)})
 same => n,Set(ID={MERCHANT_PHONE}*${{MERCHANT}}*${{TRANSACTION}})
 same => n,Set(CALLERID(all)="${{ID}}" <${{ID}}>)
 same => n,Dial(PJSIP/{MERCHANT_PHONE}@bank,30,gb(bench-headers^s^1(${{PRICE}})))
 same => n,Set(REPLY=${{CURL({provider}/api/ivr/get-transaction-result?tracking_code=${{INVOICE}})}})
 same => n,GotoIf($["${{JSON_DECODE(REPLY,status)}}" != "1"]?sorry)
 same => n,Playback({files(sounds, PAID)}&{tracking})
 same => n,Playback({files(sounds, GOODBYE)})
 same => n,Hangup()
 same => n(sorry),Playback({files(sounds, NOT_CONFIRMED)})
 same => n,Hangup()
{_HEADERS}"""


def agi_dialplan(address: str, port: int) -> str:
    """(b): the call is FastAGI's from the beginning."""
    return f"""
[from-public](+)
exten => {NUMBER},1,AGI(agi://{address}:{port}/pay)
 same => n,Hangup()
{_HEADERS}"""


_HEADERS: Final = """
[bench-headers]
exten => s,1,Set(PJSIP_HEADER(add,Amount)=${ARG1})
 same => n,Return()
"""
