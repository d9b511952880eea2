"""Hypothesis strategies: clusters, and traces of what the engine models."""

from typing import Any, NamedTuple

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from sim_arena.engine import Parameters, Program, compile_trace
from sim_arena.nodes import Node, Taint
from tests.engine.manifests import Json, cron_job, finished, job, namespace, trace, workload
from traces import Trace, WorkloadRef

# Each run is the same, and the machine's speed decides nothing.
fixed = settings(
    deadline=None,
    derandomize=True,
    database=None,
    max_examples=100,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

GPU = "example.com/gpu"
KINDS = ("Deployment", "ReplicaSet", "StatefulSet", "Pod", "DaemonSet", "Job", "CronJob")
NAMES = ("a", "b", "c")
CLASSES = ("high", "low")
CLAIMS = ("data", "logs")
IMAGES = {"app:latest": 800 * (1 << 20)}
MI = 1 << 20

cpus = st.sampled_from(["0", "100m", "100m", "250m", "250m", "1", "1500m", "3"])
memories = st.sampled_from(["0", "1", "64Mi", "64Mi", "200M", "200M", "1Gi", "3Gi"])
taints = st.sampled_from(
    [
        Taint("team", "a", "NoSchedule"),
        Taint("team", "b", "NoExecute"),
        Taint("old", "", "NoSchedule"),
        Taint("dear", "", "PreferNoSchedule"),
    ]
)
tolerations = st.sampled_from(
    [
        {"operator": "Exists"},
        {"key": "team", "operator": "Exists"},
        {"key": "team", "value": "a", "effect": "NoSchedule"},
        {"key": "old", "operator": "Equal", "value": ""},
        {"key": "node.kubernetes.io/unschedulable", "operator": "Exists"},
    ]
)
expressions = st.sampled_from(
    [
        {"key": "disk", "operator": "In", "values": ["ssd"]},
        {"key": "disk", "operator": "NotIn", "values": ["ssd"]},
        {"key": "disk", "operator": "Exists"},
        {"key": "disk", "operator": "DoesNotExist"},
        {"key": "size", "operator": "Gt", "values": ["1"]},
        {"key": "size", "operator": "Lt", "values": ["3"]},
    ]
)
fields = st.sampled_from(
    [
        {"key": "metadata.name", "operator": "In", "values": ["n0", "n2"]},
        {"key": "metadata.name", "operator": "NotIn", "values": ["n1"]},
    ]
)
terms = st.fixed_dictionaries(
    {},
    optional={
        "matchExpressions": st.lists(expressions, max_size=2),
        "matchFields": st.lists(fields, max_size=1),
    },
)


LABELS = ({"app": "x"}, {"app": "y"})
keys = st.sampled_from(["topology.kubernetes.io/zone", "kubernetes.io/hostname"])
selectors = st.sampled_from([{"matchLabels": labels} for labels in LABELS])
spreads = st.fixed_dictionaries(
    {
        "maxSkew": st.integers(1, 2),
        "topologyKey": keys,
        "whenUnsatisfiable": st.sampled_from(["DoNotSchedule", "ScheduleAnyway"]),
        "labelSelector": selectors,
    },
    optional={"nodeTaintsPolicy": st.just("Honor"), "nodeAffinityPolicy": st.just("Ignore")},
)
pod_terms = st.fixed_dictionaries({"topologyKey": keys, "labelSelector": selectors})
weighted_terms = st.fixed_dictionaries(
    {"weight": st.integers(1, 100), "podAffinityTerm": pod_terms}
)
pod_affinities = st.fixed_dictionaries(
    {},
    optional={
        "requiredDuringSchedulingIgnoredDuringExecution": st.lists(pod_terms, max_size=2),
        "preferredDuringSchedulingIgnoredDuringExecution": st.lists(weighted_terms, max_size=2),
    },
)
preferences = st.fixed_dictionaries({"weight": st.integers(1, 100), "preference": terms})
affinities = st.fixed_dictionaries(
    {},
    optional={
        "nodeAffinity": st.fixed_dictionaries(
            {},
            optional={
                "requiredDuringSchedulingIgnoredDuringExecution": st.fixed_dictionaries(
                    {"nodeSelectorTerms": st.lists(terms, min_size=1, max_size=2)}
                ),
                "preferredDuringSchedulingIgnoredDuringExecution": st.lists(
                    preferences, max_size=2
                ),
            },
        ),
        "podAffinity": pod_affinities,
        "podAntiAffinity": pod_affinities,
    },
)


def some(strategy: st.SearchStrategy[Any], *, nothing: int = 3) -> st.SearchStrategy[Any]:
    """Mostly None: what most manifests leave out."""
    return st.one_of(*[st.none()] * nothing, strategy)


@st.composite
def clusters(draw: st.DrawFn) -> list[Node]:
    made = []
    for i in range(draw(st.integers(0 if draw(st.integers(0, 9)) == 0 else 1, 4))):
        labels = draw(
            st.fixed_dictionaries(
                {},
                optional={
                    "disk": st.sampled_from(["ssd", "hdd"]),
                    "size": st.sampled_from(["1", "2", "3", "x"]),
                    "topology.kubernetes.io/zone": st.sampled_from(["z0", "z1"]),
                    "kubernetes.io/hostname": st.just(f"n{i}"),
                },
            )
        )
        made.append(
            Node(
                name=f"n{i}",
                cpu=draw(st.sampled_from([1000, 3900, 8000, 8000])),
                memory=draw(st.sampled_from([512 * MI, 7000 * MI, 8192 * MI])),
                pods=draw(st.sampled_from([0, 2, 5, 110, 110, 110, 110])),
                labels=labels,
                taints=tuple(
                    draw(some(st.lists(taints, max_size=2, unique=True), nothing=6)) or ()
                ),
                unschedulable=draw(st.integers(0, 19)) == 0,
                extended=draw(some(st.sampled_from([{GPU: 1}, {GPU: 3}]))) or {},
                images=draw(some(st.just(IMAGES), nothing=6)) or {},
            )
        )
    return made


amounts = st.fixed_dictionaries({}, optional={"cpu": cpus, "memory": memories})


@st.composite
def containers(draw: st.DrawFn, name: str) -> Json:
    made: Json = {"name": name, "image": "app"}
    requests, limits = draw(amounts), draw(amounts)
    if draw(st.integers(0, 9)) == 0:
        limits[GPU] = requests[GPU] = "1"
    if requests or limits:
        made["resources"] = {"requests": requests, "limits": limits}
    if draw(st.integers(0, 19)) == 0:
        made["ports"] = [{"containerPort": 80, "hostPort": 80}]
    if draw(st.booleans()):
        made["readinessProbe"] = {"httpGet": {"path": "/", "port": 80}}
    return made


_seconds = st.integers(1, 90).map("{}s".format)
_memory = st.sampled_from(["0", "30Mi", "150Mi", "400Mi", "2Gi", "9Gi"])
_cpu = st.sampled_from(["0", "100m", "700m", "3", "20"])


def _parts(amounts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """One part of a profile; the engine looks at nodes as soon as there is one."""
    return st.one_of(
        st.builds("constant({})".format, amounts),
        st.builds("ramp({}, {}, {})".format, amounts, amounts, _seconds),
        st.builds("diurnal({}, {}, {})".format, amounts, amounts, st.just("40s")),
        st.builds("spike({}, {}, {}, 7s, 20s)".format, amounts, amounts, _seconds),
        st.builds("series({}, {}, {}, {})".format, _seconds, amounts, amounts, amounts),
        st.builds("shared({} + ramp(0, {}, {}))".format, amounts, amounts, _seconds),
    )


profiles = st.builds("cpu={}, memory={} + {}".format, _parts(_cpu), _memory, _parts(_memory))


@st.composite
def pod_templates(draw: st.DrawFn, *, controlled: bool) -> Json:
    spec: Json = {"containers": [draw(containers("app"))]}
    if draw(st.integers(0, 3)) == 0:
        spec["containers"].append(draw(containers("other")))
    if draw(st.integers(0, 3)) == 0:
        spec["initContainers"] = [draw(containers("init"))]
        if draw(st.booleans()):
            spec["initContainers"].append({**draw(containers("side")), "restartPolicy": "Always"})
    optional: dict[str, st.SearchStrategy[Any]] = {
        "overhead": st.just({"cpu": "50m", "memory": "10Mi"}),
        "resources": st.fixed_dictionaries({}, optional={"requests": amounts, "limits": amounts}),
        "nodeSelector": st.just({"disk": "ssd"}),
        "tolerations": st.lists(tolerations, max_size=2),
        "priority": st.sampled_from([-5, 0, 10]),
        "priorityClassName": st.sampled_from(CLASSES),
        "activeDeadlineSeconds": st.just(600),
        "volumes": st.sampled_from(CLAIMS).map(
            lambda name: [{"name": "v", "persistentVolumeClaim": {"claimName": name}}]
        ),
        "preemptionPolicy": st.just("Never"),
        "schedulingGates": st.just([{"name": "wait"}]),
        "schedulerName": st.sampled_from(["default-scheduler", "other"]),
        "affinity": affinities,
        "topologySpreadConstraints": st.lists(spreads, min_size=1, max_size=2),
    }
    if not controlled:
        optional["restartPolicy"] = st.sampled_from(["Always", "OnFailure", "Never"])
    spec |= {
        field: draw(value) for field, value in optional.items() if draw(st.integers(0, 19)) == 0
    }
    annotations: dict[str, str] = draw(
        st.fixed_dictionaries(
            {},
            optional={
                "kwok.x-k8s.io/usage-cpu": cpus,
                "kwok.x-k8s.io/usage-memory": st.sampled_from(["0", "1Mi", "50Mi", "150Mi", "2Gi"]),
                "usage.sim-arena.io/other": st.just("cpu=300m,memory=100Mi"),
                "controller.kubernetes.io/pod-deletion-cost": st.sampled_from(["-1", "5"]),
            },
        )
    )
    if draw(st.integers(0, 5)) == 0:
        annotations["usage.sim-arena.io/app"] = draw(profiles)
    labels = draw(st.sampled_from(LABELS))
    return {"metadata": {"labels": labels, "annotations": annotations}, "spec": spec}


_VERSIONS = {"PriorityClass": "scheduling.k8s.io/v1", "PodDisruptionBudget": "policy/v1"}


def _surrounding(kind: str, name: str, **spec: Any) -> Json:
    version = _VERSIONS.get(kind, "v1")
    metadata = {"name": name} if kind == "PriorityClass" else {"name": name, "namespace": "shop"}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **spec}


bounds = st.fixed_dictionaries(
    {"type": st.sampled_from(["Container", "Container", "Pod"])},
    optional={
        "min": st.fixed_dictionaries(
            {}, optional={"cpu": st.just("50m"), "memory": st.just("1Mi")}
        ),
        "max": st.fixed_dictionaries({}, optional={"cpu": st.just("2"), "memory": st.just("2Gi")}),
        "maxLimitRequestRatio": st.sampled_from([{"cpu": "2"}, {"memory": "1500m"}]),
    },
)
container_defaults = st.fixed_dictionaries(
    {"type": st.just("Container")},
    optional={
        "default": amounts.map(lambda found: {**found, "ephemeral-storage": "1"}),
        "defaultRequest": amounts,
    },
)
hard = st.fixed_dictionaries(
    {},
    optional={
        "pods": st.sampled_from(["0", "2", "4", "7"]),
        "count/pods": st.sampled_from(["3", "9"]),
        "cpu": st.sampled_from(["1", "4"]),
        "requests.memory": st.just("1Gi"),
        "limits.cpu": st.just("4"),
        "limits.memory": st.just("4Gi"),
        f"requests.{GPU}": st.just("2"),
    },
)
scopes = st.sampled_from([["BestEffort"], ["NotBestEffort"], ["Terminating"], ["PriorityClass"]])


budgets = st.fixed_dictionaries(
    {"selector": selectors},
    optional={
        "minAvailable": st.sampled_from([0, 1, "50%"]),
        "maxUnavailable": st.sampled_from([0, 2, "30%"]),
    },
)
storage = st.sampled_from(["1Gi", "5Gi"])
claim_specs = storage.map(
    lambda size: {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}}
)
volume_specs = st.fixed_dictionaries(
    {
        "accessModes": st.just(["ReadWriteOnce"]),
        "capacity": storage.map(lambda size: {"storage": size}),
    },
    optional={"nodeAffinity": terms.map(lambda term: {"required": {"nodeSelectorTerms": [term]}})},
)


