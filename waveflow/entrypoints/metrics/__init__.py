"""What a worker tells Prometheus, whose library is not loaded before there are `Metrics`."""

from waveflow.entrypoints.metrics.figures import TaskFigures
from waveflow.entrypoints.metrics.scrape import Metrics
from waveflow.entrypoints.metrics.sources import WorkerParts
from waveflow.entrypoints.metrics.surroundings import SqsFacts, Surroundings

__all__ = ["Metrics", "SqsFacts", "Surroundings", "TaskFigures", "WorkerParts"]
