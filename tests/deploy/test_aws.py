"""The cluster on EC2: Ray's own validator, and policies that allow what is used and no more."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config

import masksearch_ray as ms
from masksearch_ray.session.export import ParquetTarget
from tests.storage.servers import moto

FOLDER = Path(__file__).parent.parent.parent / "deploy" / "aws"
POLICIES = sorted((FOLDER / "iam").glob("*.json"))
READING = {"s3:GetObject", "s3:ListBucket"}
WRITING = {"s3:AbortMultipartUpload", "s3:DeleteObject", "s3:PutObject"}


@pytest.fixture
def config() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((FOLDER / "cluster.yaml").read_text(encoding="utf-8"))
    return loaded


def policy(name: str) -> list[dict[str, Any]]:
    document = json.loads((FOLDER / "iam" / f"{name}.json").read_text(encoding="utf-8"))
    assert set(document) == {"Version", "Statement"}
    assert document["Version"] == "2012-10-17"
    statements: list[dict[str, Any]] = document["Statement"]
    return statements


def listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def actions(name: str) -> set[str]:
    return {action for statement in policy(name) for action in listed(statement["Action"])}


def test_ray_takes_the_cluster(config: dict[str, Any]) -> None:
    validate_config(prepare_config(config))


@pytest.mark.parametrize(
    ("key", "value"), [("max_workers", "16"), ("max_wrkers", 16), ("head_node_type", "heads")]
)
def test_ray_refuses_mistakes(config: dict[str, Any], key: str, value: object) -> None:
    with pytest.raises(Exception, match=r"max_w|head_node_type|not of type"):
        validate_config(prepare_config({**config, key: value}))


def test_workers_are_spot_and_come_and_go(config: dict[str, Any]) -> None:
    types = config["available_node_types"]
    head = types.pop(config["head_node_type"])
    assert head["resources"]["CPU"] == 0
    assert "InstanceMarketOptions" not in head["node_config"]
    assert len(types) >= 2
    for kind in types.values():
        assert kind["min_workers"] == 0 < kind["max_workers"]
        assert kind["node_config"]["InstanceMarketOptions"] == {"MarketType": "spot"}
        assert kind["resources"]["CPU"] > 0
    assert config["idle_timeout_minutes"] <= 10


def test_the_cluster_is_shut_to_strangers(config: dict[str, Any]) -> None:
    assert config["provider"]["use_internal_ips"]
    assert "--env RAY_AUTH_MODE=token" in config["docker"]["run_options"]
    assert "~/.ray/auth_token" in config["file_mounts"]
    (started,) = [c for c in config["head_start_ray_commands"] if "ray start" in c]
    assert "--dashboard-host=127.0.0.1" in started
    for kind in config["available_node_types"].values():
        node = kind["node_config"]
        # Without these Ray makes its own: a group that opens SSH to all, an almighty role.
        assert {"SecurityGroupIds", "SubnetIds", "KeyName", "IamInstanceProfile"} <= set(node)
        assert node["MetadataOptions"]["HttpTokens"] == "required"
        assert all(disk["Ebs"]["Encrypted"] for disk in node["BlockDeviceMappings"])


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: path.stem)
def test_a_policy_names_what_it_allows(path: Path) -> None:
    for statement in policy(path.stem):
        assert set(statement) <= {"Sid", "Effect", "Action", "Resource", "Condition"}
        assert statement["Effect"] == "Allow"
        done = listed(statement["Action"])
        assert not any("*" in action for action in done)
        if "*" in listed(statement["Resource"]):
            # What AWS ties to no resource, and does nothing.
            assert all(
                action.startswith("ec2:Describe") or action == "ecr:GetAuthorizationToken"
                for action in done
            )


def test_readers_cannot_write() -> None:
    assert actions("reader") == READING
    assert actions("writer") == READING | WRITING


def action(method: str, path: str) -> str:
    """What IAM calls a request."""
    query = path.partition("?")[2]
    match method, query:
        case "GET", text if "list-type=2" in text:
            return "s3:ListBucket"
        case "GET" | "HEAD", _:
            return "s3:GetObject"
        case "DELETE", text if "uploadId" in text:
            return "s3:AbortMultipartUpload"
        case "DELETE", _:
            return "s3:DeleteObject"
        case "POST", "delete":
            return "s3:DeleteObject"
        case "PUT" | "POST", _:
            return "s3:PutObject"
    raise AssertionError(f"{method} {path}")


@pytest.fixture
def requested(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[[], set[str]]]:
    """What was asked of an S3 server, by its own log, as IAM calls it."""
    import boto3

    with moto() as endpoint, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        patch.setenv("AWS_ENDPOINT_URL", endpoint)
        boto3.client("s3", region_name="us-east-1").create_bucket(Bucket="lab")
        caplog.set_level(logging.INFO, logger="werkzeug")
        caplog.clear()

        def asked() -> set[str]:
            lines = [re.search(r"([A-Z]+) (\S+) HTTP", r.getMessage()) for r in caplog.records]
            found = {action(*line.groups()) for line in lines if line}
            caplog.clear()
            return found

        yield asked


def test_policies_allow_what_collections_ask_of_storage(
    requested: Callable[[], set[str]],
) -> None:
    url = "s3://lab/maps"
    masks = np.random.default_rng(0).random((6, 32, 32), np.float32)
    with ms.create(url) as collection:
        collection.append(masks)
        collection.append(masks)
        collection.delete("mask_id = 3")
        collection.compact()
        collection.vacuum(1, older_than=0)
    # Cutting an upload short is asked for only when one of many parts fails.
    assert requested() | {"s3:AbortMultipartUpload"} == actions("writer")
    with ms.open(url) as collection:
        sql = "SELECT mask_id FROM masks WHERE CP(mask, full_image, (0.5, 1.0)) > 510"
        assert len(collection.sql(sql, use_index=False)) > 0
    assert requested() == actions("reader")
    ParquetTarget("s3://lab/maps-answers/found.parquet").write(pa.table({"mask_id": [1]}))
    assert requested() | {"s3:AbortMultipartUpload"} == actions("answers")


def test_the_head_starts_and_ends_its_own_nodes_only(config: dict[str, Any]) -> None:
    name = config["cluster_name"]
    for statement in policy("autoscaler"):
        mighty = {"ec2:RunInstances", "ec2:TerminateInstances"} & set(listed(statement["Action"]))
        if mighty and any(":instance/" in r for r in listed(statement["Resource"])):
            (tags,) = statement["Condition"].values()
            assert list(tags.values()) == [name]
    (passed,) = [s for s in policy("autoscaler") if s["Action"] == "iam:PassRole"]
    worker = config["available_node_types"]["spot-m5"]["node_config"]["IamInstanceProfile"]["Name"]
    assert passed["Resource"].endswith(f":role/{worker}")
