"""The Triton kernel without a device: interpreted on the CPU, and compiled for devices that are not there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from grn import ExpressionState, Kinetics
from grn.kernels import plain, triton_march
from grn.kernels.triton_march import march_triton, triton_obstacle

ROOT = Path(__file__).resolve().parents[2]
POWERS = (1.0, 2.0, 4.0, 7.0, 15.0, 2.5)
FEEDBACK = (0.0, 1.0, 3.0)
STEPS = (1, 2, 7)

# Against plain torch in float64 in as many steps, so that rounding is all that is left: a few units in the
# last place of a concentration near 1, times what feedback of n = 15 makes of them. Of the narrow formats it
# is the one rounding at the end, of which Triton's interpreter, unlike its compiler, makes a truncation.
TOLERANCE = {"float32": 4e-6, "float64": 1e-14, "bfloat16": 2.0**-8, "float16": 2.0**-11 + 4e-6}
ERROR_TOLERANCE = {"float32": 1e-6, "float64": 2e-15, "bfloat16": 1e-6, "float16": 1e-6}
CASES = [
    *product(("float32", "float64"), POWERS, FEEDBACK),
    *product(("bfloat16", "float16"), (4.0, 2.5), FEEDBACK),
]


def random_block(genes: int, name: str, device: str) -> tuple[torch.Tensor, ...]:
    """Make m, p and S/K, among them a promoter without inducer and one with all there is."""
    generator = torch.Generator().manual_seed(genes)
    m, p = torch.rand(2, genes, generator=generator, dtype=torch.float64)
    q = torch.exp(0.7 * torch.randn(genes, generator=generator, dtype=torch.float64))
    q[:1], q[1:2] = 0.0, torch.inf
    dtype = getattr(torch, name)
    computed = torch.float64 if dtype == torch.float64 else torch.float32
    return m.to(device, dtype), p.to(device, dtype), q.to(device, computed)


def worst_differences(name: str, n: float, a: float, device: str) -> list[float]:
    """Largest differences of m, p and the error from plain torch's over numbers of steps and of genes."""
    kinetics = Kinetics(mrna_decay=1.0, protein_decay=0.5, hill_coefficient=n, basal=0.02)
    worst = [0.0, 0.0, 0.0]
    for steps, genes in zip(STEPS, (1, 513, 777), strict=True):
        block = random_block(genes, name, device)
        before = [t.clone() for t in block]
        settings = {"hours": 3.0, "kinetics": kinetics, "autoactivation": a, "steps": steps}
        got = march_triton(*block, **settings)
        want = plain.march_separable(*(t.double() for t in block), **settings)
        differences = [(x.double() - y).abs().max().item() for x, y in zip(got, want, strict=True)]
        worst = [max(pair) for pair in zip(worst, differences, strict=True)]
        assert [t.dtype for t in got] == [t.dtype for t in block]
        assert all(torch.equal(t, same) for t, same in zip(block, before, strict=True))
        if steps != 2:
            continue
        without = march_triton(*block, **settings, estimated=False)
        assert torch.equal(without[0], got[0])
        assert torch.equal(without[1], got[1])
        assert without[2].numel() == 0
    return worst


