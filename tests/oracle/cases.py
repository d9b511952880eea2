"""Generates cases for the scheduler's plugins: nodes, pods already there, and one pod to place.

Every case has a focus, the plugin that it is about; the rest of it is kept plain, so that the
plugin has something to decide. Cases of the focus `mixed` combine everything. A case is made from
the seed and its number alone, so that any of them can be made again.
"""

from collections.abc import Callable, Iterator
from typing import Any

from tests.oracle.pieces import (
    APPS,
    GI,
    IMAGES,
    MI,
    NAMESPACES,
    PRESSURE,
    Dice,
    Object,
    affinity_term,
    amounts,
    container,
    distinct_taints,
    host_port,
    label_selector,
    mebibytes,
    named_term,
    node_expression,
    node_term,
    nodes,
    pod,
    spread_constraints,
    taint,
    toleration,
    weighted,
)

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
_HARD, _SOFT = "NoSchedule", "PreferNoSchedule"
_EFFECTS = (_HARD, "NoExecute", _SOFT)
GPU, DEVICE = "nvidia.com/gpu", "example.com/device"

Case = dict[str, Any]


def names(made: list[Object]) -> list[str]:
    """The names of objects."""
    return [obj["metadata"]["name"] for obj in made]


def groups(dice: Dice, on: list[str], most: int, alter: Callable[[Object], None]) -> list[Object]:
    """Pods already there: few templates, each with pods on some nodes, often evenly spread."""
    made = []
    for number in range(dice.randint(0, most)):
        template = pod(dice, f"g{number}")
        alter(template)
        if dice.chance(0.4):
            where = dice.some(on, 1) * dice.randint(1, 2)
        else:
            where = dice.several(1, 6, lambda: dice.choice(on))
        made.append({"pod": template, "nodes": sorted(where)})
    return made


def siblings(dice: Dice, on: list[str], incoming: Object) -> list[Object]:
    """Pods already there that are just as the new one, or none."""
    if dice.chance(0.6):
        return []
    metadata = {**incoming["metadata"], "name": "sibling"}
    where = dice.several(1, 5, lambda: dice.choice(on))
    return [{"pod": {**incoming, "metadata": metadata}, "nodes": sorted(where), "of": "p"}]


def plain(_: Object) -> None:
    """Leave a pod as it is."""


def case(dice: Dice, made: list[Object], there: list[Object], incoming: Object) -> Case:
    """Put a case together, with the namespaces that its pods are in."""
    labels: dict[str, Object] = {"default": {}, "other": {"team": "a"}, "third": {"team": "b"}}
    found: Case = {"nodes": made, "groups": there, "pod": incoming}
    found["namespaces"] = [
        {"metadata": {"name": name, **({"labels": labels[name]} if labels[name] else {})}}
        for name in NAMESPACES
    ]
    if dice.chance(0.1):  # a namespace that nobody has made
        found["namespaces"].pop()
    return found


def affinity(spec: Object, kind: str, field: str, terms: list[Object]) -> None:
    """Add terms to a pod's affinity."""
    if terms:
        spec.setdefault("affinity", {}).setdefault(kind, {})[field] = terms


# ---- one function for each focus ---------------------------------------------------------------


def node_unschedulable(dice: Dice) -> Case:
    """Cordoned nodes, and pods that tolerate the cordon by one way or another."""
    made = nodes(dice, 1, 8)
    for node in made:
        if dice.chance(0.5):
            node["spec"] = {"unschedulable": True}
    incoming = pod(dice, "p")
    key = dice.choice(["node.kubernetes.io/unschedulable", "a", ""])
    if dice.chance(0.6):
        tolerates: Object = {"operator": "Exists"}
        if key:
            tolerates["key"] = key
        if dice.chance(0.6):
            tolerates["effect"] = dice.choice(_EFFECTS)
        incoming["spec"]["tolerations"] = [tolerates]
    return case(dice, made, [], incoming)


def node_name(dice: Dice) -> Case:
    """A pod that names its node itself, one that does not exist among them."""
    made = nodes(dice, 1, 8)
    incoming = pod(dice, "p")
    incoming["spec"]["nodeName"] = dice.choice([*names(made), "absent"])
    return case(dice, made, [], incoming)


def taint_toleration(dice: Dice) -> Case:
    """Taints of all effects, tolerated or not."""
    made = nodes(dice, 1, 12)
    effects = dice.choice([_EFFECTS, (_SOFT,), (_HARD, "NoExecute"), (_SOFT, _SOFT, _HARD)])
    for node in made:
        taints = dice.several(0, 3, lambda: taint(dice, effects))
        if taints:
            node["spec"] = {"taints": distinct_taints(taints)}
    incoming = pod(dice, "p")
    found = dice.several(0, 4, lambda: toleration(dice, effects))
    if found:
        incoming["spec"]["tolerations"] = found
    return case(dice, made, [], incoming)