@st.composite
def surroundings(draw: st.DrawFn) -> list[tuple[int, bool, Json]]:
    """Quotas, limits and classes as they come and go: (second, whether it is deleted, object)."""
    made = [
        _surrounding("PriorityClass", name, value=value)
        for name, value in zip(CLASSES, (10, -5), strict=True)
        if draw(st.booleans())
    ]
    for name in draw(some(st.lists(st.sampled_from(["q", "r"]), max_size=2))) or ():
        spec = {"hard": draw(hard), "scopes": draw(some(scopes)) or []}
        made.append(_surrounding("ResourceQuota", name, spec=spec))
    for name in draw(some(st.lists(st.sampled_from(["l", "m"]), max_size=2))) or ():
        items = draw(st.lists(st.one_of(bounds, container_defaults), min_size=1, max_size=2))
        made.append(_surrounding("LimitRange", name, spec={"limits": items}))
    if draw(st.integers(0, 3)) == 0:
        spec = draw(budgets)
        made.append(_surrounding("PodDisruptionBudget", "b", spec=spec))
    names = draw(some(st.lists(st.sampled_from(CLAIMS), max_size=2))) or ()
    made += [_surrounding("PersistentVolumeClaim", n, spec=draw(claim_specs)) for n in names]
    volumes = range(draw(st.sampled_from([0, 0, 0, 1, 2])))
    made += [_surrounding("PersistentVolume", f"pv{i}", spec=draw(volume_specs)) for i in volumes]
    seconds = st.sampled_from([0, 0, 0, 3, 20])
    return [(draw(seconds), draw(st.integers(0, 5)) == 0, obj) for obj in made]


