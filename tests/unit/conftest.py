"""What makes unit tests quick without making them different."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from talkdesk_sandbox.controlplane.certificates import make_credentials


@pytest.fixture(scope="session")
def one_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with one root certificate that nobody uses."""
    return make_credentials(tmp_path_factory.mktemp("root") / "credentials").ca


@pytest.fixture(scope="module", autouse=True)
def _few_roots(one_root: Path) -> Iterator[None]:
    """Trust one root instead of all public ones: to read those takes 20 ms for each TLS context, a third of all time.

    Unit tests talk to nobody beyond this machine, and those that use TLS bring their own roots.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(os.environ, "SSL_CERT_FILE", str(one_root))
        yield
