"""npm's packages of `examples/`, and programs that run on them."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
RECEIVER = EXAMPLES / "receiver"
MODULES = EXAMPLES / "node_modules"


def need_packages() -> None:
    """Skip the test, or fail it where CI runs, unless node and the packages are there."""
    if shutil.which("node") is None:
        _without("node is not installed")
    if not MODULES.is_dir():
        _without("the packages of examples/ are not installed: npm ci --prefix examples")


def _without(reason: str) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def compile_receiver() -> None:
    """TypeScript to JavaScript, as `npm run build` does. Raises `AssertionError` with its words."""
    compiler = MODULES / "typescript" / "bin" / "tsc"
    done = subprocess.run(
        ["node", compiler, "--project", RECEIVER], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr


def run_node(script: Path, *arguments: str | Path, timeout_s: float = 60.0) -> str:
    """What a script printed. Raises `AssertionError` with what it said, if it failed."""
    done = subprocess.run(
        ["node", script, *arguments], capture_output=True, text=True, timeout=timeout_s
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def bundle_page() -> None:
    """The page and the libraries in one file, as `npm run build` does."""
    script = MODULES / "esbuild" / "bin" / "esbuild"
    options = ["--bundle", "--format=esm", "--sourcemap", "--outfile=dist/page.js"]
    done = subprocess.run(
        ["node", script, "page.js", *options],
        cwd=EXAMPLES / "browser",
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
