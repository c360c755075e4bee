from __future__ import annotations

import pytest

from masksearch_ray.storage import Storage, open_storage
from tests.conformance.storage import StorageTests
from tests.s3_server import S3Server


class TestS3(StorageTests):
    @pytest.fixture
    def storage(self, s3_server: S3Server, s3_bucket: str) -> Storage:
        return open_storage(f"s3://{s3_bucket}/some/masks", s3_server.options())
