"""Breaks a module's source in one place at a time, systematically, by its syntax tree."""

import ast
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Mutant", "mutants", "source_of"]

_ROOT = Path(__file__).parents[2]
_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.Div: ast.Mult,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
}
_CALLS = {"max": "min", "min": "max", "any": "all", "all": "any"}
# Nodes that are no behaviour: what only a reader or the type checker sees.
_SILENT = (ast.Import, ast.ImportFrom, ast.arguments, ast.AnnAssign)


@dataclass(frozen=True)
class Mutant:
    """A module with one thing changed.

    Attributes:
        module: its dotted name.
        function: where the change is; empty at the module's top.
        line: number of the line.
        change: what was changed, as source before and after.
        code: the changed module's source.
    """

    module: str
    function: str
    line: int
    change: str
    code: str


def source_of(module: str) -> Path:
    """Return a module's file."""
    return _ROOT / (module.replace(".", "/") + ".py")


def mutants(module: str, only: frozenset[str] | None = None) -> Iterator[Mutant]:
    """Make every mutant of a module; `only` confines them to functions of these names."""
    tree = ast.parse(source_of(module).read_text(encoding="utf-8"))
    for path, node, function in _walk(tree, (), ""):
        if only is not None and function not in only:
            continue
        for change in _changes(node):
            changed = copy.deepcopy(tree)
            before = ast.unparse(node)
            after = change(_at(changed, path))
            _put(changed, path, after)
            told = f"{_line(before)} -> {_line(ast.unparse(after))}"
            code = ast.unparse(ast.fix_missing_locations(changed))
            yield Mutant(module, function, getattr(node, "lineno", 0), told, code)


def _line(text: str) -> str:
    return text.splitlines()[0] if text else "nothing"


Path_ = tuple[tuple[str, int | None], ...]


def _walk(node: ast.AST, path: Path_, function: str) -> Iterator[tuple[Path_, ast.AST, str]]:
    """Visit what can be broken, with the way to it and the function that it is in."""
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns", "decorator_list", "ctx"):
            continue
        items = enumerate(value) if isinstance(value, list) else [(None, value)]
        for index, child in items:
            if not isinstance(child, ast.AST) or isinstance(child, _SILENT) or _is_words(child):
                continue
            inside = child.name if isinstance(child, ast.FunctionDef) and not function else function
            here = (*path, (field, index))
            yield here, child, inside
            yield from _walk(child, here, inside)


def _is_words(node: ast.AST) -> bool:
    """Say whether a node is a docstring, `__all__`, or a type."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return True
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
        return node.targets[0].id in ("__all__", "Object")
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def _at(tree: ast.AST, path: Path_) -> ast.AST:
    for field, index in path:
        value = getattr(tree, field)
        tree = value if index is None else value[index]
    return tree


def _put(tree: ast.AST, path: Path_, new: ast.AST) -> None:
    parent = _at(tree, path[:-1])
    field, index = path[-1]
    if index is None:
        setattr(parent, field, new)
    else:
        getattr(parent, field)[index] = new


Change = Callable[[ast.AST], ast.AST]


def _changes(node: ast.AST) -> Iterator[Change]:
    """Say in which ways one node can be broken."""
    for kinds, ways in _WAYS:
        if isinstance(node, kinds):
            yield from ways(node)


def _compared(node: Any) -> Iterator[Change]:
    for i, op in enumerate(node.ops):
        if type(op) in _COMPARISONS:
            yield _comparison(i, _COMPARISONS[type(op)])


def _computed(node: Any) -> Iterator[Change]:
    if type(node.op) in _ARITHMETIC:
        yield _operator(_ARITHMETIC[type(node.op)])


def _joined(node: Any) -> Iterator[Change]:
    yield _other_bool
    for i in range(len(node.values)):
        yield _without(i)


def _decided(_: Any) -> Iterator[Change]:
    yield _always(taken=True)
    yield _always(taken=False)


def _negated(node: Any) -> Iterator[Change]:
    if isinstance(node.op, (ast.Not, ast.USub)):
        yield lambda found: found.operand  # type: ignore[attr-defined]


def _fixed(node: Any) -> Iterator[Change]:
    if isinstance(node.value, bool):
        yield lambda _: ast.Constant(not node.value)
    elif isinstance(node.value, (int, float)):
        yield lambda _: ast.Constant(node.value + 1)


def _done(node: Any) -> Iterator[Change]:
    if not isinstance(node, ast.Expr) or isinstance(node.value, ast.Call):
        yield lambda _: ast.Pass()


def _called(node: Any) -> Iterator[Change]:
    if isinstance(node.func, ast.Name) and node.func.id in _CALLS:
        yield _other_call


_WAYS: tuple[tuple[Any, Callable[[Any], Iterator[Change]]], ...] = (
    (ast.Compare, _compared),
    ((ast.BinOp, ast.AugAssign), _computed),
    (ast.BoolOp, _joined),
    ((ast.If, ast.IfExp), _decided),
    (ast.UnaryOp, _negated),
    (ast.Constant, _fixed),
    ((ast.Break, ast.Continue, ast.Expr), _done),
    (ast.Call, _called),
)


def _comparison(i: int, op: type[ast.cmpop]) -> Change:
    def change(node: ast.AST) -> ast.AST:
        assert isinstance(node, ast.Compare)
        node.ops[i] = op()
        return node

    return change


def _operator(op: type[ast.operator]) -> Change:
    def change(node: ast.AST) -> ast.AST:
        assert isinstance(node, (ast.BinOp, ast.AugAssign))
        node.op = op()
        return node

    return change


def _other_bool(node: ast.AST) -> ast.AST:
    assert isinstance(node, ast.BoolOp)
    node.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
    return node


def _without(i: int) -> Change:
    def change(node: ast.AST) -> ast.AST:
        assert isinstance(node, ast.BoolOp)
        del node.values[i]
        return node if len(node.values) > 1 else node.values[0]

    return change


def _always(*, taken: bool) -> Change:
    def change(node: ast.AST) -> ast.AST:
        assert isinstance(node, (ast.If, ast.IfExp))
        node.test = ast.Constant(taken)
        return node

    return change


def _other_call(node: ast.AST) -> ast.AST:
    assert isinstance(node, ast.Call)
    assert isinstance(node.func, ast.Name)
    node.func.id = _CALLS[node.func.id]
    return node
