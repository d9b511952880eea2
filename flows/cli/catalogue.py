"""`sim-arena policies`, `actions`, `rewards`: what there is to choose from."""

from inspect import cleandoc
from typing import Any

from flows.cli import options, output

__all__ = ["actions", "policies", "rewards"]


def policies(*, json: options.AsJson = False) -> None:
    """List the policies that --policy takes."""
    from sim_arena.policies import available

    entries = [{"name": name, "description": line} for name, line in available().items()]
    _answer("Policies", entries, json=json)


def rewards(*, json: options.AsJson = False) -> None:
    """List the rewards that --reward takes."""
    from sim_arena.rewards import REGISTRY

    entries = []
    for name, reward in REGISTRY.items():
        first, _, rest = cleandoc(reward.__doc__ or "").partition("\n\n")
        equation = rest.partition("\n\n")[0].replace("`", "")
        entries.append({"name": name, "description": first, "equation": equation})
    _answer("Rewards", entries, json=json)


def actions(*, json: options.AsJson = False) -> None:
    """List what a policy, or trace edit, can do."""
    from sim_arena.actions import REGISTRY

    entries = [
        {
            "name": action.name,
            "description": action.description,
            "resource": action.resource,
            "default_step": action.default_step,
            "step_bounds": list(action.step_bounds) if action.step_bounds else None,
        }
        for action in REGISTRY.values()
    ]
    _answer("Actions", entries, json=json)


def _answer(title: str, entries: list[dict[str, Any]], *, json: bool) -> None:
    if json:
        output.print_json(entries)
        return
    columns = list(entries[0])
    heads = [name.replace("_", " ").capitalize() for name in columns]
    rows = [[_cell(entry[name]) for name in columns] for entry in entries]
    output.show(output.table(title, heads, rows))


def _cell(value: object) -> str:
    if value is None:
        return output.UNKNOWN
    return " to ".join(map(str, value)) if isinstance(value, list) else str(value)
