"""A collector for a whole module of cases."""

import pytest


@pytest.fixture(scope="module")
def shared_collector(postgres, shared_database, tmp_path_factory, launcher):
    with launcher(tmp_path_factory.mktemp("logs")) as start:
        yield start("collector", DATABASE_URL=postgres.url(shared_database, "collector"))
