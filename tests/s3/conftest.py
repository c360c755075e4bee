"""The lane of the real S3 server: every test has one."""

from __future__ import annotations

import pytest

from tests.s3_server import S3Server, s3_bucket, s3_server

__all__ = ["S3Server", "s3_bucket", "s3_server"]


@pytest.fixture(autouse=True, scope="session")
def reached_by_the_environment(s3_server: S3Server) -> None:
    """Let the environment name the server before Ray starts, whose workers inherit it."""
