"""The one place where adapters are chosen and everything gets its collaborators."""

from waveflow.entrypoints.container.whole import Container, container_for, deliver_to, watch_work

__all__ = ["Container", "container_for", "deliver_to", "watch_work"]