@pytest.fixture(scope="module")
def interpreted() -> dict[str, list[float]]:
    """Differences for every case, from a process in which Triton interprets kernels on the CPU."""
    pytest.importorskip("triton", reason="Triton is not installed")
    environment = {
        **os.environ,
        "TRITON_INTERPRET": "1",
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "",
    }
    result = subprocess.run(
        [sys.executable, __file__],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_interpreted_kernel_does_what_plain_torch_does(case, interpreted) -> None:
    m, p, error = interpreted[str(case)]
    assert m <= TOLERANCE[case[0]]
    assert p <= TOLERANCE[case[0]]
    assert error <= ERROR_TOLERANCE[case[0]]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_kernel_on_a_device_does_what_plain_torch_does(case) -> None:
    pytest.importorskip("triton", reason="Triton is not installed")
    m, p, error = worst_differences(*case, "cuda")
    assert m <= TOLERANCE[case[0]]
    assert p <= TOLERANCE[case[0]]
    assert error <= ERROR_TOLERANCE[case[0]]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_other_rates_and_steps_run_what_was_compiled() -> None:
    pytest.importorskip("triton", reason="Triton is not installed")
    block = random_block(1024, "float32", "cuda")

    def compiled_variants(hours: float, steps: int) -> int:
        kinetics = Kinetics(mrna_decay=hours)
        march_triton(*block, hours=hours, kinetics=kinetics, autoactivation=hours, steps=steps)
        return sum(len(caches[0]) for caches in triton_march.march_block.device_caches.values())

    assert compiled_variants(0.3, 5) == compiled_variants(1.0, 1) == compiled_variants(2.0, 16)


SIGNATURES = {"float32": "fp32", "float64": "fp64", "bfloat16": "bf16", "float16": "fp16"}
TARGETS = [
    *product(("march_block",), SIGNATURES, (7, 0), (80, 90)),
    *product(("settle_block",), SIGNATURES, (7,), (90,)),
]


@pytest.mark.parametrize(("kernel", "name", "power", "capability"), TARGETS)
def test_the_kernel_compiles_for_devices(kernel, name, power, capability, tmp_path, monkeypatch) -> None:
    triton = pytest.importorskip("triton", reason="Triton is not installed")
    if os.environ.get("TRITON_INTERPRET") == "1":
        pytest.skip("TRITON_INTERPRET=1 keeps Triton from compiling")
    from triton.backends.compiler import GPUTarget

    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    computed = "fp64" if name == "float64" else "fp32"
    stored, wide = "*" + SIGNATURES[name], "*" + computed
    feedback = kernel == "march_block"
    weight = ("fp32",) * (3 if name == "float64" else 1)
    signature = {"m_before": stored, "p_before": stored, "induction": wide}
    signature |= {"m_after": stored, "p_after": stored}
    signature |= {"error_after": wide, "genes": "i32", "steps": "i32"} if feedback else {"genes": "i32"}
    weights = triton_march._march_weights(1.0, 0.5, 4.0, 0.02, 1.0, 0.5, False)
    signature |= {"weights": (weight,) * (len(weights) if feedback else 8)}
    constants = {"power": power, "block": triton_march.BLOCK_BYTES // (8 if name == "float64" else 4)}
    constants |= {"estimated": True} if feedback else {}
    function = getattr(triton_march, kernel)
    signature = {arg: signature.get(arg, "constexpr") for arg in function.arg_names}
    # What a launch knows: the allocator aligns tensors, here of a multiple of 16 genes.
    aligned = [i for i, kind in enumerate(signature.values()) if kind == "i32" or kind[0] == "*"]
    attributes = {(i,): [["tt.divisibility", 16]] for i in aligned if function.arg_names[i] != "steps"}
    source = triton.compiler.ASTSource(function, signature, constants, attributes)
    target = GPUTarget("cuda", capability, 32)
    made = triton.compile(source, target=target, options=dict(triton_march.OPTIONS))
    assert made.asm["cubin"][:4] == b"\x7fELF"
    ptx = made.asm["ptx"]
    assert f".target sm_{capability}" in ptx
    assert ".local" not in ptx  # everything in registers
    if name in ("bfloat16", "float16"):
        assert f"cvt.rn.{SIGNATURES[name].replace('fp16', 'f16')}" in ptx
    else:
        assert f"ld.global.{'v4.b32' if name == 'float32' else 'v2.b64'}" in ptx  # 16 bytes a thread


def test_without_triton_the_module_is_imported() -> None:
    program = (
        "import sys; sys.modules['triton'] = None; import importlib.util as u; find = u.find_spec;"
        "u.find_spec = lambda name, *rest: None if name == 'triton' else find(name, *rest);"
        "from grn.kernels import triton_march; assert triton_march.triton is None"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=100, check=False
    )
    assert result.returncode == 0, result.stderr


def test_obstacles_are_named(monkeypatch) -> None:
    monkeypatch.setattr(triton_march, "triton", object())
    monkeypatch.setattr(triton_march, "_can_build_launcher", lambda: True)
    capability = [(9, 0)]
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability[0])
    scalar, per_gene = Kinetics(), Kinetics(mrna_decay=torch.tensor(1.0))
    with FakeTensorMode():  # tensors on a device that need not be there
        q = torch.ones(3, device="cuda")
        state = ExpressionState(torch.ones(3, device="cuda"), torch.ones(3, device="cuda"))
        assert triton_obstacle(state, q, scalar) is None
        assert "scalar rates" in triton_obstacle(state, q, per_gene)
        wanting = torch.ones(3, device="cuda", requires_grad=True)
        assert "no gradients" in triton_obstacle(state, wanting, scalar)
        with torch.no_grad():
            assert triton_obstacle(state, wanting, scalar) is None
        capability[0] = (7, 5)
        assert "8.0 or above, got 7.5" in triton_obstacle(state, q, scalar)
        monkeypatch.setattr(triton_march, "_can_build_launcher", lambda: False)
        capability[0] = (9, 0)
        assert "builds its launcher" in triton_obstacle(state, q, scalar)
        monkeypatch.setattr(triton_march, "triton", None)
        assert "not installed" in triton_obstacle(state, q, scalar)
    assert "got tensors on cpu" in triton_obstacle(ExpressionState.initial(3), torch.ones(3), scalar)


if __name__ == "__main__":
    print(json.dumps({str(case): worst_differences(*case, "cpu") for case in CASES}))
