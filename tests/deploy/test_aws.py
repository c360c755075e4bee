"""The cluster on EC2: Ray's own validator, and policies that allow what is used and no more."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config

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