def memory_pressure(dice: Dice) -> Case:
    """Nodes that are short of memory: a taint beside the static reasons to reject a node."""
    made = nodes(dice, 1, 10)
    for node in made:
        taints = [taint(dice, (_HARD, _SOFT))] if dice.chance(0.25) else []
        if dice.chance(0.5):
            taints.append(PRESSURE)
        node["spec"] = {"taints": taints, "unschedulable": dice.chance(0.15)}
        if dice.chance(0.3):
            node["status"]["declaredFeatures"] = ["RestartAllContainersOnContainerExits"]
    incoming = pod(dice, "p")
    spec = incoming["spec"]
    if dice.chance(0.3):
        spec["nodeSelector"] = {"disk": "ssd"}
    if dice.chance(0.25):
        spec["containers"].append(_ruled("RestartAllContainers"))
    if dice.chance(0.4):
        key = dice.choice([PRESSURE["key"], PRESSURE["key"], "a"])
        spec["tolerations"] = [{"key": key, "operator": "Exists"}]
        if dice.chance(0.3):
            spec["tolerations"][0]["effect"] = dice.choice(_EFFECTS)
    there = groups(dice, names(made), 3, lambda p: _sized(dice, p, 0))
    return case(dice, made, there, incoming)


def node_affinity(dice: Dice) -> Case:
    """Node selectors, required and preferred terms over the nodes' labels."""
    made = nodes(dice, 1, 14)
    for node in made:
        if dice.chance(0.8):
            node["metadata"]["labels"]["gen"] = dice.choice(
                ["3", "4", "4", "5", "10", "x", "", "007", "1_0", "9223372036854775808"][
                    : dice.choice([4, 10])
                ]
            )
    incoming = pod(dice, "p")
    spec = incoming["spec"]
    if dice.chance(0.25):
        spec["nodeSelector"] = {"disk": dice.choice(["ssd", "hdd"])}
    if dice.chance(0.6):
        terms = dice.several(1, 2, lambda: node_term(dice, names(made), empty=True))
        if dice.chance(0.15):
            terms = dice.several(1, 2, lambda: named_term(dice, names(made)))
        spec["affinity"] = {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": terms}}}
    if dice.chance(0.7):
        terms = dice.several(
            1, 3, lambda: weighted(dice, "preference", node_term(dice, names(made), empty=True))
        )
        affinity(spec, "nodeAffinity", PREFERRED, terms)
    return case(dice, made, [], incoming)


def node_ports(dice: Dice) -> Case:
    """Host ports on several addresses and protocols, by pods already there and the new one."""

    def add(template: Object) -> None:
        ports = dice.several(1, 2, lambda: host_port(dice))
        distinct = {(p["hostPort"], p.get("hostIP"), p.get("protocol", "TCP")): p for p in ports}
        template["spec"]["containers"][0]["ports"] = list(distinct.values())
        if dice.chance(0.15):
            sidecar = {"name": "s", "image": "i", "ports": [host_port(dice)]}
            if dice.chance(0.6):
                sidecar["restartPolicy"] = "Always"
            template["spec"]["initContainers"] = [sidecar]

    made = nodes(dice, 1, 6)
    there = groups(dice, names(made), 3, add)
    incoming = pod(dice, "p")
    add(incoming)
    if dice.chance(0.1):
        incoming["spec"]["hostNetwork"] = True
        for port in incoming["spec"]["containers"][0]["ports"]:
            if dice.chance(0.5):  # it is the container's
                del port["hostPort"]
    if dice.chance(0.3):  # too large for some of the nodes, or for all
        requests = {"cpu": dice.choice(["1500m", "3", "9"])}
        incoming["spec"]["containers"][0]["resources"] = {"requests": requests}
        incoming["spec"]["priority"] = dice.choice([0, 10])
    return case(dice, made, there, incoming)


def _shape(dice: Dice, spec: Object, resources: tuple[str, ...]) -> None:
    """Give a pod containers of all kinds, overhead and requests of its own."""
    number = iter(range(9))
    spec["containers"] = dice.several(1, 2, lambda: container(dice, f"c{next(number)}", resources))
    if dice.chance(0.3):
        spec["initContainers"] = dice.several(
            1, 3, lambda: container(dice, f"c{next(number)}", resources)
        )
        for init in spec["initContainers"]:
            if dice.chance(0.5):
                init["restartPolicy"] = "Always"
    if dice.chance(0.1):
        spec["overhead"] = amounts(dice)
    if dice.chance(0.16):
        wanted = {"cpu": dice.choice(["3", "4"]), "memory": dice.choice(["4Gi", "6Gi"])}
        kept = dice.some(sorted(wanted), 1)
        spec["resources"] = {dice.choice(["requests", "limits"]): {k: wanted[k] for k in kept}}
        if dice.chance(0.15):
            for field in ("requests", "limits"):
                spec["resources"].setdefault(field, {})["hugepages-2Mi"] = "4Mi"
        if dice.chance(0.2):
            spec["overhead"] = amounts(dice)


def _allocatable(dice: Dice, made: list[Object], wanted: tuple[str, ...]) -> None:
    """Give some nodes the resources that few nodes have."""
    amount = {
        "ephemeral-storage": ["2Gi", "4Gi", "10Gi"],
        GPU: ["0", "1", "2", "4"],
        DEVICE: ["1", "2"],
        "hugepages-2Mi": ["64Mi", "4Mi"],
    }
    for node in made:
        for name in wanted:
            if dice.chance(0.75):
                node["status"]["allocatable"][name] = dice.choice(amount[name])


def _ask(dice: Dice, template: Object, wanted: tuple[str, ...]) -> None:
    """Ask for whole devices, where limits must equal requests."""
    some = {
        GPU: ["1", "1", "2", "0"],
        DEVICE: ["1", "2"],
        "hugepages-2Mi": ["2Mi", "4Mi", "64Mi"],
    }
    for name in wanted:
        if name in some and dice.chance(0.6):
            spec = template["spec"]
            holder = dice.choice([*spec["containers"], *spec.get("initContainers", [])])
            holder["resources"].setdefault("limits", {})[name] = dice.choice(some[name])
            if name == "hugepages-2Mi":  # the API server wants cpu or memory beside them
                holder["resources"]["limits"].setdefault("cpu", "2")


def fit(dice: Dice) -> Case:
    """Resources of all kinds; the new pod often takes exactly what a node has left."""
    wanted = dice.choice(
        [(), (), ("ephemeral-storage",), (GPU,), (GPU, DEVICE), (DEVICE, "hugepages-2Mi")]
    )
    plain_names = tuple(n for n in wanted if n == "ephemeral-storage")
    resources = ("cpu", "memory", *plain_names)
    made = nodes(dice, 1, 9)
    _allocatable(dice, made, wanted)

    def add(template: Object) -> None:
        if dice.chance(0.5):
            _shape(dice, template["spec"], resources)
        else:
            template["spec"]["containers"] = [container(dice, "c", resources)]
        _ask(dice, template, wanted)

    there = groups(dice, names(made), 5, add)
    incoming = pod(dice, "p")
    add(incoming)
    if dice.chance(0.35):
        _fit_exactly(dice, made, there, incoming)
    elif dice.chance(0.1):
        incoming["spec"]["containers"] = [{"name": "c", "image": "i"}]
    return case(dice, made, there, incoming)


def _fit_exactly(dice: Dice, made: list[Object], there: list[Object], incoming: Object) -> None:
    """Make a pod as large as what a node has left, or just above or below it."""
    target = dice.choice(made)
    name = target["metadata"]["name"]
    for group in there:  # plain pods, whose requests are easily added up
        requests = {"cpu": f"{dice.choice([100, 250])}m", "memory": f"{dice.choice([64, 200])}Mi"}
        group["pod"]["spec"] = {
            "containers": [{"name": "c", "image": "i", "resources": {"requests": requests}}]
        }
    on_it = [group["pod"] for group in there for node in group["nodes"] if node == name]
    asked = [p["spec"]["containers"][0]["resources"]["requests"] for p in on_it]
    sizes = target["status"]["allocatable"]
    sizes |= {"cpu": dice.choice(["2", "4"]), "memory": dice.choice(["4Gi", "8Gi"])}
    cpu = int(sizes["cpu"]) * 1000 - sum(int(a["cpu"][:-1]) for a in asked)
    memory = int(sizes["memory"][:-2]) * GI - sum(int(a["memory"][:-2]) * MI for a in asked)
    cpu += dice.choice([-1, 0, 0, 1])
    memory += dice.choice([-1, 0, 0, 1])
    requests = {"cpu": f"{max(0, cpu)}m", "memory": mebibytes(max(0, memory))}
    kept = dice.some(sorted(requests), 1)
    incoming["spec"] = {
        "containers": [
            {"name": "c", "image": "i", "resources": {"requests": {k: requests[k] for k in kept}}}
        ]
    }


def resource_scores(dice: Dice) -> Case:
    """Room for the pod on every node: what the nodes are left with decides."""
    made = nodes(dice, 2, 10, pods="110")
    for node in made:
        node["status"]["allocatable"] |= {
            "cpu": dice.choice(["16", "32", "8", "7", "12345m"]),
            "memory": dice.choice(["32Gi", "64Gi", "16Gi", "30000000000"]),
        }
        if dice.chance(0.04):
            node["status"]["allocatable"][dice.choice(["cpu", "memory"])] = "0"

    def add(template: Object) -> None:
        if dice.chance(0.3):
            _shape(dice, template["spec"], ("cpu", "memory"))
        elif dice.chance(0.85):
            template["spec"]["containers"] = [container(dice, "c")]

    there = groups(dice, names(made), 6, add)
    incoming = pod(dice, "p")
    add(incoming)
    return case(dice, made, there, incoming)


def least_amounts(dice: Dice) -> Case:
    """The smallest requests and nodes that there are: 1m of cpu, one byte, one device."""
    sizes = ["0", "1m", "2m", "3m", "5m"]
    made = nodes(dice, 2, 8, pods="110")
    for node in made:
        amount = {"cpu": dice.choice(sizes), "memory": dice.choice(["0", "1", "2", "3", "5"])}
        if dice.chance(0.7):
            amount[DEVICE] = dice.choice(["0", "1", "2"])
        node["status"]["allocatable"] |= amount

    def add(template: Object) -> None:
        wanted = {"cpu": ["0", "1m", "2m"], "memory": ["0", "1", "2"], DEVICE: ["0", "1"]}
        asked = {name: dice.choice(some) for name, some in wanted.items() if dice.chance(0.7)}
        limits = {DEVICE: asked[DEVICE]} if DEVICE in asked else {}
        template["spec"]["containers"][0]["resources"] = {"requests": asked, "limits": limits}
        if dice.chance(0.3):
            template["spec"]["containers"].append({"name": "d", "image": "i"})
            template["spec"]["resources"] = {"limits": _limits(dice)}

    there = groups(dice, names(made), 3, add)
    incoming = pod(dice, "p")
    add(incoming)
    return case(dice, made, there, incoming)


def _limits(dice: Dice) -> Object:
    """Limits of a whole pod, of one resource or both, and no requests."""
    return {name: "9m" if name == "cpu" else "9" for name in dice.some(["cpu", "memory"], 1)}


def _tainted(dice: Dice, made: list[Object], incoming: Object) -> None:
    """Taints and a node selector, which the inclusion policies of constraints are about."""
    for node in made:
        if dice.chance(0.2):
            node["spec"] = {"taints": [taint(dice, _EFFECTS)]}
    if dice.chance(0.5):
        incoming["spec"]["tolerations"] = [toleration(dice, _EFFECTS)]
    if dice.chance(0.3):
        incoming["spec"]["nodeSelector"] = {"disk": "ssd"}
    elif dice.chance(0.2):
        terms = [{"matchExpressions": [node_expression(dice)]}]
        affinity(incoming["spec"], "nodeAffinity", REQUIRED, terms)
        incoming["spec"]["affinity"]["nodeAffinity"][REQUIRED] = {"nodeSelectorTerms": terms}


def spread_hard(dice: Dice) -> Case:
    """Constraints that must hold, in domains of about equal counts."""
    made = nodes(dice, 1, 12, pods="110", cpu="8")
    there = groups(dice, names(made), 6, plain)
    incoming = pod(dice, "p", "default" if dice.chance(0.7) else None)
    incoming["spec"]["topologySpreadConstraints"] = spread_constraints(dice, "DoNotSchedule")
    if dice.chance(0.4):
        _tainted(dice, made, incoming)
    there += siblings(dice, names(made), incoming)
    return case(dice, made, there, incoming)


def spread_soft(dice: Dice) -> Case:
    """Constraints that should hold, with several of them and nodes that lack a key."""
    made = nodes(dice, 2, 16, pods="110", cpu="8")
    there = groups(dice, names(made), 7, plain)
    incoming = pod(dice, "p", "default" if dice.chance(0.7) else None)
    constraints = spread_constraints(dice, "ScheduleAnyway", 3)
    if dice.chance(0.2):
        constraints += spread_constraints(dice, "DoNotSchedule", 1)
    incoming["spec"]["topologySpreadConstraints"] = constraints
    if dice.chance(0.4):
        _tainted(dice, made, incoming)
    there += siblings(dice, names(made), incoming)
    found = case(dice, made, there, incoming)
    if dice.chance(0.3):  # by which it would spread if it had no constraints of its own
        metadata = incoming["metadata"]
        found["services"] = [_service(dice, "s", metadata["labels"], metadata["namespace"])]
    return found


def spread_default(dice: Dice) -> Case:
    """Pods without constraints of their own, of a Service, a ReplicaSet or a StatefulSet."""
    made = nodes(dice, 2, 13, pods="110", cpu="8")
    there = groups(dice, names(made), 7, plain)
    namespace = dice.choice(["default", "default", "other"])
    incoming = pod(dice, "p", namespace)
    if dice.chance(0.25):
        _tainted(dice, made, incoming)
    found = case(dice, made, there, incoming)
    labels = incoming["metadata"]["labels"]
    if dice.chance(0.6):
        found["services"] = [
            _service(dice, f"s{n}", labels, namespace) for n in range(dice.randint(1, 2))
        ]
    owner = dice.choice(["ReplicaSet", "ReplicaSet", "StatefulSet", ""])
    if owner:
        selector = dice.choice(
            [
                {"matchLabels": {"app": labels["app"]}},
                {"matchLabels": dict(labels)},
                {"matchExpressions": [{"key": "app", "operator": "Exists"}]},
            ]
        )
        field = {"ReplicaSet": "replicasets", "StatefulSet": "statefulsets"}[owner]
        metadata = {"name": "owner", "namespace": namespace}
        found[field] = [{"metadata": metadata, "spec": {"selector": selector}}]
        incoming["metadata"]["ownerReferences"] = [_owner(owner, "owner")]
    return found


def spread_deployment(dice: Dice) -> Case:
    """A Deployment's pods on the one node that its template names, and others like them.

    They spread by their ReplicaSet alone, which no other pod belongs to.
    """
    made = nodes(dice, 2, 10, pods="110", cpu="8")
    there = groups(dice, names(made), 5, plain)
    incoming = pod(dice, "p", "default")
    incoming["spec"]["nodeName"] = dice.choice(names(made))
    found = case(dice, made, there, incoming)
    labels = incoming["metadata"]["labels"]
    if dice.chance(0.5):
        found["services"] = [_service(dice, "s", labels, "default")]
    selector = {"matchLabels": {"app": labels["app"]}}
    found["deployments"] = [
        {"metadata": {"name": "owner", "namespace": "default"}, "spec": {"selector": selector}}
    ]
    # What the Deployment's controller makes of it; the hash is any that no other pod has.
    hashed = {**labels, "pod-template-hash": "hash"}
    replica_set = {"matchLabels": {"app": labels["app"], "pod-template-hash": "hash"}}
    found["replicasets"] = [
        {
            "metadata": {"name": "owner-hash", "namespace": "default"},
            "spec": {"selector": replica_set},
        }
    ]
    owned = pod(dice, "owned", "default")
    owned["metadata"]["labels"] = hashed
    where = [incoming["spec"]["nodeName"]] * dice.randint(1, 5)
    there.append({"pod": owned, "nodes": where, "of": "owner"})
    incoming["metadata"]["labels"] = hashed
    incoming["metadata"]["ownerReferences"] = [_owner("ReplicaSet", "owner-hash")]
    return found


def _owner(kind: str, name: str) -> Object:
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "name": name,
        "uid": name,
        "controller": True,
    }


