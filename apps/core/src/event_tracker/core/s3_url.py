"""Places in S3, as settings and commands name them."""


def split_s3_url(url: str) -> tuple[str, str]:
    """The bucket of `s3://bucket/prefix`, which may be empty by mistake, and how its keys begin: nothing, or `prefix/`."""
    bucket, _, prefix = url.removeprefix("s3://").partition("/")
    prefix = prefix.strip("/")
    return bucket, f"{prefix}/" if prefix else ""
