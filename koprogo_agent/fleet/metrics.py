"""What `/metrics` tells of: the fleet as it is, and how the intake fares."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from koprogo_agent.fleet.known import Known
from koprogo_agent.fleet.releases import Releases


class Metrics:
    """Counts, for one server."""

    def __init__(self, known: Known, releases: Releases) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_Fleet(known, releases))
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

    def rejects(self) -> dict[str, int]:
        """How many were not, by reason, since the server began."""
        (metric,) = self._rejects.collect()
        samples = (one for one in metric.samples if one.name.endswith("_total"))
        return {one.labels["code"]: int(one.value) for one in samples}

    def page(self) -> bytes:
        """All of it, in the text format of Prometheus."""
        return generate_latest(self._registry)


class _Fleet(Collector):
    """What is counted anyway."""

    def __init__(self, known: Known, releases: Releases) -> None:
        self._known = known
        self._releases = releases

    def collect(self) -> Iterable[Metric]:
        gauge = GaugeMetricFamily(
            "koprogo_fleet_instances",
            "Instances by version, state (or how absent) and whether the association knows them",
            labels=["installed", "state", "verified"],
        )
        for kind, count in self._known.counts().items():
            gauge.add_metric([kind.installed, kind.state, str(kind.verified).lower()], count)
        newest = GaugeMetricFamily(
            "koprogo_fleet_newest", "The release that was named last", labels=["tag"]
        )
        if self._releases.newest:
            newest.add_metric([self._releases.newest], 1)
        return [gauge, newest]