def _service(dice: Dice, name: str, labels: Object, namespace: str) -> Object:
    selector = {"app": labels["app"]} if dice.chance(0.7) else {"app": dice.choice(APPS)}
    if dice.chance(0.15):
        selector = {"v": "1"}
    spec = {} if dice.chance(0.05) else {"selector": selector}
    if dice.chance(0.15):
        namespace = dice.choice(NAMESPACES)
    return {"metadata": {"name": name, "namespace": namespace}, "spec": spec}


def affinity_required(dice: Dice) -> Case:
    """Required affinity and anti-affinity, of the new pod and of those already there."""
    made = nodes(dice, 1, 10, pods="110", cpu="8")

    def add(template: Object) -> None:
        if dice.chance(0.35):
            terms = dice.several(1, 2, lambda: affinity_term(dice))
            affinity(template["spec"], "podAntiAffinity", REQUIRED, terms)

    there = groups(dice, names(made), 5, add)
    incoming = pod(dice, "p")
    if dice.chance(0.6):
        terms = dice.several(1, 2, lambda: affinity_term(dice))
        affinity(incoming["spec"], "podAffinity", REQUIRED, terms)
    if dice.chance(0.4):
        terms = dice.several(1, 2, lambda: affinity_term(dice))
        affinity(incoming["spec"], "podAntiAffinity", REQUIRED, terms)
    if dice.chance(0.15) and "affinity" in incoming["spec"]:  # the first of its kind
        for terms in incoming["spec"]["affinity"].values():
            terms[REQUIRED][0]["labelSelector"] = {"matchLabels": incoming["metadata"]["labels"]}
    there += siblings(dice, names(made), incoming)
    return case(dice, made, there, incoming)


