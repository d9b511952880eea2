"""Compares what the engine's plugins say of a case with what the real ones say."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sim_arena.engine.explain import Explanation, NodeExplanation
from sim_arena.engine.opinions import SCORES
from tests.oracle.programs import Scene
from tests.oracle.vectors import Vector

CLAIM_FILTERS = ("VolumeRestrictions", "NodeVolumeLimits", "VolumeBinding", "VolumeZone")

__all__ = ["CLAIM_FILTERS", "FILTERS", "Tally", "differences"]

FILTERS = (
    "NodeUnschedulable",
    "NodeName",
    "TaintToleration",
    "NodeAffinity",
    "NodePorts",
    "NodeResourcesFit",
    "PodTopologySpread",
    "InterPodAffinity",
    "NodeDeclaredFeatures",
)


@dataclass
class Tally:
    """How often each plugin was compared, and how often it had something to say.

    Attributes:
        verdicts: filter to (node, verdict) pairs compared; equal as far as no difference is told.
        rejections: filter to those among them that were rejections.
        scores: score plugin to (node, raw and normalised score) compared.
        deciding: score plugin to cases in which it does not give all nodes the same.
        cases: how many were compared.
        held: of them, pods that do not come into the queue.
        messages: cases whose whole message was compared.
        choices: cases whose chosen node was compared.
        victims: nodes whose preemption was compared.
        nominations: cases in which preemption's choice of a node was compared.
    """

    verdicts: Counter[str] = field(default_factory=Counter)
    rejections: Counter[str] = field(default_factory=Counter)
    scores: Counter[str] = field(default_factory=Counter)
    deciding: Counter[str] = field(default_factory=Counter)
    cases: int = 0
    held: int = 0
    messages: int = 0
    choices: int = 0
    victims: int = 0
    nominations: int = 0

    def plain(self) -> dict[str, Any]:
        """The counts as plain data."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    def add(self, counts: Mapping[str, Any]) -> None:
        """Add what was counted elsewhere, as `plain` gave it."""
        for name in ("verdicts", "rejections", "scores", "deciding"):
            getattr(self, name).update(counts[name])
        for name in ("cases", "held", "messages", "choices", "victims", "nominations"):
            setattr(self, name, getattr(self, name) + counts[name])


def differences(vector: Vector, scene: Scene, found: Explanation, tally: Tally) -> Iterator[str]:
    """Say where the engine and the real plugins differ; nothing where they agree."""
    answer = vector.answer
    tally.cases += 1
    if [node.name for node in found.nodes] != answer["nodes"]:
        yield f"the nodes' order: {[node.name for node in found.nodes]}, real {answer['nodes']}"
        return
    held = "preenqueue" in answer
    if found.held != held and "nodeName" not in vector.case["pod"]["spec"]:
        yield f"held: {found.held}, real {answer.get('preenqueue')}"
    if held:
        tally.held += 1
        return
    yield from _prefilters(answer, found)
    for name in FILTERS:
        yield from _filter(name, answer, found, tally)
    yield from _claims(answer, found, tally)
    feasible = [node for node in found.nodes if node.scores]
    names = [node.name for node in feasible]
    if names != answer["feasible"]:
        yield f"feasible: {names}, real {answer['feasible']}"
        return
    if feasible:
        for name in SCORES:
            yield from _score(name, answer, feasible, tally)
        yield from _choice(answer, found, feasible, tally)
    else:
        yield from _rejected(answer, scene, found, tally)


def _prefilters(answer: dict[str, Any], found: Explanation) -> Iterator[str]:
    kept = answer["prefilter"].get("NodeAffinity", {}).get("nodes", answer["nodes"])
    ours = [node.name for node in found.nodes if not node.left_out]
    if ours != kept:
        yield f"NodeAffinity's PreFilter keeps {ours}, real {kept}"


def _claims(answer: dict[str, Any], found: Explanation, tally: Tally) -> Iterator[str]:
    """The engine asks once for the claims that four plugins miss, each in the same words."""
    for name in CLAIM_FILTERS:
        said = answer["prefilter"].get(name, {})
        held_up = said.get("code") not in (None, "Skip", "Success")
        if not held_up:
            continue
        tally.verdicts[name] += 1
        tally.rejections[name] += 1
        if not any(text in (found.message or "") for text in said["reasons"]):
            yield f"{name}: {found.message}, real {said}"


def _filter(name: str, answer: dict[str, Any], found: Explanation, tally: Tally) -> Iterator[str]:
    real = answer["filters"].get(name, {})
    whole = answer["prefilter"].get(name, {})
    if whole.get("code") not in (None, "Skip", "Success"):
        real = dict.fromkeys(answer["nodes"], whole)
    for node in found.nodes:
        tally.verdicts[name] += 1
        ours = node.rejections.get(name)
        said = real.get(node.name)
        tally.rejections[name] += said is not None
        if ours is None or said is None:
            if ours is not said:
                yield f"{name} on {node.name}: {ours}, real {said}"
            continue
        code = "Unschedulable" if ours.preemption_helps else "UnschedulableAndUnresolvable"
        # The real plugin goes through extended resources in no order (a Go map).
        if (code, sorted(ours.reasons)) != (said["code"], sorted(said["reasons"])):
            yield f"{name} on {node.name}: {code} {ours.reasons}, real {said}"


def _score(
    name: str, answer: dict[str, Any], feasible: list[NodeExplanation], tally: Tally
) -> Iterator[str]:
    real = answer["scores"][name]
    nothing = [0] * len(feasible)  # what a plugin adds that skips the pod
    raw, normalised = real.get("raw", nothing), real.get("normalised", nothing)
    ours = [node.scores[name] for node in feasible]
    tally.scores[name] += len(ours)
    tally.deciding[name] += len(set(normalised)) > 1
    if [score.raw for score in ours] != raw:
        yield f"{name}: raw {[score.raw for score in ours]}, real {raw}"
    if [score.normalised for score in ours] != normalised:
        yield f"{name}: normalised {[score.normalised for score in ours]}, real {normalised}"


def _choice(
    answer: dict[str, Any], found: Explanation, feasible: list[NodeExplanation], tally: Tally
) -> Iterator[str]:
    """The engine leaves out what all nodes get alike: so the sums' differences are compared."""
    totals = answer["total"]
    ours = [node.total or 0 for node in feasible]
    tally.choices += 1
    if [a - ours[0] for a in ours] != [b - totals[0] for b in totals]:
        yield f"weighted sums: {ours}, real {totals}"
    best = [node.name for node, total in zip(feasible, totals, strict=True) if total == max(totals)]
    if found.chosen not in best:
        yield f"chosen: {found.chosen}, real one of {best}"


def _rejected(
    answer: dict[str, Any], scene: Scene, found: Explanation, tally: Tally
) -> Iterator[str]:
    tally.messages += 1
    if found.message != answer["message"]:
        yield f"message: {found.message!r}, real {answer['message']!r}"
    victims = {
        node.name: sorted(scene.names[q] for q in node.victims)
        for node in found.nodes
        if node.victims
    }
    real = answer.get("victims", {})
    tally.victims += len(real)
    if victims != real:
        yield f"victims: {victims}, real {real}"
    violations = {node.name: node.violations for node in found.nodes if node.violations}
    if violations != answer.get("violations", {}):
        yield f"violations: {violations}, real {answer.get('violations')}"
    tally.nominations += bool(real)
    if found.nominated != answer.get("nominated"):
        yield f"preemption chooses {found.nominated}, real {answer.get('nominated')}"
