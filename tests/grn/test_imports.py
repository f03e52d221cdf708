"""`import grn` stays light, and numba and torchdiffeq stay at their places."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import grn

PROGRAM = """
import sys
import grn, torch
heavy = {"plotly", "tyro", "rich", "sklearn", "numba", "torchdiffeq", "pandas"} & set(sys.modules)
assert not heavy, heavy
for module in ("scipy.optimize", "scipy.integrate"):
    assert module not in sys.modules, module
state = grn.ExpressionState.initial(3)
grn.advance(state, torch.ones(3), 1.0, kinetics=grn.Kinetics(), backend="torch")
assert "numba" not in sys.modules
grn.advance(state, torch.ones(3), 1.0, kinetics=grn.Kinetics())
assert "numba" in sys.modules
"""


def test_import_is_light():
    done = subprocess.run([sys.executable, "-W", "error", "-c", PROGRAM], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_libraries_stay_at_their_boundaries():
    root = Path(grn.__file__).parent
    users = {"torchdiffeq": set(), "numba": set()}
    for path in root.rglob("*.py"):
        lines = path.read_text(encoding="utf-8").splitlines()
        imports = [line.split()[1] for line in lines if line.strip().startswith(("import ", "from "))]
        for library, places in users.items():
            if any(name.split(".")[0] == library for name in imports):
                places.add(path.relative_to(root).as_posix())
    assert users["torchdiffeq"] == {"integrate.py"}
    assert all(place.startswith("kernels/") for place in users["numba"])
