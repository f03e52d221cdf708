"""Imports point one way, and heavy libraries stay where they belong."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("grn", "pruning", "models", "studies")

MAY_USE = {
    "grn": {"grn"},
    "pruning": {"grn", "pruning"},
    "models": {"models"},
    "studies": set(PACKAGES),
}

# library -> where it may be imported: files, or folders with a trailing slash
BELONGS = {
    "torchdiffeq": ("grn/integrate.py", "studies/benchmarks/"),
    "numba": ("grn/kernels/", "pruning/kernels/"),
    "triton": ("grn/kernels/triton_march.py",),
    "plotly": ("grn/plot/", "studies/report/", "studies/tune/"),
    "dash": ("studies/tune/",),
    "flask": ("studies/tune/",),
    "kaleido": ("studies/",),
    "tyro": ("studies/",),
    "rich": ("studies/",),
    "sklearn": ("studies/",),
    "PIL": ("studies/",),
    "igraph": ("pruning/topology/layouts/",),
}

# What `import grn`, `import pruning` and `import models` must not bring in: neither is it needed to compute.
HEAVY = ("plotly", "kaleido", "tyro", "rich", "sklearn", "PIL", "igraph", "dash", "studies")


def imported_modules(source: str, path: str) -> Iterator[tuple[int, str]]:
    """(line, absolute dotted name) of everything ``source`` imports, at any depth, lazily or by name."""
    package = Path(path).parent.parts
    for node in ast.walk(ast.parse(source, path)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - (node.level - 1)] if node.level else ()
            prefix = ".".join((*base, *([node.module] if node.module else [])))
            for alias in node.names:
                yield node.lineno, f"{prefix}.{alias.name}"
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            function = node.func
            name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
            if name in {"import_module", "__import__"} and isinstance(node.args[0].value, str):
                yield node.lineno, node.args[0].value


def offences(source: str, path: str) -> list[str]:
    """Sentences about what the file at ``path`` (relative to the root) may not import."""
    package = Path(path).parts[0]
    found = []
    for line, module in imported_modules(source, path):
        top = module.split(".")[0]
        if top in PACKAGES and top not in MAY_USE[package]:
            found.append(f"{path}:{line} imports {module}: {package} may not use {top}")
        places = BELONGS.get(top)
        if places and not any(
            path == place or (place.endswith("/") and path.startswith(place)) for place in places
        ):
            found.append(f"{path}:{line} imports {module}: {top} belongs to {', '.join(places)}")
    return found


def test_imports_point_one_way_and_libraries_stay_in_their_places() -> None:
    files = [file for package in PACKAGES for file in sorted((ROOT / package).rglob("*.py"))]
    assert {file.relative_to(ROOT).parts[0] for file in files} == set(PACKAGES)
    found = [
        sentence
        for file in files
        for sentence in offences(file.read_text(encoding="utf-8"), file.relative_to(ROOT).as_posix())
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("path", "source", "blamed"),
    [
        ("grn/dynamics.py", "import pruning", "pruning"),
        ("grn/dynamics.py", "def late():\n    from models import CompactFERNet", "models"),
        ("grn/kernels/fused.py", "from ...studies import records", "studies"),
        ("pruning/controller.py", "from models.compact import CompactFERNet", "models"),
        ("pruning/policies/expression.py", "if TYPE_CHECKING:\n    from studies.data import load", "studies"),
        ("models/compact.py", "import grn.kinetics as k", "grn"),
        ("models/compact.py", "import importlib\nimportlib.import_module('pruning')", "pruning"),
        ("grn/dynamics.py", "from torchdiffeq import odeint", "torchdiffeq"),
        ("pruning/gates.py", "import numba", "numba"),
        ("grn/kernels_extra.py", "import numba", "numba"),
        ("pruning/topology/snapshot.py", "import plotly.graph_objects as go", "plotly"),
        ("studies/training.py", "import plotly", "plotly"),
        ("pruning/controller.py", "from rich.table import Table", "rich"),
    ],
)
def test_the_check_sees_an_offence(path: str, source: str, blamed: str) -> None:
    (sentence,) = offences(source, path)
    assert blamed in sentence


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("grn/integrate.py", "from torchdiffeq import odeint\nfrom grn.dynamics import ExpressionState"),
        ("grn/kernels/fused.py", "import numba\nfrom .. import kinetics\nfrom . import plain"),
        ("pruning/controller.py", "import grn\nfrom .gates import Gates\nimport networkx"),
        ("studies/report/figures.py", "import plotly.graph_objects as go\nimport grn, pruning, models"),
    ],
)
def test_the_check_lets_the_rest_pass(path: str, source: str) -> None:
    assert offences(source, path) == []


@pytest.mark.parametrize("package", ["grn", "pruning", "models"])
def test_importing_computation_brings_in_no_presentation(package: str) -> None:
    program = f"import sys, {package}; print(*(name for name in {HEAVY!r} if name in sys.modules))"
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == []
