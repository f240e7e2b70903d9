"""What operators see in figures. One registry per application; `web` serves it.

Law: a label has few values, known beforehand (flows, providers, exits); never a number that somebody dialled or keyed.
"""

from collections.abc import Callable
from functools import cache
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_DELAYS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)
LATENCIES: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Observer:
    """Counters and histograms of the runtime."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.calls = Counter("ivr_calls", "Calls that ended, by how", ("flow", "ended"), registry=self.registry)
        self.calls_now = Gauge("ivr_calls_in_progress", "Calls being driven now", registry=self.registry)
        self.takeovers = Counter(
            "ivr_takeovers", "Living calls taken over from a process that died", registry=self.registry
        )
        self.refused = Counter(
            "ivr_calls_refused",
            "Calls that did not come to their number's own flow, by why",
            ("why",),
            registry=self.registry,
        )
        self.faults = Counter(
            "ivr_flow_faults", "Calls that were led to a flow's failure step", ("flow",), registry=self.registry
        )
        self.prompts_failed = Counter(
            "ivr_prompts_failed", "Playbacks that Asterisk could not play", registry=self.registry
        )
        self.legs = Counter("ivr_legs", "Dialled legs that ended, by how", ("trunk", "result"), registry=self.registry)
        self.provider_seconds = Histogram(
            "ivr_provider_seconds",
            "Time until a provider answered",
            ("provider", "operation", "result"),
            buckets=LATENCIES,
            registry=self.registry,
        )
        self._provider_seconds = cache(self.provider_seconds.labels)  # looking a child up costs more than observing
        self.post_key_seconds = Histogram(
            "ivr_post_key_seconds",
            "From a key's arrival to the command that plays the next prompt",
            buckets=_DELAYS,
            registry=self.registry,
        )
        self.loop_lag_seconds = Histogram(
            "ivr_loop_lag_seconds", "How late the event loop wakes up", buckets=_DELAYS, registry=self.registry
        )

        self.reloads = Counter(
            "ivr_reloads", "Reloads of the dialplan, by what became of them", ("result",), registry=self.registry
        )
        self.dialplan_faults = Gauge(
            "ivr_dialplan_faults",
            "What is wrong with the dialplan on disk as it was last read; until it is mended the one before goes on",
            registry=self.registry,
        )
        self._dialplan = Gauge(
            "ivr_dialplan_version", "The version that new calls begin on", ("version",), registry=self.registry
        )

    def dialplan_is(self, version: str) -> None:
        """The one series of `ivr_dialplan_version` says which it is; the one before is gone."""
        self._dialplan.clear()
        self._dialplan.labels(version).set(1)

    def watch(self, name: str, what: str, value: Callable[[], float]) -> None:
        """A figure that somebody else keeps; it is asked for whenever the figures are read."""
        Gauge(name, what, registry=self.registry).set_function(value)

    def provider_asked(self, provider: str, operation: str, seconds: float, result: str) -> None:
        """Shaped as the provider clients' `observe`."""
        self._provider_seconds(provider, operation, result).observe(seconds)
