"""Names of buckets."""

import pytest

from event_tracker.core.storage.bucket import split_s3_url


@pytest.mark.parametrize(
    ("url", "bucket", "prefix"),
    [
        ("s3://lake", "lake", ""),
        ("s3://lake/", "lake", ""),
        ("s3://lake/a/b", "lake", "a/b/"),
        ("s3://lake//a/b//", "lake", "a/b/"),
        ("s3:///a", "", "a/"),
    ],
)
def test_a_bucket_and_how_its_keys_begin(url, bucket, prefix):
    assert split_s3_url(url) == (bucket, prefix)
