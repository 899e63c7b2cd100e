"""The query service's folder of columns on the local disk: its own, and gone with it."""

import os
import stat

import pytest
import requests


@pytest.fixture
def start(start_service, postgres, database, tmp_path):
    """start(SETTING=...): a query service with its columns in tmp_path/cache."""
    url = postgres.url(database, "query")
    return lambda **settings: start_service(
        "query", **{"DATABASE_URL": url, "CACHE_FOLDER": tmp_path / "cache", **settings}
    )


def folders(tmp_path):
    return [path for path in (tmp_path / "cache").iterdir() if path.is_dir()]


def test_each_process_has_a_folder_of_its_own_and_deletes_it(start, tmp_path):
    one, other = start(), start()
    assert len(folders(tmp_path)) == 2
    assert {stat.S_IMODE(path.stat().st_mode) for path in [tmp_path / "cache", *folders(tmp_path)]} == {0o700}
    one.stop()
    assert len(folders(tmp_path)) == 1
    other.stop()
    assert list((tmp_path / "cache").iterdir()) == []


def test_what_a_killed_process_left_is_deleted_by_the_next(start, tmp_path):
    start().kill()
    (left,) = folders(tmp_path)
    start()
    (own,) = folders(tmp_path)
    assert own != left


def test_the_metrics_tell_of_it(start):
    metrics = requests.get(f"{start().url}/metrics", timeout=30).text
    for name in ("columns_cache_bytes", "columns_blocks_fetched_total", "columns_memory_bytes"):
        assert f"\n{name} " in metrics


def test_a_folder_of_another_account_is_refused(start, tmp_path):
    if os.getuid() != 0:
        pytest.skip("only root can give a folder away")
    (tmp_path / "cache").mkdir()
    os.chown(tmp_path / "cache", 12345, 12345)
    service = start(wait=False)
    assert service.process.wait(60) != 0
    assert "belongs to another account" in service.log.read_text()
