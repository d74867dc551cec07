"""`python -m waveflow.entrypoints.cli`, where the command is not on the path."""

from __future__ import annotations

from waveflow.entrypoints.cli.main import main

if __name__ == "__main__":
    main()