share = st.sampled_from([0, 1, 2, "25%", "50%", "100%"])


@st.composite
def specs(draw: st.DrawFn, kind: str) -> Json:
    spec: Json = {"minReadySeconds": draw(st.sampled_from([0, 0, 3]))}
    if kind == "Deployment":
        spec["paused"] = draw(st.integers(0, 7)) == 0
        shares = {"maxSurge": draw(some(share)), "maxUnavailable": draw(some(share))}
        rolling = {"type": "RollingUpdate", "rollingUpdate": shares}
        spec["strategy"] = draw(st.sampled_from([{"type": "Recreate"}, rolling, rolling, rolling]))
    if kind == "StatefulSet":
        spec["podManagementPolicy"] = draw(st.sampled_from(["OrderedReady", "Parallel"]))
        strategy = draw(st.sampled_from(["RollingUpdate", "RollingUpdate", "OnDelete"]))
        spec["updateStrategy"] = {"type": strategy}
        if strategy == "RollingUpdate" and draw(st.booleans()):
            spec["updateStrategy"]["rollingUpdate"] = {"partition": draw(st.integers(0, 3))}
    if kind == "DaemonSet":
        shares = draw(st.sampled_from([{}, {"maxUnavailable": "50%"}, {"maxUnavailable": 2}]))
        if draw(st.booleans()):
            shares = {"maxSurge": draw(st.sampled_from([1, "50%"])), "maxUnavailable": 0}
        rolling = {"type": "RollingUpdate", "rollingUpdate": shares}
        spec["updateStrategy"] = draw(st.sampled_from([{"type": "OnDelete"}, rolling, rolling]))
    return spec


