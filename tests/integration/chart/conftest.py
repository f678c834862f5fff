"""Helm for the chart's tests."""

from pathlib import Path

import pytest

from builders.helm import Helm


@pytest.fixture(scope="session")
def helm(helm_program: Path, tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """Helm without a cluster: it renders and checks."""
    return Helm(helm_program, tmp_path_factory.mktemp("helm"))
