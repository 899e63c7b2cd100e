"""The SDKs, installed once for all tests."""

import pytest
from sdks import Installed, install_sdks


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The SDKs."""
    return install_sdks(tmp_path_factory.mktemp("sdks"))