def affinity_preferred(dice: Dice) -> Case:
    """Preferred terms of the new pod and of those already there, and their required ones."""
    made = nodes(dice, 2, 12, pods="110", cpu="8")

    def add(template: Object) -> None:
        spec = template["spec"]
        for kind in ("podAffinity", "podAntiAffinity"):
            if dice.chance(0.4):
                terms = dice.several(
                    1, 2, lambda: weighted(dice, "podAffinityTerm", affinity_term(dice))
                )
                affinity(spec, kind, PREFERRED, terms)

    def add_required(template: Object) -> None:
        add(template)
        if dice.chance(0.4):
            terms = dice.several(1, 2, lambda: affinity_term(dice))
            affinity(template["spec"], "podAffinity", REQUIRED, terms)

    there = groups(dice, names(made), 6, add_required)
    incoming = pod(dice, "p")
    add(incoming)
    there += siblings(dice, names(made), incoming)
    return case(dice, made, there, incoming)


def image_locality(dice: Dice) -> Case:
    """Nodes that have some of the images that the pod needs."""
    made = nodes(dice, 1, 10, pods="110", cpu="8")
    for node in made:
        images = [
            {"names": [n], "sizeBytes": IMAGES[n] * dice.choice([1] * 9 + [2])}
            for n in dice.some(sorted(IMAGES))
        ]
        if images:
            node["status"]["images"] = images
    wanted = ["i:1", "i:2", "r/i", "big:1", "r/i:latest", "none"]
    incoming = pod(dice, "p")
    spec = incoming["spec"]
    spec["containers"] = [
        {"name": f"c{n}", "image": dice.choice(wanted)} for n in range(dice.randint(1, 3))
    ]
    if dice.chance(0.3):
        spec["initContainers"] = [{"name": "init", "image": dice.choice(wanted)}]
    if dice.chance(0.15):
        spec["volumes"] = [{"name": "v", "image": {"reference": dice.choice(wanted)}}]
    return case(dice, made, [], incoming)


