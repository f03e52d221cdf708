"""Compiled code that inlines another file is compiled anew when that file changes.

numba's cache on disk is refreshed when the file of a function changes, and watches no other.
"""

import hashlib
from importlib import import_module
from pathlib import Path

import pytest

KERNELS = Path(__file__).resolve().parents[2] / "grn" / "kernels"
INLINING = ("coupled", "hill", "lanes", "separable", "storage", "trajectories")


def digest(name: str) -> str:
    """First digits of the hash of a kernel's source."""
    return hashlib.sha256((KERNELS / f"{name}.py").read_bytes()).hexdigest()[:12]


@pytest.mark.parametrize("name", INLINING)
def test_a_kernel_names_the_state_of_what_it_inlines(name: str) -> None:
    recorded = import_module(f"grn.kernels.{name}").INLINED
    assert recorded == {source: digest(source) for source in recorded}, (
        f"write these digests into INLINED of grn/kernels/{name}.py, which makes numba compile it anew"
    )


def test_every_kernel_that_imports_compiled_code_is_checked() -> None:
    compiled = ("elementary", "hill", "interpreter", "storage")
    importing = {
        path.stem
        for path in KERNELS.glob("*.py")
        if any(f"from grn.kernels.{name} import" in path.read_text() for name in compiled)
    }
    assert importing == set(INLINING)


def test_constants_that_compiled_code_repeats_are_the_same() -> None:
    kernels = {
        name: import_module(f"grn.kernels.{name}") for name in ("hill", "refine", "separable", "triton_march")
    }
    assert kernels["separable"].MOST_STALLS == kernels["refine"].MOST_STALLS
    assert kernels["triton_march"].LARGEST_POWER == kernels["hill"].LARGEST_POWER
