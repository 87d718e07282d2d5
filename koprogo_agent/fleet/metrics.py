"""What `/metrics` tells of: the fleet as it is, and how the intake fares."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from koprogo_agent.fleet.domain.known import Known
from koprogo_agent.fleet.views.progress import Progress


class Metrics:
    """Counts, for one server."""

    def __init__(self, known: Known) -> None:
        self._registry = CollectorRegistry()
        self._fleet = _Fleet(known)
        self._registry.register(self._fleet)
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

    def page(self, newest: Progress | None) -> bytes:
        """All of it, in the text format of Prometheus; with the release that was named last."""
        self._fleet.newest = newest
        return generate_latest(self._registry)


class _Fleet(Collector):
    """What is counted anyway.

    Attributes:
        newest: how the newest release fares, or None.
    """

    def __init__(self, known: Known) -> None:
        self._known = known
        self.newest: Progress | None = None

    def collect(self) -> Iterable[Metric]:
        gauge = GaugeMetricFamily(
            "koprogo_fleet_instances",
            "Instances by version, state (or how absent) and whether the association knows them",
            labels=["installed", "state", "verified"],
        )
        for kind, count in self._known.counts().items():
            gauge.add_metric([kind.installed, kind.state, str(kind.verified).lower()], count)
        yield gauge
        if self.newest is not None:
            yield from _patch(self.newest)


def _patch(newest: Progress) -> Iterator[Metric]:
    share = GaugeMetricFamily(
        "koprogo_fleet_patch_share",
        "Share of the fleet that has had the release that was named last",
        labels=["tag"],
    )
    share.add_metric([newest.tag], newest.curve.shares[-1])
    latency = GaugeMetricFamily(
        "koprogo_fleet_patch_latency_seconds",
        "Seconds from its publication until this share of the fleet had it; left out: not yet",
        labels=["tag", "quantile"],
    )
    for quantile, seconds in newest.curve.quantiles.items():
        if seconds is not None:
            latency.add_metric([newest.tag, f"0.{quantile.removeprefix('p')}"], seconds)
    yield share
    yield latency
