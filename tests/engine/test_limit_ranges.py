"""LimitRanges: what they fill in, and what they refuse.

Sources: Kubernetes `plugin/pkg/admission/limitranger/admission.go` and
`pkg/apis/core/v1/defaults.go`.
"""

from typing import Any

import pytest

from tests.engine.manifests import Json, container, deployment, nodes, ref, template
from tests.engine.scenes import alive, play, status


def limit_range(*items: Json, name: str = "limits") -> Json:
    metadata = {"name": name, "namespace": "shop"}
    found = [{"type": "Container", **item} for item in items]
    return {
        "apiVersion": "v1",
        "kind": "LimitRange",
        "metadata": metadata,
        "spec": {"limits": found},
    }


def requested(*objects: Json) -> tuple[int, int]:
    """CPU and memory that the pods on one node request."""
    simulation = play((0, list(objects)), nodes=nodes(1, memory=1 << 40))
    return int(simulation.state.nodes["cpu"][0]), int(simulation.state.nodes["memory"][0]) >> 20


@pytest.mark.parametrize(
    ("item", "pod", "expected"),
    [
        ({"defaultRequest": {"cpu": "150m"}}, container(), (150, 0)),
        ({"defaultRequest": {"cpu": "150m"}}, container("1"), (1000, 0)),
        ({"defaultRequest": {"cpu": "150m"}}, container(limits={"cpu": "2"}), (2000, 0)),
        ({"default": {"memory": "300Mi"}}, container(), (0, 300)),
        ({"default": {"memory": "300Mi"}}, container(memory="10Mi"), (0, 10)),
        ({"max": {"cpu": "2"}}, container(), (2000, 0)),
        ({"max": {"cpu": "2"}, "default": {"cpu": "1"}}, container(), (1000, 0)),
        ({"min": {"cpu": "250m"}}, container(), (250, 0)),
        ({"min": {"cpu": "250m"}, "max": {"cpu": "2"}}, container(), (2000, 0)),
    ],
)
def test_what_is_filled_in(item: Json, pod: Json, expected: tuple[int, int]) -> None:
    assert requested(limit_range(item), deployment(template(pod))) == expected


def test_the_first_limit_range_fills_in() -> None:
    one = limit_range({"defaultRequest": {"cpu": "150m"}})
    other = limit_range({"default": {"cpu": "2", "memory": "1Mi"}}, name="other")
    assert requested(one, other, deployment(template())) == (150, 1)


def test_init_containers_are_filled_in_too() -> None:
    pod = template(container("100m"), initContainers=[container(name="init")])
    assert requested(limit_range({"defaultRequest": {"cpu": "1"}}), deployment(pod)) == (1000, 0)


def test_pods_made_before_keep_what_they_have() -> None:
    web = deployment(template(), 1)
    more = deployment(template(), 2)
    limits = limit_range({"defaultRequest": {"cpu": "1"}})
    other = limit_range({"defaultRequest": {"cpu": "2"}})
    events = (0, [web]), (1, [limits]), (2, [more]), (3, [other]), (4, [deployment(template(), 3)])
    simulation = play(*events, (5, [], [other]), (6, [deployment(template(), 4)]), nodes=nodes(1))
    assert simulation.state.nodes["cpu"][0] == 3000
    assert len({int(pod["set"]) for pod in alive(simulation)}) == 1
    simulation = play(*events, (5, [], [web]), nodes=nodes(1))
    assert simulation.state.nodes["cpu"][0] == 0


def test_a_default_memory_limit_kills_what_uses_more() -> None:
    web = deployment(template(usage={"app": "cpu=1m,memory=400Mi"}))
    limits = limit_range({"default": {"memory": "300Mi"}})
    simulation = play((0, [limits, web]), nodes=nodes(1))
    assert simulation.observe(ref())["oom_killed"] > 0


