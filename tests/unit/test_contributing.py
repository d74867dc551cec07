"""CONTRIBUTING.md names what there is: paths, targets, classes, contracts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
BLOCKS = "\n".join(re.findall(r"^```sh\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL))
PROSE = re.sub(r"^```.*?^```", "", TEXT, flags=re.MULTILINE | re.DOTALL)
QUOTED = sorted(set(re.findall(r"`([^`\n]+)`", PROSE)))
TOP = ("waveflow", "tests", "docs", "benchmarks", "deploy", "examples")
PATHS = [
    each
    for each in QUOTED
    if re.fullmatch(r"[\w./-]+", each) and (each.split("/")[0] in TOP or "/" in each)
]
CLASSES = [each for each in QUOTED if re.fullmatch(r"([A-Z][a-z0-9]+){2,}", each)]
INVENTED = {"Manager", "Helper"}
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
SOURCES = "\n".join(
    path.read_text(encoding="utf-8")
    for folder in ("waveflow", "tests")
    for path in (ROOT / folder).rglob("*.py")
)


@pytest.mark.parametrize("path", PATHS)
def test_every_path_is_there(path: str) -> None:
    assert (ROOT / path).exists()


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)#]+)", TEXT))))
def test_every_link_leads_somewhere(link: str) -> None:
    assert (ROOT / link).exists()


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\bmake ([a-z-]+)", TEXT)) - {"are"}))
def test_every_target_can_be_made(target: str) -> None:
    assert target in TARGETS


@pytest.mark.parametrize("name", [name for name in CLASSES if name not in INVENTED])
def test_every_class_exists(name: str) -> None:
    assert re.search(rf"^class {name}\b", SOURCES, re.MULTILINE)


@pytest.mark.parametrize("name", ["ENCODINGS", "MIME_TYPES", "KINDS", "KERNELS", "inlined"])
def test_every_other_name_exists(name: str) -> None:
    assert re.search(rf"^(def )?{name}\b", SOURCES, re.MULTILINE)


@pytest.mark.parametrize("module", sorted(set(re.findall(r"python -m ([\w.]+)", TEXT))))
def test_every_module_that_is_run_exists(module: str) -> None:
    assert (ROOT / module.replace(".", "/")).with_suffix(".py").is_file()


def test_every_test_that_a_block_runs_is_there() -> None:
    paths = re.findall(r"(?:pytest|doc_blocks)((?: [\w/.-]+\.md| tests/[\w/.]+)+)", BLOCKS)
    named = [path for line in paths for path in line.split()]
    assert len(named) > 4
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_the_contract_of_the_decoders_is_called_so() -> None:
    [name] = re.findall(r'contract "(.*?)"', " ".join(TEXT.split()))
    assert f'name = "{name}"' in (ROOT / "pyproject.toml").read_text()


def test_it_says_how_to_run_all_that_takes_longer() -> None:
    """Everything that can be made is in the table, but for single steps and what sets up."""
    listed = set(re.findall(r"`make ([a-z-]+)", TEXT))
    steps = {"setup", "help", "clean", "image"}
    assert TARGETS - listed - steps == set()


def test_sizes_are_those_that_are_checked() -> None:
    assert "over 260 lines" in TEXT
    assert "MAX_LINES = 260" in (ROOT / "tests" / "unit" / "test_architecture.py").read_text()


def test_there_is_something_to_look_at() -> None:
    assert len(PATHS) > 60
    assert len(CLASSES) > 10
