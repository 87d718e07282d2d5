"""What `/metrics` tells of: the fleet as it is, and how the intake fares."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from koprogo_agent.fleet.instances import Instance


class Metrics:
    """Counts, for one server."""

    def __init__(self, known: Mapping[str, Instance]) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_Fleet(known))
        self._reports = Counter(
            "koprogo_fleet_reports", "Reports that were taken", registry=self._registry
        )
        self._rejects = Counter(
            "koprogo_fleet_rejects",
            "Requests that were not, by reason",
            ["code"],
            registry=self._registry,
        )

    def taken(self) -> None:
        """A report was taken."""
        self._reports.inc()

    def rejected(self, code: str) -> None:
        """A request was not."""
        self._rejects.labels(code).inc()

    def page(self) -> bytes:
        """All of it, in the text format of Prometheus."""
        return generate_latest(self._registry)


class _Fleet(Collector):
    """Counted when it is asked for, from what is known of each instance."""

    def __init__(self, known: Mapping[str, Instance]) -> None:
        self._known = known

    def collect(self) -> Iterable[Metric]:
        gauge = GaugeMetricFamily(
            "koprogo_fleet_instances",
            "Instances by version, state and whether the association knows them",
            labels=["installed", "state", "verified"],
        )
        for (installed, state, verified), count in Tally(
            map(_labels, self._known.values())
        ).items():
            gauge.add_metric([installed, state, verified], count)
        return [gauge]


def _labels(one: Instance) -> tuple[str, str, str]:
    return one.stand.installed or "", str(one.stand.state), str(one.verified).lower()
