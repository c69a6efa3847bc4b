"""The tiny random base that most trainings start from, and where they put what they make."""

from __future__ import annotations

from pathlib import Path

import pytest

from sami_eval.align import chain
from sami_eval.core.types import Model
from tests.align_models import Said, save_base


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """Read by many tests: none writes into its folder."""
    return save_base(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def setup(base: Model, tmp_path: Path) -> chain.Setup:
    return chain.Setup(base, tmp_path / "adapters", 0, "embedded", Said())
