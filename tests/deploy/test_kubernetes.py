"""The manifests for KubeRay, held to a schema of the fields that they use."""

from __future__ import annotations

import copy
import itertools
import json
import re
import shlex
from fnmatch import fnmatchcase
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

FOLDER = Path(__file__).parent.parent.parent / "deploy" / "kubernetes"
SCHEMA = json.loads((Path(__file__).parent / "kuberay.schema.json").read_text(encoding="utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def manifests(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((FOLDER / name).read_text(encoding="utf-8")))


@pytest.fixture
def cluster() -> dict[str, Any]:
    (manifest,) = manifests("raycluster.yaml")
    return manifest


@pytest.fixture
def job() -> dict[str, Any]:
    (manifest,) = manifests("rayjob.yaml")
    return manifest


def templates(spec: dict[str, Any]) -> list[dict[str, Any]]:
    groups = [spec["headGroupSpec"], *spec["workerGroupSpecs"]]
    return [group["template"]["spec"] for group in groups]


def test_they_keep_the_schema(cluster: dict[str, Any], job: dict[str, Any]) -> None:
    VALIDATOR.validate(cluster)
    VALIDATOR.validate(job)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["spec", "enableInTreeAutoscalling"], True),
        (["spec", "authOptions", "mode"], "tokens"),
        (["spec", "headGroupSpec", "rayStartParams", "num-cpus"], 0),
        (["spec", "workerGroupSpecs", 0, "minReplicas"], "0"),
        (["spec", "workerGroupSpecs", 0, "template", "spec", "containers", 0, "resources"], {}),
        (["apiVersion"], "ray.io/v1alpha1"),
    ],
)
def test_the_schema_catches_mistakes(
    cluster: dict[str, Any], path: list[str | int], value: object
) -> None:
    broken: Any = copy.deepcopy(cluster)
    place = broken
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate(broken)


def test_the_job_has_the_cluster_that_stands_alone(
    cluster: dict[str, Any], job: dict[str, Any]
) -> None:
    assert job["spec"]["rayClusterSpec"] == cluster["spec"]
    assert job["spec"]["shutdownAfterJobFinishes"]
    script = job["spec"]["entrypoint"].split()[1]
    assert script.startswith("/opt/masksearch/")
    assert (FOLDER.parent.parent / script.removeprefix("/opt/masksearch/")).is_file()


def allowed(policy: str, action: str, url: str) -> bool:
    """Whether a policy for AWS lets an object be reached."""
    path = FOLDER.parent / "aws" / "iam" / f"{policy}.json"
    return any(
        action in statement["Action"] and fnmatchcase(url, pattern)
        for statement in json.loads(path.read_text(encoding="utf-8"))["Statement"]
        for pattern in [statement["Resource"].replace("arn:aws:s3:::", "s3://")]
    )


def test_the_job_may_do_what_it_is_told_to(job: dict[str, Any]) -> None:
    words = shlex.split(job["spec"]["entrypoint"])
    given = dict(itertools.pairwise(words))
    masks, answer = f"{given['--collection']}/objects/1", given["--output"]
    assert allowed("reader", "s3:GetObject", masks)
    assert allowed("answers", "s3:PutObject", answer)
    # An answer is no part of a collection, and whoever writes answers cannot change one.
    assert not allowed("answers", "s3:PutObject", masks)
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert {"masksearch-reader", "masksearch-answers"} <= set(
        re.findall(r"policy/([a-z-]+)", readme)
    )


def test_workers_come_and_go_and_none_works_on_the_head(cluster: dict[str, Any]) -> None:
    spec = cluster["spec"]
    assert spec["enableInTreeAutoscaling"]
    assert spec["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    for group in spec["workerGroupSpecs"]:
        assert group["minReplicas"] == group["replicas"] == 0 < group["maxReplicas"]
    # The autoscaler knows a pod by its name: one that is started again would be taken for idle.
    assert all(pod["restartPolicy"] == "Never" for pod in templates(spec))


def test_nobody_without_the_token_and_nobody_is_root(cluster: dict[str, Any]) -> None:
    spec = cluster["spec"]
    assert spec["authOptions"] == {"mode": "token", "secretName": "masksearch-token"}
    assert spec["headGroupSpec"]["serviceType"] == "ClusterIP"
    for pod in templates(spec):
        for container in pod["containers"]:
            assert container["securityContext"] == spec["autoscalerOptions"]["securityContext"]
            assert container["securityContext"]["runAsNonRoot"]
            assert container["resources"]["requests"] == container["resources"]["limits"]


def test_ray_is_the_version_that_is_pinned(cluster: dict[str, Any]) -> None:
    assert cluster["spec"]["rayVersion"] == version("ray")


def test_secrets_are_named_and_never_held() -> None:
    kinds = [m["kind"] for path in FOLDER.glob("*.yaml") for m in manifests(path.name)]
    assert "Secret" not in kinds
    assert sorted(kinds) == ["NetworkPolicy", "RayCluster", "RayJob", "ServiceAccount"]


def test_pods_are_reached_by_few(cluster: dict[str, Any]) -> None:
    account, policy = manifests("access.yaml")
    assert {pod["serviceAccountName"] for pod in templates(cluster["spec"])} == {
        account["metadata"]["name"]
    }
    assert policy["spec"]["policyTypes"] == ["Ingress"]
    _among_pods, from_elsewhere = policy["spec"]["ingress"]
    head = cluster["spec"]["headGroupSpec"]["template"]["spec"]["containers"][0]
    opened = {port["containerPort"] for port in head["ports"]}
    assert {port["port"] for port in from_elsewhere["ports"]} <= opened
