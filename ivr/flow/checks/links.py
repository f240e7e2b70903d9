"""A link that nobody could ask about later.

Law: the payment of a link is inquired about at its provider by its transaction. So the transaction is one that this
provider's own answer made, as far as the flow shows who made it.
"""

from ivr.flow.checks.written import Written


def check(written: Written) -> None:
    """Blame a link whose transaction is another provider's."""
    steps = written.flow.steps.values()
    for step in steps:
        if step.facts.inquired is None:
            continue
        provider, name = step.facts.inquired
        makers = {
            other.facts.asked for other in steps if name in frozenset().union(*(other.facts.makes or {}).values())
        }
        for other in sorted(maker for maker in makers if maker not in (None, provider)):
            written.blame(
                None,
                step.name,
                f"'{name}' comes from '{other}', and the payment of this link is inquired about at '{provider}', "
                f"which does not know it: the payment's provider is '{other}'",
            )
