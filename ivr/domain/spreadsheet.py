"""Cells that people open with a spreadsheet program.

Law: what an outsider wrote is text there, never a formula: Excel, LibreOffice and Google Sheets run what begins with
one of a few characters, also when the cell is quoted.
"""

from typing import Final

FORMULAS: Final = tuple("=+-@\t\r\n|%＝＋－＠")
"""A text that begins so is taken for a formula, or for one's beginning."""


def cell(value: str | int | None) -> str | int:
    """The same, with an apostrophe before a text that could run. Whole numbers stay numbers."""
    if value is None:
        return ""
    if isinstance(value, int):
        return value
    clean = value.replace("\x00", "")
    return f"'{clean}" if clean.lstrip(" \u00a0\u200b\u200c\u200e\u200f\ufeff").startswith(FORMULAS) else clean
