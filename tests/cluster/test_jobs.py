"""Jobs are submitted, as users submit them, to the cluster that deploy/local starts."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import masksearch_ray as ms

ROOT = Path(__file__).parent.parent.parent
SCRIPT = ROOT / "deploy" / "local" / "cluster"
# A machine at work on other things starts a cluster's twenty processes slowly.
pytestmark = pytest.mark.timeout(400)

SQL = "SELECT mask_id FROM masks WHERE CP(mask, roi, (:low, 1.0)) > 8 ORDER BY mask_id"


@dataclass(frozen=True)
class Ended:
    """A job that has ended: what it logged, its own exit status, that of ``ray job submit``."""

    log: str
    status: int
    submitted: int


class LocalCluster:
    """The cluster of deploy/local: a head without CPUs and two nodes of one."""

    def __init__(self, folder: str) -> None:
        self.environment = os.environ | {"MASKSEARCH_CLUSTER": folder, "PYTHON": sys.executable}
        self._jobs = 0
        self.script("start", "2", "1")
        told = re.findall(r"^export (\w+)=(.*)$", self.script("env"), re.MULTILINE)
        self.settings = dict(told)
        self.environment.update(self.settings)

    def script(self, *arguments: str) -> str:
        """Run the script; gives what it prints."""
        done = subprocess.run(
            [SCRIPT, *arguments], env=self.environment, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def submit(self, *entrypoint: str) -> Ended:
        """Submit a job and wait for its end."""
        self._jobs += 1
        name = f"job-{self._jobs}"
        ray = str(Path(sys.executable).with_name("ray"))
        command = [ray, "job", "submit", "--submission-id", name, "--working-dir", str(ROOT)]
        done = subprocess.run(
            [*command, "--", "python", *entrypoint],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=300,
        )
        info = self.ask(f"/api/jobs/{name}", self.token)
        return Ended(done.stdout + done.stderr, info["driver_exit_code"], done.returncode)

    @property
    def token(self) -> str:
        """What its users have to show."""
        return Path(self.settings["RAY_AUTH_TOKEN_PATH"]).read_text(encoding="utf-8").strip()

    def ask(self, path: str, token: str | None) -> Any:
        """Ask the job server."""
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        url = self.settings["RAY_API_SERVER_ADDRESS"] + path
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as answer:
            return json.load(answer)


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    with tempfile.TemporaryDirectory(prefix="ms-") as folder:
        cluster = LocalCluster(f"{folder}/c")
        yield cluster
        cluster.script("stop")
        assert not Path(f"{folder}/c").exists()


def test_a_query_is_answered_by_workers_of_both_nodes(
    cluster: LocalCluster, url: str, tmp_path: Path
) -> None:
    target = tmp_path / "found.parquet"
    asked = ("--collection", url, "--sql", SQL, "--param", "low=0.5", "--roi", "full_image")
    ended = cluster.submit("jobs/query.py", *asked, "--output", str(target))
    assert (ended.status, ended.submitted) == (0, 0), ended.log
    with ms.open(url) as collection:
        expected = collection.sql(SQL, {"low": 0.5}, roi="full_image").table
    assert expected.num_rows > 0
    assert pq.read_table(target).equals(expected)
    assert "by 2 workers of 2 nodes" in ended.log
    actors = cluster.ask("/api/v0/actors?detail=1", cluster.token)["data"]["result"]["result"]
    nodes = {actor["node_id"] for actor in actors if actor["class_name"] == "ShardActor"}
    assert len(nodes) == 2


@pytest.mark.parametrize(
    ("change", "status", "told"),
    [
        ({"--sql": "SELECT mask_id FROM masks WHERE"}, 2, "error: "),
        ({"--collection": "/nowhere/masks"}, 2, "error: /nowhere/masks: "),
    ],
    ids=["bad SQL", "no collection"],
)
def test_a_failure_has_the_status_of_the_command_line(
    cluster: LocalCluster, url: str, change: dict[str, str], status: int, told: str
) -> None:
    asked = {"--collection": url, "--sql": SQL} | change
    ended = cluster.submit("jobs/query.py", *(part for pair in asked.items() for part in pair))
    assert ended.status == status, ended.log
    assert ended.submitted == 1  # Ray's own, whatever the job's was
    assert told in ended.log


def test_nobody_is_heard_without_the_token(cluster: LocalCluster) -> None:
    assert cluster.ask("/api/version", cluster.token)
    for token in (None, "0" * 64):
        with pytest.raises(urllib.error.HTTPError) as refused:
            cluster.ask("/api/jobs/", token)
        with refused.value as answer:
            assert answer.code in (401, 403)


def test_it_listens_on_loopback_only(cluster: LocalCluster) -> None:
    listening = [
        line.split()[1].partition(":")[0]
        for table in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
        if line.split()[3] == "0A"
    ]
    # 127.0.0.1, and the same as an IPv6 address.
    assert set(listening) <= {"0100007F", "0000000000000000FFFF00000100007F"}
    assert len(listening) > 5


def test_its_folder_is_private_and_a_second_one_is_refused(cluster: LocalCluster) -> None:
    folder = Path(cluster.environment["MASKSEARCH_CLUSTER"])
    assert folder.stat().st_mode & 0o077 == 0
    again = subprocess.run(
        [SCRIPT, "start"], env=cluster.environment, capture_output=True, text=True, timeout=60
    )
    assert again.returncode == 1
    assert "stop it first" in again.stderr