def held(dice: Dice) -> Case:
    """Pods that do not come into the queue: gates, and claims for devices that nobody has made."""
    made = nodes(dice, 1, 4)
    incoming = pod(dice, "p")
    if dice.chance(0.5):
        kind = dice.choice(["resourceClaimName", "resourceClaimTemplateName"])
        incoming["spec"]["resourceClaims"] = [{"name": "r", kind: dice.choice("ab")}]
    if dice.chance(0.5):
        gates = dice.some(["example.com/quota", "example.com/volume"], 1)
        incoming["spec"]["schedulingGates"] = [{"name": name} for name in gates]
    if dice.chance(0.3):
        incoming["spec"]["nodeSelector"] = {"disk": "ssd"}
    return case(dice, made, [], incoming)


def declared_features(dice: Dice) -> Case:
    """Pods with a rule that nodes must have declared to know: a restart of all containers."""
    made = nodes(dice, 1, 6)
    for node in made:
        if dice.chance(0.5):
            known = dice.choice([["RestartAllContainersOnContainerExits"], ["Other"]])
            node["status"]["declaredFeatures"] = sorted({*known, dice.choice(["Other", "More"])})
        if dice.chance(0.2):
            node["spec"] = {"taints": [taint(dice, (_HARD,))]}
        if dice.chance(0.4):
            node["status"]["allocatable"]["cpu"] = "1"
    there = groups(dice, names(made), 3, lambda p: _sized(dice, p, dice.choice([0, 10])))
    incoming = pod(dice, "p")
    _sized(dice, incoming, dice.choice([5, 20]))
    ruled = _ruled(dice.choice(["RestartAllContainers", "RestartAllContainers", "Restart"]))
    if dice.chance(0.85):
        incoming["spec"].setdefault(dice.choice(["containers", "initContainers"]), []).append(ruled)
    return case(dice, made, there, incoming)