@st.composite
def job_specs(draw: st.DrawFn) -> Json:
    optional: dict[str, st.SearchStrategy[Any]] = {
        "parallelism": st.integers(0, 4),
        "completions": st.integers(0, 5),
        "backoffLimit": st.integers(0, 2),
        "activeDeadlineSeconds": st.sampled_from([3, 30]),
        "ttlSecondsAfterFinished": st.sampled_from([0, 4]),
        "suspend": st.booleans(),
    }
    spec = {name: draw(value) for name, value in optional.items() if draw(st.booleans())}
    if draw(st.integers(0, 2)) == 0:
        spec |= {"completionMode": "Indexed", "completions": draw(st.integers(1, 5))}
        if draw(st.booleans()):
            spec |= {"backoffLimitPerIndex": draw(st.integers(0, 1))}
        if draw(st.booleans()):
            spec |= {"maxFailedIndexes": draw(st.integers(0, 1))}
    if draw(st.integers(0, 3)) == 0:
        codes = {"operator": draw(st.sampled_from(["In", "NotIn"])), "values": [137]}
        action = draw(st.sampled_from(["FailJob", "Ignore", "Count"]))
        spec["podFailurePolicy"] = {"rules": [{"action": action, "onExitCodes": codes}]}
    return spec


@st.composite
def cron_specs(draw: st.DrawFn) -> Json:
    optional: dict[str, st.SearchStrategy[Any]] = {
        "concurrencyPolicy": st.sampled_from(["Allow", "Forbid", "Replace"]),
        "suspend": st.booleans(),
        "startingDeadlineSeconds": st.sampled_from([5, 200]),
        "successfulJobsHistoryLimit": st.integers(0, 1),
        "failedJobsHistoryLimit": st.integers(0, 1),
    }
    return {name: draw(value) for name, value in optional.items() if draw(st.booleans())}


