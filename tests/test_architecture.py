"""The floors of the house: imports go down only, never sideways; torch is at file top in two folders only."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "clearfundus"

FLOORS = {
    **dict.fromkeys(("errors", "version", "files", "cores"), 0),
    **dict.fromkeys(("photo", "pretrained"), 1),
    **dict.fromkeys(("fundus", "networks", "engines"), 2),
    **dict.fromkeys(("methods", "quality", "vessels"), 3),
    **dict.fromkeys(("training", "evaluation", "pipeline"), 4),
    "interfaces": 5,
    **dict.fromkeys(("__init__", "__main__"), 6),
}
"""As drawn in ARCHITECTURE.md; a new module or package needs a floor."""
TORCH_AT_TOP = {"networks", "training"}
FILE_LINES, FUNCTION_LINES = 300, 40

FILES = sorted(SOURCE.rglob("*.py"))


def room_of(file: Path) -> str:
    """Return the package or module of the first level that a file belongs to."""
    return file.relative_to(SOURCE).parts[0].removesuffix(".py")


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            # `from clearfundus import x` may name a module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imports_at_top(tree: ast.Module) -> Iterator[str]:
    """Yield what running the file imports at once: all but functions and `if TYPE_CHECKING`."""
    waiting: list[ast.AST] = list(tree.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            waiting.extend(node.orelse)
            continue
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from imported(ast.Module([node], []))
        waiting.extend(ast.iter_child_nodes(node))


def faults(file: Path) -> list[str]:
    """Return what is wrong with one file."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return [*faults_of_imports(tree, room_of(file)), *faults_of_code(tree)]


def faults_of_imports(tree: ast.Module, room: str) -> list[str]:
    found = []
    for name in imported(tree):
        package, _, rest = name.partition(".")
        # a public name such as `clearfundus.enhance` hangs under the roof, so it counts as the highest floor
        other = rest.partition(".")[0]
        if package == "clearfundus" and other != room and FLOORS.get(other, 6) >= FLOORS[room]:
            found.append(f"imports {name}, which is not below {room}")
    if room not in TORCH_AT_TOP:
        found += [f"imports {n} at file top" for n in imports_at_top(tree) if n.partition(".")[0] == "torch"]
    return found


def faults_of_code(tree: ast.Module) -> list[str]:
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or 0) - node.lineno + 1 - docstring_lines(node)
            if lines > FUNCTION_LINES:
                found.append(f"{node.name} has {lines} lines beside its docstring")
        elif isinstance(node, ast.Assert):
            found.append(f"line {node.lineno}: assert, which -O removes; raise instead")
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "print":
            found.append(f"line {node.lineno}: print")
    return found


def docstring_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    first = node.body[0]
    if ast.get_docstring(node) is None:
        return 0
    return (first.end_lineno or 0) - first.lineno + 1


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(SOURCE)))
def test_a_file_keeps_to_its_floor(file: Path) -> None:
    assert room_of(file) in FLOORS, "give it a floor above, and in ARCHITECTURE.md"
    assert len(file.read_text(encoding="utf-8").splitlines()) <= FILE_LINES
    assert faults(file) == []


@pytest.mark.parametrize(
    ("room", "code", "fault"),
    [
        ("fundus", "from clearfundus.methods import METHODS", "not below"),
        ("fundus", "def f():\n    from clearfundus.networks import x", "not below"),
        ("photo", "from clearfundus import pipeline", "not below"),
        ("methods", "import clearfundus", "not below"),
        ("methods", "try:\n    import torch.nn\nexcept ImportError:\n    pass", "at file top"),
        ("methods", "class A:\n    from torch import nn", "at file top"),
        ("methods", "print(1)", "print"),
        ("methods", "assert True", "assert"),
        ("methods", "def f():\n" + "    x = 1\n" * 40, "41 lines"),
    ],
)
def test_a_fault_is_seen(room: str, code: str, fault: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setitem(globals(), "SOURCE", tmp_path)
    file = tmp_path / room / "new.py"
    file.parent.mkdir()
    file.write_text(code)
    assert any(fault in line for line in faults(file))