def _ruled(action: str) -> Object:
    """A container that nodes must have declared to know, if it restarts all of its pod."""
    rule = {"action": action, "exitCodes": {"operator": "In", "values": [42]}}
    return {"name": "r", "image": "i", "restartPolicy": "Never", "restartPolicyRules": [rule]}


def _sized(dice: Dice, template: Object, priority: int) -> None:
    spec = template["spec"]
    spec["priority"] = priority
    requests = {"cpu": dice.choice(["100m", "500m", "1"])}
    spec["containers"][0]["resources"] = {"requests": requests}


def volume_claims(dice: Dice) -> Case:
    """Pods that name a claim for a volume, which nobody has made."""
    made = nodes(dice, 1, 4)
    incoming = pod(dice, "p")
    claim = {"claimName": dice.choice(["data", "x"])}
    volumes = [{"name": "v", "persistentVolumeClaim": claim}, {"name": "w", "emptyDir": {}}]
    incoming["spec"]["volumes"] = dice.some(volumes, 1)
    if dice.chance(0.3):
        incoming["spec"]["nodeSelector"] = {"disk": "ssd"}
    return case(dice, made, [], incoming)


def preemption(dice: Dice) -> Case:
    """Full nodes, and pods there of lower, equal and higher priority than the new one's."""
    made = nodes(dice, 1, 6, pods=dice.choice(["110", "3", "4"]))
    for node in made:
        node["status"]["allocatable"] |= {"cpu": dice.choice(["2", "3"]), "memory": "4Gi"}
        if dice.chance(0.1):
            node["spec"] = {"taints": [taint(dice, (_HARD,))]}

    def add(template: Object) -> None:
        spec = template["spec"]
        requests = {"cpu": dice.choice(["250m", "500m", "1"]), "memory": "256Mi"}
        spec["containers"][0]["resources"] = {"requests": requests}
        spec["priority"] = dice.choice([0, 0, 10, 100, 1000])
        if dice.chance(0.15):
            kind = dice.choice(["podAffinity", "podAntiAffinity"])
            affinity(spec, kind, REQUIRED, [affinity_term(dice)])
        if dice.chance(0.1):
            spec["containers"][0]["ports"] = [host_port(dice)]

    there = groups(dice, names(made), 7, add)
    _keep_ports_apart(there)
    incoming = pod(dice, "p")
    add(incoming)
    spec = incoming["spec"]
    spec["priority"] = dice.choice([10, 100, 1000])
    spec["containers"][0]["resources"]["requests"]["cpu"] = dice.choice(["1", "1.5", "2", "3"])
    if dice.chance(0.15):
        spec["topologySpreadConstraints"] = spread_constraints(dice, "DoNotSchedule", 1)
    if dice.chance(0.05):
        spec["preemptionPolicy"] = "Never"
    return case(dice, made, there, incoming)


