"""What the import contracts can't say: an allow-list for the core, sizes, docstrings."""

from __future__ import annotations

import ast
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[2]
MODULES = sorted((ROOT / "waveflow").rglob("*.py"))
MAX_LINES = 260

DOMAIN_MAY_USE = {
    "__future__",
    "abc",
    "attr",
    "attrs",
    "collections",
    "contextlib",
    "datetime",
    "enum",
    "hashlib",
    "numpy",
    "re",
    "types",
    "typing",
    "unicodedata",
    "urllib",
}
"""No file, no clock, no network, no log."""

KERNELS_MAY_USE = {
    "ctypes",
    "functools",
    "importlib",
    "llvmlite",
    "numba",
    "os",
    "pathlib",
    "platform",
    "stat",
    "tempfile",
    "threading",
}
"""What compiles, keeps and loads machine code."""

APPLICATION_MAY_USE = DOMAIN_MAY_USE | {
    "cattrs",
    "contextvars",
    "errno",
    "fcntl",
    "functools",
    "itertools",
    "json",
    "math",
    "os",
    "pathlib",
    "random",
    "secrets",
    "shutil",
    "stat",
    "structlog",
    "threading",
    "time",
}
"""Adds what the work folder, the clock, the documents and the log lines need."""


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("waveflow", include_external_packages=True, cache_dir=None)


def outside_imports(graph: grimp.ImportGraph, package: str) -> dict[str, set[str]]:
    """The modules of a package, and which packages that aren't ours each one imports."""
    modules = {package} | graph.find_descendants(package)
    return {
        module: {
            imported
            for imported in graph.find_modules_directly_imported_by(module)
            if not imported.startswith("waveflow")
        }
        for module in modules
    }


def test_the_domain_uses_nothing_but_what_is_listed(graph: grimp.ImportGraph) -> None:
    for module, imported in outside_imports(graph, "waveflow.domain").items():
        allowed = DOMAIN_MAY_USE | (KERNELS_MAY_USE if ".kernels" in module else set())
        assert imported <= allowed, module


def test_the_application_uses_nothing_but_what_is_listed(graph: grimp.ImportGraph) -> None:
    for module, imported in outside_imports(graph, "waveflow.application").items():
        assert imported <= APPLICATION_MAY_USE, module


def test_the_lists_hold_nothing_that_is_not_used(graph: grimp.ImportGraph) -> None:
    domain = set().union(*outside_imports(graph, "waveflow.domain").values())
    application = set().union(*outside_imports(graph, "waveflow.application").values())
    # attrs is a face of attr: which of the two is imported is a matter of taste.
    assert domain == (DOMAIN_MAY_USE | KERNELS_MAY_USE) - {"attr"}
    assert application | DOMAIN_MAY_USE == APPLICATION_MAY_USE


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
class TestModules:
    def test_none_is_too_long_to_be_read_at_once(self, module: Path) -> None:
        lines = len(module.read_text().splitlines())
        assert lines <= MAX_LINES

    def test_each_one_says_what_lives_in_it(self, module: Path) -> None:
        tree = ast.parse(module.read_text())
        assert ast.get_docstring(tree) or not tree.body
