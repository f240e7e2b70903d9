"""Digits that a provider's field has no room for. Law: what a caller may key, the provider can take."""

from ivr.flow.checks.written import Written


def check(written: Written) -> None:
    """Blame where the value is handed over, and name where it comes from."""
    for name, room, whose, node in written.uses.fits:
        for made, most, place in written.uses.sizes:
            if made == name and most > room:
                line = f" (line {place.start_mark.line + 1})" if place is not None else ""
                written.source.blame(
                    node, f"'{name}' can have up to {most} digits{line}, and {whose} takes no more than {room}"
                )
