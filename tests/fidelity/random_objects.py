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
    "CronJob": "batch/v1",
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
        if kind == "CronJob":
            self._set_job(obj["spec"])
            obj["spec"] = {"jobTemplate": {"spec": obj["spec"]}}
            self._set_cron(obj["spec"])
            return obj
        obj["spec"]["selector"] = {"matchLabels": {"app": name}}
        if kind != "DaemonSet":
            obj["spec"]["replicas"] = self.replicas()
        if self._may("min-ready", 50):
            obj["spec"]["minReadySeconds"] = self._dice.between(1, 2)
        if kind == "Deployment":
            self.set_strategy(obj["spec"])
        elif kind == "StatefulSet":
            self._set_stateful(obj["spec"], name)
        elif kind == "DaemonSet":
            self._set_daemon(obj["spec"])
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

        if self._may("volumes", 25):
            claim: Object = {"accessModes": ["ReadWriteOnce"]}
            claim["resources"] = {"requests": {"storage": "1Gi"}}
            spec["volumeClaimTemplates"] = [{"metadata": {"name": "own"}, "spec": claim}]

    def _set_daemon(self, spec: Object) -> None:
        spec.pop("updateStrategy", None)
        if self._may("strategy", 20):
            spec["updateStrategy"] = {"type": "OnDelete"}
        elif self._may("strategy", 50):
            surge = self._dice.chance(40)
            amount = self._dice.pick((1, 2, "34%", "100%"))
            rolling = {
                "maxSurge": amount if surge else 0,
                "maxUnavailable": 0 if surge else amount,
            }
            spec["updateStrategy"] = {"type": "RollingUpdate", "rollingUpdate": rolling}

    def _set_job(self, spec: Object) -> None:
        dice = self._dice
        spec["parallelism"] = dice.between(1, min(6, self._most))
        if dice.chance(80):
            spec["completions"] = dice.between(1, min(8, self._most))
            if dice.chance(30):
                spec["completionMode"] = "Indexed"
        spec["template"]["spec"]["restartPolicy"] = dice.pick(("Never", "OnFailure"))
        if dice.chance(30):
            spec["backoffLimit"] = dice.between(0, 3)
        if dice.chance(25):
            spec["ttlSecondsAfterFinished"] = dice.between(0, 6)
        if dice.chance(12):
            spec["activeDeadlineSeconds"] = dice.between(2, 12)
        if dice.chance(10):
            spec["suspend"] = True
        if dice.chance(15):
            spec["podReplacementPolicy"] = "Failed"

    def _set_cron(self, spec: Object) -> None:
        dice = self._dice
        # The time zone moves hours only, so every minute remains every minute.
        spec["schedule"] = dice.pick(("* * * * *", "* * * * *", "*/1 * * * *", "0-59/2 * * * *"))
        if dice.chance(60):
            spec["concurrencyPolicy"] = dice.pick(("Allow", "Forbid", "Replace"))
        if dice.chance(15):
            spec["suspend"] = True
        if dice.chance(20):
            spec["startingDeadlineSeconds"] = dice.between(10, 100)
        if dice.chance(20):
            spec["timeZone"] = dice.pick(("Europe/Berlin", "Asia/Tokyo", "Etc/UTC"))
        if dice.chance(30):
            spec["successfulJobsHistoryLimit"] = dice.between(0, 1)

    def change(self, obj: Object) -> None:
        """Change an object in a way that the API server allows."""
        kind = obj["kind"]
        spec = obj["spec"]
        if kind == "Pod":
            self._count_up(spec)
        elif kind == "Job":
            self._change_job(spec)
        elif kind == "CronJob":
            self._change_cron(spec)
        elif kind != "DaemonSet" and self._dice.chance(45):
            spec["replicas"] = self.replicas()
        else:
            self._change_spec(kind, spec)

    def _change_job(self, spec: Object) -> None:
        """A Job's template cannot be changed."""
        if self._dice.chance(30):
            spec["suspend"] = not spec.get("suspend", False)
        else:
            spec["parallelism"] = self._dice.between(0, min(6, self._most))

    def _change_cron(self, spec: Object) -> None:
        choice = self._dice.below(3)
        if choice == 0:
            spec["suspend"] = not spec.get("suspend", False)
        elif choice == 1:
            spec["concurrencyPolicy"] = self._dice.pick(("Allow", "Forbid", "Replace"))
        else:
            self._count_up(spec["jobTemplate"]["spec"]["template"]["spec"])

    def _change_spec(self, kind: str, spec: Object) -> None:
        template = spec["template"]
        choice = self._dice.below(10)
        if kind == "Deployment" and self._may("paused", 40):
            spec["paused"] = not spec.get("paused", False)
        if choice < 3:
            self._count_up(template["spec"])
        elif choice < 7 and "resources" not in template["spec"]:
            container = self._dice.pick(template["spec"]["containers"])
            container["resources"] = self._pods.resources()
        elif choice < 9:
            spec["template"] = self._pods.template(template["metadata"]["labels"])
        elif kind == "Deployment":
            self.set_strategy(spec)
            spec["replicas"] = self.replicas()
        elif kind == "DaemonSet":
            self._set_daemon(spec)
            self._count_up(template["spec"])
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