def victims(dice: Dice) -> Case:
    """Whom preemption evicts: budgets, beginnings in any order, domains that victims are in.

    In the even half of the cases many nodes cost the same but for their victims' beginnings; in
    some host ports are in the way.
    """
    made = nodes(dice, 2, 8, cpu=dice.choice(["2", "3"]), memory="8Gi", pods="110")
    wide = dice.chance(0.5)
    even = dice.chance(0.5)
    ports = dice.chance(0.2)

    def add(template: Object) -> None:
        spec = template["spec"]
        size = "500m" if even else dice.choice(["250m", "500m"])
        spec["containers"][0]["resources"] = {"requests": {"cpu": size}}
        spec["priority"] = dice.choice([0, 10] if even else [0, 0, 0, 10, 100])
        if wide and dice.chance(0.3):
            affinity(spec, "podAntiAffinity", REQUIRED, [affinity_term(dice)])
        if ports and dice.chance(0.6):
            spec["containers"][0]["ports"] = [host_port(dice)]
        if dice.chance(0.1):
            template["metadata"]["labels"] = {}

    there = groups(dice, names(made), 9, add)
    if even:
        for group in there:
            group["nodes"] = names(made)
    _keep_ports_apart(there)
    _begin(dice, there)
    incoming = pod(dice, "p", "default")
    spec = incoming["spec"]
    spec["containers"][0]["resources"] = {"requests": {"cpu": dice.choice(["1", "1.5", "2"])}}
    spec["priority"] = 100
    if wide:
        spec["topologySpreadConstraints"] = spread_constraints(dice, "DoNotSchedule", 1)
    if ports:
        spec["containers"][0]["ports"] = [host_port(dice)]
    found = case(dice, made, there, incoming)
    budgets = 0 if even else dice.randint(0, 3)
    found["poddisruptionbudgets"] = [_budget(dice, f"b{n}") for n in range(budgets)]
    return found


