"""Random workloads, and random changes of them."""

from typing import Any

from tests.fidelity.random_pods import PodMaker
from traces.generator.dice import Dice

Object = dict[str, Any]

API_VERSIONS = {
    "Pod": "v1",
    "Deployment": "apps/v1",
    "ReplicaSet": "apps/v1",
    "StatefulSet": "apps/v1",
    "DaemonSet": "apps/v1",
    "Job": "batch/v1",
}


class ObjectMaker:
    """Makes the objects of one scenario.

    Args:
        dice: the scenario's choices.
        pods: makes their pods.
        features: what may come up.
        most: the most replicas of one object.
    """

    def __init__(self, dice: Dice, pods: PodMaker, features: set[str], most: int) -> None:
        self._dice = dice
        self._pods = pods
        self._features = features
        self._most = most

    def workload(self, kind: str, name: str, namespace: str) -> Object:
        """A new object of a kind."""
        labels = {"app": name, "tier": self._dice.pick(("front", "back"))}
        template = self._pods.template(labels)
        obj: Object = {
            "apiVersion": API_VERSIONS[kind],
            "kind": kind,
            "metadata": {"name": name, "namespace": namespace},
        }
        if kind == "Pod":
            obj["metadata"] |= template["metadata"]
            obj["spec"] = template["spec"]
            return obj
        obj["spec"] = {"template": template}
        if kind == "Job":
            self._set_job(obj["spec"])
            return obj
        obj["spec"]["selector"] = {"matchLabels": {"app": name}}
        if kind != "DaemonSet":
            obj["spec"]["replicas"] = self.replicas()
        if self._may("min-ready", 50) and kind != "DaemonSet":
            obj["spec"]["minReadySeconds"] = self._dice.between(1, 2)
        if kind == "Deployment":
            self.set_strategy(obj["spec"])
        elif kind == "StatefulSet":
            self._set_stateful(obj["spec"], name)
        return obj

    def replicas(self) -> int:
        """How many replicas; few are the most frequent."""
        if self._dice.chance(5):
            return 0
        few = self._dice.chance(60)
        return self._dice.between(1, min(5, self._most) if few else self._most)

    def set_strategy(self, spec: Object) -> None:
        """Give a Deployment a strategy of its own, or the default one."""
        spec.pop("strategy", None)
        if self._may("strategy", 20):
            spec["strategy"] = {"type": "Recreate"}
        elif self._may("strategy", 50):
            options = (0, 1, 2, "0%", "10%", "25%", "34%", "50%", "100%")
            surge, unavailable = self._dice.pick(options), self._dice.pick(options)
            if surge in (0, "0%") and unavailable in (0, "0%"):
                unavailable = 1
            rolling = {"maxSurge": surge, "maxUnavailable": unavailable}
            spec["strategy"] = {"type": "RollingUpdate", "rollingUpdate": rolling}

    def _set_stateful(self, spec: Object, name: str) -> None:
        spec["serviceName"] = name
        if self._dice.chance(40):
            spec["podManagementPolicy"] = "Parallel"
        if self._may("strategy", 15):
            spec["updateStrategy"] = {"type": "OnDelete"}
        elif self._may("strategy", 30):
            rolling = {"partition": self._dice.between(0, 3)}
            spec["updateStrategy"] = {"type": "RollingUpdate", "rollingUpdate": rolling}

    def _set_job(self, spec: Object) -> None:
        spec["parallelism"] = self._dice.between(1, min(6, self._most))
        spec["completions"] = self._dice.between(1, min(8, self._most))
        spec["template"]["spec"]["restartPolicy"] = self._dice.pick(("Never", "OnFailure"))
        if self._dice.chance(30):
            spec["completionMode"] = "Indexed"

    def change(self, obj: Object) -> None:
        """Change an object in a way that the API server allows."""
        kind = obj["kind"]
        if kind == "Pod":
            self._count_up(obj["spec"])
        elif kind == "Job":
            obj["spec"]["parallelism"] = self._dice.between(0, min(6, self._most))
        elif kind != "DaemonSet" and self._dice.chance(45):
            obj["spec"]["replicas"] = self.replicas()
        else:
            self._change_spec(kind, obj["spec"])

    def _change_spec(self, kind: str, spec: Object) -> None:
        template = spec["template"]
        choice = self._dice.below(10)
        if kind == "Deployment" and self._may("paused", 40):
            spec["paused"] = not spec.get("paused", False)
        if choice < 3:
            self._count_up(template["spec"])
        elif choice < 7:
            container = self._dice.pick(template["spec"]["containers"])
            container["resources"] = self._pods.resources()
        elif choice < 9:
            spec["template"] = self._pods.template(template["metadata"]["labels"])
        elif kind == "Deployment":
            self.set_strategy(spec)
            spec["replicas"] = self.replicas()
        else:
            self._count_up(template["spec"])
        if kind == "Deployment" and self._dice.chance(20):
            spec["replicas"] = self.replicas()

    def _count_up(self, spec: Object) -> None:
        """A new release: another image, or now and then the first one again."""
        container = spec["containers"][0]
        number = int(container["image"].split(":")[1])
        container["image"] = "app:1" if self._dice.chance(20) else f"app:{number + 1}"

    def _may(self, feature: str, percent: int) -> bool:
        return feature in self._features and self._dice.chance(percent)