@pytest.mark.parametrize(
    ("item", "pod", "text"),
    [
        (
            {"default": {"memory": "300Mi"}},
            container(memory="1Gi"),
            (
                'invalid: spec.containers[0].resources.requests: Invalid value: "1Gi": '
                "must be less than or equal to memory limit of 300Mi"
            ),
        ),
        (
            {"min": {"cpu": "200m"}},
            container("100m"),
            "forbidden: minimum cpu usage per Container is 200m, but request is 100m",
        ),
        (
            {"max": {"cpu": "2"}},
            container("1", limits={"cpu": "3"}),
            "forbidden: maximum cpu usage per Container is 2, but limit is 3",
        ),
        (
            {"maxLimitRequestRatio": {"cpu": "2"}},
            container("1", limits={"cpu": "5"}),
            (
                "forbidden: cpu max limit to request ratio per Container is 2, "
                "but provided ratio is 5.000000"
            ),
        ),
        (
            {"maxLimitRequestRatio": {"cpu": "2"}},
            container("1"),
            (
                "forbidden: cpu max limit to request ratio per Container is 2, "
                "but no limit is specified or limit is 0"
            ),
        ),
        (
            {"type": "Pod", "max": {"memory": "1Gi"}},
            container(memory="1Gi"),
            "forbidden: maximum memory usage per Pod is 1Gi.  No limit is specified",
        ),
        (
            {"type": "Pod", "min": {"cpu": "1"}, "max": {"memory": "1Gi"}},
            container(limits={"memory": "2Gi"}),
            (
                "forbidden: [minimum cpu usage per Pod is 1.  No request is specified, "
                "maximum memory usage per Pod is 1Gi, but limit is 2Gi]"
            ),
        ),
    ],
)
def test_what_is_refused(item: Json, pod: Json, text: str) -> None:
    simulation = play((0, [limit_range(item), deployment(template(pod), 2)]), nodes=nodes(1))
    assert status(simulation).refused == {text: 2}
    assert status(simulation).total == 0


def test_what_is_filled_in_must_fit_the_whole_pod() -> None:
    # Kubernetes: pkg/apis/core/validation/validation.go, validatePodResources.
    whole = template(container(), resources={"requests": {"cpu": "12m"}})
    limits = limit_range({"defaultRequest": {"cpu": "200m"}})
    simulation = play((0, [limits, deployment(whole, 2)]), nodes=nodes(1))
    text = (
        'invalid: spec.resources.requests[cpu]: Invalid value: "12m": '
        "must be greater than or equal to aggregate container requests of 200m"
    )
    assert status(simulation).refused == {text: 2}


def test_no_filled_in_limit_may_be_above_the_whole_pods() -> None:
    # The same, validatePodResourceConsistency; seen of a real API server.
    whole = template(container(), resources={"limits": {"cpu": "4m"}})
    limits = limit_range({"defaultRequest": {"cpu": "50m"}, "default": {"cpu": "4"}})
    simulation = play((0, [limits, deployment(whole, 2)]), nodes=nodes(1))
    text = (
        'invalid: [spec.resources.requests[cpu]: Invalid value: "4m": '
        "must be greater than or equal to aggregate container requests of 50m, "
        'spec.resources.containers[0][cpu].limits: Invalid value: "4": '
        "must be less than or equal to pod limits of 4m]"
    )
    assert status(simulation).refused == {text: 2}


def test_a_change_lets_the_controller_succeed() -> None:
    strict, mild = limit_range({"max": {"cpu": "1"}}), limit_range({"max": {"cpu": "9"}})
    events: Any = (0, [strict, deployment(template(container("2")))]), (3, [mild])
    simulation = play(*events, nodes=nodes(1), until=2)
    assert status(simulation).total == 0
    simulation.advance(10)
    assert status(simulation)[3:6] == (1, 0, 1)


def test_what_of_a_limit_range_is_not_modelled_is_named() -> None:
    limits = limit_range({"max": {"ephemeral-storage": "1Gi"}}, {"type": "Image", "max": {}})
    simulation = play((0, [limits, deployment(template())]), nodes=nodes(1))
    assert simulation.warnings == (
        "LimitRange shop/limits: bounds of ephemeral-storage are not modelled",
        "LimitRange shop/limits: type Image is not modelled",
    )
