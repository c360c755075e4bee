"""Fixtures for lanes that need a real S3 server, which `scripts/s3-server` starts.

A lane's conftest imports them; one that cannot be started fails every test of the lane.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

__all__ = ["S3Server", "run", "s3_bucket", "s3_server", "start"]

SCRIPT = str(Path(__file__).parent.parent / "scripts" / "s3-server")


@dataclass(frozen=True)
class S3Server:
    """A running server, and how to reach it."""

    environment: Mapping[str, str]
    """What a client finds everything by: ``AWS_ENDPOINT_URL_S3``, ``AWS_ACCESS_KEY_ID``, …"""

    @property
    def endpoint(self) -> str:
        return self.environment["MASKSEARCH_S3_ENDPOINT"]

    @property
    def key(self) -> str:
        return self.environment["AWS_ACCESS_KEY_ID"]

    @property
    def secret(self) -> str:
        return self.environment["AWS_SECRET_ACCESS_KEY"]

    def options(self, **more: Any) -> dict[str, Any]:
        """Storage options that say everything, whatever the environment says."""
        return {"endpoint_url": self.endpoint, "key": self.key, "secret": self.secret, **more}

    def reader_options(self) -> dict[str, Any]:
        """Options of a user who may read everything and write nothing."""
        key = self.environment["MASKSEARCH_S3_READER_KEY"]
        return self.options(key=key, secret=self.environment["MASKSEARCH_S3_READER_SECRET"])

    def client(self) -> Any:
        """Return a client that is not the project's own."""
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id=self.key,
            aws_secret_access_key=self.secret,
            region_name="us-east-1",
            config=Config(request_checksum_calculation="when_required"),
        )

    def make_bucket(self) -> str:
        """Make a bucket of its own for a test."""
        name = f"b-{uuid.uuid4().hex}"
        self.client().create_bucket(Bucket=name)
        return name

    def restart(self, down: float = 0.0) -> None:
        """Kill the gateway and start it again after `down` seconds; objects stay."""
        self._run("restart", "--down", str(down))

    def admin(self, *arguments: str) -> str:
        """Run radosgw-admin."""
        return self._run("admin", "--", *arguments)

    def _run(self, command: str, *arguments: str) -> str:
        return run(command, "--dir", self.environment["MASKSEARCH_S3_DIR"], *arguments)


def run(*arguments: str) -> str:
    """Run the script and return what it prints."""
    done = subprocess.run([SCRIPT, *arguments], capture_output=True, text=True, timeout=600)
    if done.returncode:
        pytest.fail(f"scripts/s3-server {shlex.join(arguments)}: {done.stderr}", pytrace=False)
    return done.stdout


def start(folder: str) -> S3Server:
    """Start a server whose state lies in a folder, or find the one that runs there."""
    lines = run("start", "--dir", folder).splitlines()
    words = (shlex.split(line)[1].partition("=") for line in lines)
    return S3Server({name: value for name, _, value in words})


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    """Return the server that runs in MASKSEARCH_S3_DIR, else start one for this session."""
    folder = os.environ.get("MASKSEARCH_S3_DIR")
    with tempfile.TemporaryDirectory(prefix="s3-") as parent, pytest.MonkeyPatch.context() as patch:
        state = folder or f"{parent}/server"
        server = start(state)
        for name, value in server.environment.items():
            patch.setenv(name, value)
        yield server
        if not folder:
            run("stop", "--dir", state)


@pytest.fixture
def s3_bucket(s3_server: S3Server) -> str:
    """Return the name of an empty bucket."""
    return s3_server.make_bucket()
