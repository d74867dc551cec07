"""One studio for a module: what they ask of it doesn't depend on what others did."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.entrypoints.studio.rig import Rig, served


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with served(tmp_path_factory.mktemp("studio")) as rig:
        yield rig
