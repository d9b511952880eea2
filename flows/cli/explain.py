"""`sim-arena simulate --explain`: what the scheduler's plugins say of each node for one pod."""

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import typer

from flows.cli import output

if TYPE_CHECKING:
    from sim_arena.engine import Simulation
    from sim_arena.engine.explain import Explanation
    from traces import WorkloadRef

__all__ = ["explained", "find", "print_explanation"]

_MOST_NODES = 20  # the best; a large cluster's other nodes are counted
_MOST_NAMES = 3


def find(simulation: "Simulation", name: str) -> "WorkloadRef":
    """Return the workload that a user names: NAME, NAMESPACE/NAME or KIND/NAMESPACE/NAME.

    Raises:
        typer.BadParameter: if the trace has none of that name, or several.
    """
    wanted = name.split("/")
    known = simulation.program.workloads
    found = [ref for ref in known if list(ref)[-len(wanted) :] == wanted]
    if len(found) == 1:
        return found[0]
    names = ", ".join("/".join(ref) for ref in found or known) or "none"
    told = "several" if found else "no such workload"
    raise typer.BadParameter(
        f"expected NAME, NAMESPACE/NAME or KIND/NAMESPACE/NAME of one workload, found {told} for "
        f"{name!r}: there is {names}",
        param_hint="--explain",
    )


def explained(simulation: "Simulation", ref: "WorkloadRef") -> dict[str, Any] | None:
    """Return what the plugins say of a workload's pod now, as plain data; None without a pod."""
    found = simulation.explain(ref)
    if found is None:
        return None
    explanation, victims = found
    return {"workload": "/".join(ref), **_document(explanation, victims)}


def _document(explanation: "Explanation", victims: Sequence[str]) -> dict[str, Any]:
    from sim_arena.engine.opinions import WEIGHTS

    return {
        "held": explanation.held,
        "on": explanation.on,
        "chosen": explanation.chosen,
        "nominated": explanation.nominated,
        "message": explanation.message,
        "weights": WEIGHTS,
        "nodes": [
            {
                "name": node.name,
                "left_out": node.left_out,
                "rejections": {
                    plugin: {
                        "reasons": list(rejection.reasons),
                        "preemption_helps": rejection.preemption_helps,
                    }
                    for plugin, rejection in node.rejections.items()
                },
                "scores": {
                    plugin: {"raw": score.raw, "normalised": score.normalised}
                    for plugin, score in node.scores.items()
                },
                "total": sum(WEIGHTS[p] * score.normalised for p, score in node.scores.items()),
                "victims": [victims[q] for q in node.victims],
                "violations": node.violations,
            }
            for node in explanation.nodes
        ],
    }


def print_explanation(document: dict[str, Any] | None, name: str) -> None:
    """Show the verdicts and the scores as tables."""
    if document is None:
        output.show(f"{name}: no pod that is pending or on a node")
        return
    where = f"on {document['on']}" if document["on"] else "pending"
    output.show(f"A pod of {document['workload']}, {where}. What each plugin says of it now:")
    rejected = list(_rejected(document["nodes"]))
    if rejected:
        columns = ("Rejected#", "Nodes", "Plugin", "Why", "Fewer pods would help")
        output.show(output.table(None, columns, rejected))
    scored = sorted(
        (node for node in document["nodes"] if node["scores"]), key=lambda node: -node["total"]
    )
    if scored:
        output.show(_scores(document, scored))
    for node in document["nodes"]:
        if node["victims"]:
            output.show(f"Preemption on {node['name']} would evict {_evicted(node)}.")
    if document["nominated"]:
        output.show(f"Preemption would choose {document['nominated']}.")
    if document["held"]:
        output.show("It is kept out of the scheduler's queue. If it came into it:")
    output.show(_verdict(document, len(scored)))


def _evicted(node: dict[str, Any]) -> str:
    names = ", ".join(node["victims"])
    count = node["violations"]
    return f"{names} ({count} against a PodDisruptionBudget)" if count else names


def _verdict(document: dict[str, Any], scored: int) -> str:
    if document["chosen"] is None:
        return str(document["message"])
    best = max(node["total"] for node in document["nodes"] if node["scores"])
    ties = sum(node["total"] == best for node in document["nodes"] if node["scores"])
    among = f", one of {ties} with the best sum" if ties > 1 else ""
    only = " (a single node is taken unscored)" if scored == 1 else ""
    return f"It would go to {document['chosen']}{among}{only}."


def _rejected(nodes: Sequence[dict[str, Any]]) -> Iterator[tuple[str, ...]]:
    """Group the nodes that are rejected alike; a line for each plugin that rejects them."""
    groups: dict[Any, list[str]] = {}
    for node in nodes:
        if node["left_out"]:
            said = ("NodeAffinity", "its name is not among those asked for", "no")
            groups.setdefault((said,), []).append(node["name"])
        elif node["rejections"]:
            key = tuple(
                (plugin, ", ".join(one["reasons"]), "yes" if one["preemption_helps"] else "no")
                for plugin, one in node["rejections"].items()
            )
            groups.setdefault(key, []).append(node["name"])
    for key, names in sorted(groups.items(), key=lambda item: -len(item[1])):
        more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
        first = (str(len(names)), ", ".join(names[:_MOST_NAMES]) + more)
        for said in key:
            yield (*first, *said)
            first = ("", "")


def _scores(document: dict[str, Any], scored: Sequence[dict[str, Any]]) -> Any:
    """Return the best nodes with what each plugin gave, before normalisation in brackets."""
    weights = document["weights"]
    heads = [f"{_folded(plugin)}\nx {weight}#" for plugin, weight in weights.items()]
    rows = [
        (
            node["name"],
            *(_cell(node["scores"][plugin]) for plugin in weights),
            str(node["total"]),
        )
        for node in scored[:_MOST_NODES]
    ]
    more = len(scored) - len(rows)
    if more > 0:
        rows.append((f"{more} more", *("" for _ in weights), ""))
    return output.table(None, ("Node", *heads, "Sum#"), rows)


def _folded(plugin: str) -> str:
    return "\n".join(re.findall("[A-Z][a-z]+", plugin))


def _cell(score: dict[str, int]) -> str:
    raw, normalised = score["raw"], score["normalised"]
    return str(normalised) if raw == normalised else f"{normalised} ({raw})"
