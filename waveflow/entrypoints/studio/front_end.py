"""Where the page's files are, and whether all of them are there."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from waveflow.domain.errors import PermanentError

PAGE = Path(__file__).with_name("page")
VENDOR = Path(__file__).with_name("vendor")
LIBRARY = VENDOR / "wavesurfer.esm.js"
_VENDOR_SCRIPT = Path(__file__).with_name("vendor.sh")


class NotInstalled(PermanentError):
    """Raised when a part of the studio is missing; the sentence says how to get it."""

    default_code = "not_installed"


def require_installed(
    library: Path | None = None, modules: Sequence[str] = ("starlette", "uvicorn")
) -> None:
    """Raises `NotInstalled` without the web framework, or without the page's library."""
    library = library or LIBRARY
    missing = [name for name in modules if find_spec(name) is None]
    if missing:
        raise NotInstalled(
            f"The studio needs {' and '.join(missing)}. Run `make studio` in a checkout, or"
            " `python -m pip install 'waveflow[studio]'`."
        )
    if not library.is_file():
        raise NotInstalled(
            "The studio's page needs wavesurfer.js, which is not here yet. Run `make studio` in a"
            f" checkout, or {_VENDOR_SCRIPT} (both need npm)."
        )
