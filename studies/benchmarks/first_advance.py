"""Time of the first `grn.advance` of a process: where it must be compiled, and where that is on disk."""

import json
import os
import subprocess
import sys
import tempfile

_PROGRAM = """
import json, time
begin = time.perf_counter()
import torch
torch_imported = time.perf_counter()
import grn
imported = time.perf_counter()
import numba
numba_imported = time.perf_counter()
state = grn.ExpressionState.initial(10)
def call():
    begin = time.perf_counter()
    grn.advance(state, torch.ones(10), 0.5, kinetics=grn.Kinetics(), autoactivation=1.0)
    return time.perf_counter() - begin
print(json.dumps({"torch": torch_imported - begin, "grn": imported - torch_imported,
                  "numba": numba_imported - imported, "first": call(), "second": call()}))
"""


def first_advance() -> dict[str, dict[str, float]]:
    """Run a new process twice, with nothing compiled and with what the first left behind.

    Returns
    -------
    dict
        For "compiles" and "loads": seconds to import torch, grn and numba, and of the first and second call.
    """
    found = {}
    with tempfile.TemporaryDirectory() as cache:
        for name in ("compiles", "loads"):
            done = subprocess.run(
                [sys.executable, "-c", _PROGRAM],
                env={**os.environ, "NUMBA_CACHE_DIR": cache},
                capture_output=True,
                text=True,
                check=True,
            )
            found[name] = json.loads(done.stdout)
    return found
