"""What deploy/kubernetes holds for a Kubernetes work pool, checked without a cluster."""

import json
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import prefect.server.api
import pytest
import yaml
from kubernetes.client import V1Job
from packaging.specifiers import SpecifierSet
from prefect.utilities.templating import apply_values, find_placeholders
from pydantic import ValidationError

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "kubernetes"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
TEMPLATE: dict[str, Any] = json.loads((FOLDER / "base-job-template.json").read_text("utf-8"))
KNOWN = {"FROM", "ENV", "WORKDIR", "COPY", "RUN", "USER"}


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions: comments left out, lines that go on joined."""
    text = (FOLDER / "Dockerfile").read_text("utf-8")
    lines = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    joined = re.sub(r"\\\n", " ", lines).splitlines()
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in joined if line)]


def of_kubernetes() -> dict[str, Any]:
    """The template that prefect-kubernetes has, as Prefect's server knows it."""
    folder = Path(prefect.server.api.__file__).parent / "collections_data" / "views"
    types = json.loads((folder / "aggregate-worker-metadata.json").read_text("utf-8"))
    found: dict[str, Any] = types["prefect-kubernetes"]["kubernetes"][
        "default_base_job_configuration"
    ]
    return found


def rendered(values: dict[str, Any]) -> dict[str, Any]:
    """The Job that a worker makes: the variables, and what it adds itself."""
    properties = TEMPLATE["variables"]["properties"]
    defaults = {name: one["default"] for name, one in properties.items() if "default" in one}
    by_worker: dict[str, Any] = {"name": "run", "labels": {"prefect.io/flow-run-id": "r"}}
    by_worker["command"] = ["prefect", "flow-run", "execute"]
    given = defaults | by_worker | values
    given["env"] = [{"name": name, "value": value} for name, value in given["env"].items()]
    found: dict[str, Any] = apply_values(
        TEMPLATE["job_configuration"]["job_manifest"], given, remove_notset=True
    )
    return found


def test_the_dockerfile_is_one_and_runs_as_nobody() -> None:
    found = instructions()
    assert found[0][0] == "FROM"
    assert {word for word, _ in found} <= KNOWN
    version = re.fullmatch(r"python:(\d+\.\d+)-slim", found[0][1])
    assert version
    assert version[1] in SpecifierSet(PROJECT["project"]["requires-python"])
    assert [rest for word, rest in found if word == "USER"] == ["1000:1000"]
    assert found[-1] == ("WORKDIR", "/data")
    for word, rest in found:
        if word == "RUN":
            assert shlex.split(rest)


def test_the_dockerfile_copies_what_is_there_and_all_of_it() -> None:
    copied = {
        source
        for word, rest in instructions()
        if word == "COPY"
        for source in shlex.split(rest)[:-1]
    }
    assert all((ROOT / source).exists() for source in copied)
    packages = set(PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"])
    built_from = {"pyproject.toml", "requirements.lock", PROJECT["project"]["readme"]}
    assert copied == packages | built_from | set(PROJECT["project"]["license-files"])


def test_the_image_is_of_this_version() -> None:
    image = f"{PROJECT['project']['name']}:{PROJECT['project']['version']}"
    assert TEMPLATE["variables"]["properties"]["image"]["default"] == image
    assert f"-t {image} ." in (FOLDER / "Dockerfile").read_text("utf-8")


def test_the_template_asks_for_what_a_kubernetes_worker_takes() -> None:
    theirs = of_kubernetes()
    assert TEMPLATE["job_configuration"].keys() <= theirs["job_configuration"].keys()
    variables = TEMPLATE["variables"]
    jsonschema.Draft202012Validator.check_schema(variables)
    asked = {one.name for one in find_placeholders(TEMPLATE["job_configuration"])}
    assert asked == variables["properties"].keys()
    own = variables["properties"].keys() - theirs["variables"]["properties"].keys()
    assert own == {"data_claim"}
    for name in variables["properties"].keys() - own:
        there = theirs["variables"]["properties"][name]
        assert variables["properties"][name].get("type") == there.get("type"), name
    assert all(one["description"] for one in variables["properties"].values())


def test_the_defaults_make_a_job_that_kubernetes_knows() -> None:
    job = rendered({})
    assert "{{" not in json.dumps(job)
    V1Job.model_validate(job)
    [container] = job["spec"]["template"]["spec"]["containers"]
    assert container["workingDir"] == container["volumeMounts"][0]["mountPath"] == "/data"
    job["spec"]["template"]["spec"]["completions"] = 1  # where the worker's own template has it
    with pytest.raises(ValidationError):
        V1Job.model_validate(job)


DEPLOYED = yaml.safe_load((FOLDER / "prefect.yaml").read_text("utf-8"))


@pytest.mark.parametrize("deployment", DEPLOYED["deployments"], ids=lambda one: one["name"])
def test_a_deployment_gives_the_variables_what_they_take(deployment: dict[str, Any]) -> None:
    assert DEPLOYED["pull"] == []
    assert deployment["work_pool"]["name"] == "kubernetes"
    given = deployment["work_pool"].get("job_variables", {})
    jsonschema.validate(given, {**TEMPLATE["variables"], "additionalProperties": False})
    V1Job.model_validate(rendered(given))
    roots = TEMPLATE["variables"]["properties"]["env"]["default"]["SIM_ARENA_ROOTS"].split(",")
    parameters = deployment["parameters"]
    for place in [parameters["runs_dir"], *parameters.get("traces", [])]:
        assert any(Path(place).is_relative_to(root) for root in roots)
