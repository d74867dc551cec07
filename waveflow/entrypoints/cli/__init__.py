"""The `waveflow` command. Imports little, so that `--help` answers at once."""

from __future__ import annotations

from waveflow.entrypoints.cli.main import main

__all__ = ["main"]