def _begin(dice: Dice, there: list[Object]) -> None:
    """Let the pods begin in an order of their own; one may be bound and not have begun."""
    count = sum(len(group["nodes"]) for group in there)
    order = dice.sample(range(count), count)
    if order and dice.chance(0.4):
        order[0] = -1
    for group in there:
        group["started"] = [order.pop() for _ in group["nodes"]]


def _budget(dice: Dice, name: str) -> Object:
    """A PodDisruptionBudget, with what its controller found that it allows."""
    selector: Object | None = label_selector(dice)
    if dice.chance(0.15):
        selector = {"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}
    spec = {"minAvailable": 1, **({} if dice.chance(0.05) else {"selector": selector})}
    return {
        "metadata": {"name": name, "namespace": dice.choice(["default", "default", "other"])},
        "spec": spec,
        "status": {"disruptionsAllowed": dice.choice([0, 0, 1, 2])},
    }


def _keep_ports_apart(there: list[Object]) -> None:
    """Leave one pod with host ports on a node: the scheduler would have placed no second one.

    Where there are two, taking one away frees the port of both for the scheduler.
    """
    taken: set[str] = set()
    for group in there:
        if "ports" in group["pod"]["spec"]["containers"][0]:
            group["nodes"] = [node for node in sorted(set(group["nodes"])) if node not in taken]
            taken.update(group["nodes"])


def mixed(dice: Dice) -> Case:
    """Something of everything, on more nodes and with priorities."""
    made = nodes(dice, 1, 20)
    _allocatable(dice, made, dice.choice([(), (GPU,), ("ephemeral-storage",)]))
    incoming = pod(dice, "p")
    _tainted(dice, made, incoming)
    for node in made:
        if dice.chance(0.08):
            node.setdefault("spec", {})["unschedulable"] = True

    def add(template: Object) -> None:
        spec = template["spec"]
        if dice.chance(0.8):
            spec["containers"] = [container(dice, "c")]
        if dice.chance(0.1):
            spec["containers"][0]["ports"] = [host_port(dice)]
        if dice.chance(0.3):
            spec["priority"] = dice.choice([0, 10, 100])
        _add_terms(dice, spec)

    there = groups(dice, names(made), 7, add)
    _keep_ports_apart(there)
    add(incoming)
    if dice.chance(0.4):
        incoming["spec"]["priority"] = dice.choice([0, 10, 100, 1000])
        if dice.chance(0.2):
            incoming["spec"]["preemptionPolicy"] = "Never"
    return case(dice, made, there, incoming)


def _add_terms(dice: Dice, spec: Object) -> None:
    if dice.chance(0.2):
        actions = [dice.choice(["DoNotSchedule", "ScheduleAnyway"])]
        spec["topologySpreadConstraints"] = spread_constraints(dice, actions[0])
    if dice.chance(0.12):
        kind = dice.choice(["podAffinity", "podAntiAffinity"])
        affinity(spec, kind, REQUIRED, [affinity_term(dice)])
    if dice.chance(0.2):
        kind = dice.choice(["podAffinity", "podAntiAffinity"])
        affinity(spec, kind, PREFERRED, [weighted(dice, "podAffinityTerm", affinity_term(dice))])
    if dice.chance(0.12):
        terms = [weighted(dice, "preference", {"matchExpressions": [node_expression(dice)]})]
        affinity(spec, "nodeAffinity", PREFERRED, terms)


# How many cases each focus has.
COUNTS: dict[Callable[[Dice], Case], int] = {
    node_unschedulable: 500,
    node_name: 300,
    taint_toleration: 2000,
    memory_pressure: 600,
    node_affinity: 2500,
    node_ports: 1200,
    fit: 3500,
    resource_scores: 2200,
    least_amounts: 600,
    spread_hard: 2500,
    spread_soft: 2200,
    spread_default: 1800,
    spread_deployment: 300,
    affinity_required: 2500,
    affinity_preferred: 2200,
    image_locality: 800,
    volume_claims: 100,
    held: 200,
    declared_features: 250,
    preemption: 1000,
    victims: 1200,
    mixed: 2500,
}


def generate(seed: int, share: float = 1.0) -> Iterator[tuple[str, Case]]:
    """Make the cases of a seed, and the focus of each.

    Args:
        seed: another seed gives other cases.
        share: of how many cases each focus has.
    """
    for make, count in COUNTS.items():
        for number in range(max(1, round(count * share))):
            yield make.__name__, make(Dice(f"{seed}/{make.__name__}/{number}"))
