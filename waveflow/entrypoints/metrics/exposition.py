"""Readings in Prometheus's text format, by its own library."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector

from waveflow.entrypoints.metrics.figures import HistogramReading, Labels, Reading, Readings
from waveflow.entrypoints.metrics.table import BUCKETS_S, METRICS, PREFIX, Metric

Family = CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily

_FAMILIES: dict[str, type[Family]] = {
    "counter": CounterMetricFamily,
    "gauge": GaugeMetricFamily,
    "histogram": HistogramMetricFamily,
}


class Exposition(Collector):
    """A registry of its own, with one collector that reads everything when it is asked."""

    def __init__(self, read: Callable[[], Readings]) -> None:
        """Nothing is read yet."""
        self._read = read
        self.registry = CollectorRegistry()
        self.registry.register(self)

    def describe(self) -> Iterator[Family]:
        """All metrics, without a value."""
        return map(_family, METRICS)

    def collect(self) -> Iterator[Family]:
        """All metrics that have a value now. Those without one have no line at all."""
        readings = self._read()
        for metric in METRICS:
            family = _family(metric)
            for labels, reading in readings.get(metric.name, {}).items():
                _add(family, labels, reading)
            if family.samples:
                yield family

    def render(self) -> tuple[str, bytes]:
        """Content type and body."""
        return CONTENT_TYPE_PLAIN_0_0_4, generate_latest(self.registry)


def _family(metric: Metric) -> Family:
    return _FAMILIES[metric.kind](PREFIX + metric.name, metric.meaning, labels=metric.labels)


def _add(family: Family, labels: Labels, reading: Reading) -> None:
    if isinstance(reading, HistogramReading):
        assert isinstance(family, HistogramMetricFamily)
        bounds = [str(bound) for bound in BUCKETS_S]
        buckets = [*zip(bounds, reading.cumulated, strict=True), ("+Inf", reading.count)]
        family.add_metric(labels, buckets, reading.total_s)
    else:
        assert not isinstance(family, HistogramMetricFamily)
        family.add_metric(labels, reading)
