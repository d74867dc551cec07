"""`python -m benchmarks`."""

import signal
import sys

from benchmarks.cli import main

if __name__ == "__main__":
    # Half-written files and processes are left to nobody.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(main())
