"""Which bank issued a card, as its first six digits tell.

Law: this names a bank to its own customer and decides nothing. An unknown prefix is no fault: new ones appear, and
published tables disagree. Here stand only prefixes that the tables we compared name alike (persian-tools'
`banksCode` among them, 2024); those of banks that were merged away are left out.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

PREFIX_DIGITS: Final = 6

UNKNOWN_ISSUER: Final = "unknown"
"""What a card is of whose prefix is not in the table."""

ISSUERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "502229": "pasargad",
        "502806": "shahr",
        "502908": "tosee_taavon",
        "502910": "karafarin",
        "502938": "dey",
        "504172": "resalat",
        "504706": "shahr",
        "505416": "gardeshgari",
        "505785": "iran_zamin",
        "585947": "khavarmianeh",
        "585983": "tejarat",
        "589210": "sepah",
        "589463": "refah",
        "603769": "saderat",
        "603770": "keshavarzi",
        "603799": "melli",
        "606373": "mehr_iran",
        "610433": "mellat",
        "621986": "saman",
        "622106": "parsian",
        "627353": "tejarat",
        "627412": "eghtesad_novin",
        "627488": "karafarin",
        "627760": "post_bank",
        "627961": "sanat_madan",
        "628023": "maskan",
        "636214": "ayandeh",
        "639346": "sina",
        "639347": "pasargad",
        "639607": "sarmayeh",
        "991975": "mellat",
    }
)
"""First six digits -> a bank's name, which is also the name of its prompt in the group `issuer`."""


def issuer_of(card: str) -> str:
    """The bank's name, or UNKNOWN_ISSUER."""
    return ISSUERS.get(card[:PREFIX_DIGITS], UNKNOWN_ISSUER)