schedules = st.sampled_from(["* * * * *", "*/2 * * * *", "@every 7s", "@every 20s", "nonsense"])


@st.composite
def applied(draw: st.DrawFn, kind: str, name: str, pod: Json, fixed: Json) -> Json:
    """One application of an object; what cannot change comes from `fixed`."""
    if kind == "Pod":
        metadata = {**pod["metadata"], "name": name, "namespace": "shop"}
        return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod["spec"]}
    if kind == "Job":
        return job(pod, name, **draw(job_specs()))
    if kind == "CronJob":
        return cron_job(pod, draw(schedules), name, of_job=draw(job_specs()), **draw(cron_specs()))
    changed = {**draw(specs(kind)), "podManagementPolicy": fixed.get("podManagementPolicy")}
    replicas = draw(some(st.integers(0, 7), nothing=1))
    return workload(kind, pod, replicas, name, **changed)


@st.composite
def histories(draw: st.DrawFn, kind: str, name: str) -> list[tuple[int, Json | None, Json]]:
    """What happens to one object: (second, the object applied or None where it is deleted)."""
    controlled = kind not in ("Pod", "Job", "CronJob")
    pool = [draw(pod_templates(controlled=controlled)) for _ in range(draw(st.integers(1, 2)))]
    fixed = draw(specs(kind))
    history: list[tuple[int, Json | None, Json]] = []
    second = draw(st.integers(0, 8))
    for _ in range(draw(st.integers(1, 4))):
        pod = draw(st.sampled_from(pool))
        obj = draw(applied(kind, name, pod, fixed))
        deleted = bool(history) and draw(st.integers(0, 4)) == 0
        history.append((second, None if deleted else obj, obj))
        second += draw(st.sampled_from([0, 1, 2, 5, 20, 61]))
    return history


entries = st.sampled_from([*finished(0, 1, 3, 40), {"Running": 1_700_000_000}])


@st.composite
def some_traces(draw: st.DrawFn) -> Trace:
    owners = st.tuples(st.sampled_from(KINDS), st.sampled_from(NAMES))
    objects = draw(st.lists(owners, min_size=1, max_size=4, unique=True))
    seconds: dict[int, tuple[list[Json], list[Json]]] = {}
    lifecycles = {}
    for second, deleted, obj in draw(surroundings()):
        seconds.setdefault(second, ([], []))[deleted].append(obj)
    for kind, name in objects:
        for second, applied, obj in draw(histories(kind, name)):
            applied_objs, deleted_objs = seconds.setdefault(second, ([], []))
            if applied is None:
                deleted_objs.append(obj)
            else:
                applied_objs.append(applied)
        if draw(st.integers(0, 2)) == 0:
            owner = WorkloadRef(kind, "shop", name)
            lifecycles[owner] = draw(st.lists(entries, max_size=3))
    if draw(st.integers(0, 9)) == 0:
        second = draw(st.sampled_from(sorted(seconds)))
        seconds[second][1].append(namespace())
    events = [(second, *seconds[second]) for second in sorted(seconds)]
    return trace(*events, lifecycles=lifecycles)


@st.composite
def parameters(draw: st.DrawFn) -> Parameters:
    delays = st.sampled_from([0, 0, 0, 700, 2500])
    return Parameters(
        duration=draw(some(st.sampled_from([5, 90, 400]), nothing=1)),
        speed=draw(st.sampled_from([1.0, 1.0, 2.0, 0.7])),
        replay=draw(st.sampled_from(["simkube", "plain"])),
        image_pull_delay=draw(delays),
        image_pull_jitter=draw(delays),
        pod_startup_delay=draw(delays),
        pod_startup_jitter=draw(delays),
    )


class Case(NamedTuple):
    """All that a run depends on."""

    trace: Trace
    nodes: list[Node]
    parameters: Parameters
    seed: int

    @property
    def program(self) -> Program:
        return compile_trace(self.trace, self.nodes, self.parameters)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    seed = draw(st.sampled_from([0, 1, -3, 2**40 + 5]))
    return Case(draw(some_traces()), draw(clusters()), draw(parameters()), seed)
