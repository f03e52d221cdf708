"""The step fused for CUDA devices by Triton: genes that do not act on each other, every step in registers.

A program takes a block of genes from memory, carries them through all steps and writes them back, so that a
call reads and writes each value once. Weights are arguments, not constants of the code: other rates, times
and numbers of steps run what was compiled before. Triton comes with torch for CUDA and is imported with this
module where it is installed; without it `triton_obstacle` says so.
"""

from __future__ import annotations

import shutil
import sysconfig
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from os import environ
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from grn.kernels.exponential import middle_weights, step_weights

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from grn.kinetics import Kinetics
    from grn.state import ExpressionState

# By name, since type checkers run where it is not installed.
triton: Any = import_module("triton") if find_spec("triton") else None
tl: Any = import_module("triton.language") if find_spec("triton") else None

STORED = (torch.float32, torch.float64, torch.bfloat16, torch.float16)
LARGEST_POWER = 15  # integer n up to here by multiplication, as in grn.kernels.hill
LEAST_CAPABILITY = (8, 0)  # below, a device has neither bfloat16 nor a minimum that keeps NaN
# Multiply-adds are fused where Triton's default differs too, as it does from 3.10 on.
OPTIONS: dict[str, Any] = {"num_warps": 4, "enable_fp_fusion": True}
BLOCK_BYTES = 2048  # of one value in the dtype to compute in: 16 bytes a thread, one vector access


def compiled(function: Callable[..., Any]) -> Any:
    """Hand ``function`` to Triton, which compiles it when it is first launched; as it is without Triton.

    Triton reads the annotations: `Any` would be a global variable that its code must not touch.
    """
    if triton is None:
        return function
    # A single step compiled in as a constant would make another kernel of it.
    return triton.jit(function, do_not_specialize=["steps"])


@compiled
def hill(x: tl.tensor, n: tl.tensor, power: tl.constexpr) -> tl.tensor:
    """``xⁿ/(1+xⁿ)``, 0 for x ≤ 0; ``power`` is n where n is an integer up to `LARGEST_POWER`, else 0."""
    if power > 0:
        # Beyond the cap xⁿ > 1e30 and the answer is 1 in every dtype; below it no power overflows.
        square = tl.maximum(x, 0.0, propagate_nan=tl.PropagateNan.ALL)
        square = tl.minimum(square, 10.0 ** (30.0 / power), propagate_nan=tl.PropagateNan.ALL)
        raised = 1.0
        for bit in tl.static_range(4):
            if (power >> bit) & 1:
                raised = raised * square
            if power >> (bit + 1):
                square = square * square
        h = raised / (1.0 + raised)
    else:
        double: tl.constexpr = x.dtype == tl.float64
        tiny: tl.constexpr = 1e-307 if double else 2e-38
        largest: tl.constexpr = 995.0 if double else 115.0  # powers of two: both ends are normal numbers
        t = n * tl.log2(tl.maximum(x, tiny, propagate_nan=tl.PropagateNan.ALL))
        t = tl.minimum(t, largest, propagate_nan=tl.PropagateNan.ALL)
        t = tl.maximum(t, -largest, propagate_nan=tl.PropagateNan.ALL)
        h = tl.where(x <= tiny, 0.0, 1.0 / (1.0 + tl.exp2(-t)))
    return h


@compiled
def joined(parts: tl.tuple, kind: tl.constexpr) -> tl.tensor:
    """Weight in the dtype to compute in; a float64 comes in three parts, whose sum is exact."""
    value = tl.cast(parts[0], kind)
    if kind == tl.float64:
        value = value + tl.cast(parts[1], kind) + tl.cast(parts[2], kind)
    return value


@compiled
def march_block(
    m_before: tl.tensor,
    p_before: tl.tensor,
    induction: tl.tensor,
    m_after: tl.tensor,
    p_after: tl.tensor,
    error_after: tl.tensor,
    genes: tl.tensor,
    steps: tl.tensor,
    weights: tl.tuple,
    power: tl.constexpr,
    estimated: tl.constexpr,
    block: tl.constexpr,
) -> None:
    """Carry one block of genes with feedback through ``steps`` equal steps; `_march_weights` are its weights.

    The error is estimated and written where ``estimated``.
    """
    kind: tl.constexpr = induction.dtype.element_ty
    half_p, half_m, half_b, half_h = [joined(parts, kind) for parts in weights[0:4]]
    full_p, full_m, full_b, full_h = [joined(parts, kind) for parts in weights[4:8]]
    kept, m_b, m1, m2, m3 = [joined(parts, kind) for parts in weights[8:13]]
    p_b, p1, p2, p3 = [joined(parts, kind) for parts in weights[13:17]]
    at_p, at_m, at_next_p, at_next_m = [joined(parts, kind) for parts in weights[17:21]]
    fed_m, fed_p, missed_m, missed_p = [joined(parts, kind) for parts in weights[21:25]]
    kept_p, lost_m, lost_p = [joined(parts, kind) for parts in weights[25:28]]
    a, scale, n, chord = [joined(parts, kind) for parts in weights[28:32]]

    start = tl.program_id(0).to(tl.int64) * block
    lane = tl.arange(0, block)
    inside = lane < genes - start
    m = tl.load(m_before + start + lane, mask=inside, other=0.0).to(kind)
    p = tl.load(p_before + start + lane, mask=inside, other=0.0).to(kind)
    q = scale * tl.load(induction + start + lane, mask=inside, other=0.0)
    m_error = tl.zeros([block], kind)
    p_error = tl.zeros([block], kind)
    for _ in range(steps):
        h1 = hill(q * (1.0 + a * p), n, power)
        middle = half_p * p + half_m * m + (half_b + half_h * h1)
        h2 = hill(q * (1.0 + a * middle), n, power)
        last = full_p * p + full_m * m + (full_b + full_h * h2)
        h3 = hill(q * (1.0 + a * last), n, power)
        # As increments: a share kept of almost 1 would be rounded anew at each of many small steps.
        next_m = m + ((m_b + m1 * h1) + m2 * h2 + m3 * h3 - lost_m * m)
        next_p = p + (full_m * m + (p_b + p1 * h1) + p2 * h2 + p3 * h3 - lost_p * p)
        if estimated:
            between = at_p * p + at_m * m + at_next_p * next_p + at_next_m * next_m
            slope = (h2 - h2 * h2) * tl.maximum(1.0 - chord * middle, 1.0 - chord)
            missed = slope * tl.abs(between - middle)
            fed = slope * p_error
            p_next = kept_p * p_error + full_m * m_error + fed_p * fed + missed_p * missed
            m_error = kept * m_error + fed_m * fed + missed_m * missed
            p_error = tl.minimum(p_next, 1.0)
        m = next_m
        p = next_p
    tl.store(m_after + start + lane, m.to(m_after.dtype.element_ty), mask=inside)
    tl.store(p_after + start + lane, p.to(p_after.dtype.element_ty), mask=inside)
    if estimated:
        tl.store(error_after + start + lane, tl.maximum(m_error, p_error), mask=inside)


@compiled
def settle_block(
    m_before: tl.tensor,
    p_before: tl.tensor,
    induction: tl.tensor,
    m_after: tl.tensor,
    p_after: tl.tensor,
    genes: tl.tensor,
    weights: tl.tuple,
    power: tl.constexpr,
    block: tl.constexpr,
) -> None:
    """Carry one block of genes without feedback through one exact step; `_settle_weights` are its weights."""
    kind: tl.constexpr = induction.dtype.element_ty
    full_p, full_m, full_b, full_h = [joined(parts, kind) for parts in weights[0:4]]
    kept, m_b, m_h, n = [joined(parts, kind) for parts in weights[4:8]]
    start = tl.program_id(0).to(tl.int64) * block
    lane = tl.arange(0, block)
    inside = lane < genes - start
    m = tl.load(m_before + start + lane, mask=inside, other=0.0).to(kind)
    p = tl.load(p_before + start + lane, mask=inside, other=0.0).to(kind)
    h = hill(tl.load(induction + start + lane, mask=inside, other=0.0), n, power)
    p = full_p * p + full_m * m + (full_b + full_h * h)
    m = kept * m + (m_b + m_h * h)
    tl.store(m_after + start + lane, m.to(m_after.dtype.element_ty), mask=inside)
    tl.store(p_after + start + lane, p.to(p_after.dtype.element_ty), mask=inside)


def march_triton(
    m: Tensor,
    p: Tensor,
    induction: Tensor,
    *,
    hours: float,
    kinetics: Kinetics,
    autoactivation: float,
    steps: int,
    estimated: bool = True,
) -> tuple[Tensor, Tensor, Tensor]:
    """Carry genes that do not act on each other, as `grn.kernels.plain.march_separable` does, in one kernel.

    Nothing is checked here: `triton_obstacle` says what the kernel cannot take. Without feedback one step is
    exact, so one is taken.

    Parameters
    ----------
    m, p : Tensor
        mRNA and protein, of one shape and dtype, on one CUDA device: float32, float64, or bfloat16 or
        float16, which are computed in float32 and rounded once, at the end, to the nearest, ties to even.
    induction : Tensor
        S/K, of the same shape, in the dtype to compute in: float64 for a float64 state, else float32.
    hours : float
        Length of the interval.
    kinetics : Kinetics
        Scalar rates.
    autoactivation : float
        a.
    steps : int
        Equal steps to take.
    estimated : bool
        Whether errors are wanted. Without, no error is computed, and the tensor that comes back is empty.

    Returns
    -------
    tuple of Tensor
        m and p in the dtype of the state, and the estimated error of either in that of the induction.
    """
    m, p, induction = (t.detach().contiguous() for t in (m, p, induction))
    m_after, p_after, genes = torch.empty_like(m), torch.empty_like(p), m.numel()
    feedback, double = autoactivation != 0.0, induction.dtype == torch.float64
    error = induction.new_empty(0)
    if estimated:
        error = torch.empty_like(induction) if feedback else torch.zeros_like(induction)
    if genes == 0:
        return m_after, p_after, error
    n = float(kinetics.hill_coefficient)
    power = int(n) if n.is_integer() and n <= LARGEST_POWER else 0
    promoter = *(float(rate) for rate in kinetics.rates), n, float(kinetics.basal)
    block = BLOCK_BYTES // induction.element_size()
    grid = (-(-genes // block),)
    device = m.device if m.is_cuda else -1  # Triton's interpreter, which the tests use, takes the CPU's
    with torch.cuda.device(device):  # Triton launches on the current device, wherever the tensors are
        if feedback:
            weights = _march_weights(*promoter, float(autoactivation), hours / steps, double)
            march_block[grid](
                m, p, induction, m_after, p_after, error, genes, steps, weights, power, estimated, block,
                **OPTIONS,
            )  # fmt: skip
        else:
            weights = _settle_weights(*promoter, hours, double)
            settle_block[grid](m, p, induction, m_after, p_after, genes, weights, power, block, **OPTIONS)
    return m_after, p_after, error


def triton_obstacle(state: ExpressionState, induction: Tensor, kinetics: Kinetics) -> str | None:
    """Say what keeps the Triton kernel from this call, or None.

    Examples
    --------
    >>> import torch
    >>> from grn import ExpressionState, Kinetics
    >>> triton_obstacle(ExpressionState.initial(2), torch.ones(2), Kinetics())
    'runs on CUDA devices, got tensors on cpu'
    """
    device = state.mrna.device
    if device.type != "cuda":
        return f"runs on CUDA devices, got tensors on {device}"
    if state.mrna.dtype not in STORED:
        return f"takes float32, float64, bfloat16 and float16, got {state.mrna.dtype}"
    if any(isinstance(rate, torch.Tensor) for rate in kinetics.rates):
        return "takes scalar rates, got tensor rates"
    if torch.is_grad_enabled() and any(t.requires_grad for t in (*state.tensors(), induction)):
        return "gives no gradients, got a tensor that requires one"
    if triton is None:
        return "needs Triton, which comes with torch for CUDA and is not installed (pip install triton)"
    capability = torch.cuda.get_device_capability(device)
    if capability < LEAST_CAPABILITY:
        return f"needs compute capability 8.0 or above, got {'.'.join(map(str, capability))}"
    if not _can_build_launcher():
        return "builds its launcher with gcc, clang or CC and Python's headers, and did not find them"
    return None


@lru_cache(maxsize=1)
def _can_build_launcher() -> bool:
    """Look where Triton itself looks: without, the first launch would fail."""
    scheme = sysconfig.get_default_scheme().replace("posix_local", "posix_prefix")  # Debian's own
    headers = Path(sysconfig.get_path("include", scheme)) / "Python.h"
    compiler = "CC" in environ or any(shutil.which(name) is not None for name in ("gcc", "clang"))
    return compiler and headers.exists()


@lru_cache(maxsize=256)
def _march_weights(
    mrna_decay: float, protein_decay: float, n: float, basal: float, a: float, step: float, double: bool
) -> tuple[tuple[float, ...], ...]:
    """Weights of `march_block`; h = b + (1−b)·hill, and the kernel keeps hill alone."""
    weights: Any = step_weights(mrna_decay, protein_decay, step)  # of floats, since the rates are
    middle: Any = middle_weights(protein_decay * step)
    half, full, induced = weights.half, weights.full, 1.0 - basal
    gain = n * a * induced
    return _split(
        double,
        *(half.protein_kept, half.translated, half.protein_made * basal, half.protein_made * induced),
        *(full.protein_kept, full.translated, full.protein_made * basal, full.protein_made * induced),
        full.mrna_kept,
        sum(weights.mrna) * basal,
        *(weight * induced for weight in weights.mrna),
        sum(weights.protein) * basal,
        *(weight * induced for weight in weights.protein),
        *middle,
        *(gain * made for made in (full.mrna_made, full.protein_made, weights.mrna[1], weights.protein[1])),
        *(full.protein_kept, full.mrna_made, full.translated + full.protein_made),
        *(a, 1.0 / (1.0 + 0.5 * a), n, a / (1.0 + a)),
    )


@lru_cache(maxsize=256)
def _settle_weights(
    mrna_decay: float, protein_decay: float, n: float, basal: float, hours: float, double: bool
) -> tuple[tuple[float, ...], ...]:
    """Weights of `settle_block`."""
    full: Any = step_weights(mrna_decay, protein_decay, hours).full
    induced = 1.0 - basal
    return _split(
        double,
        *(full.protein_kept, full.translated, full.protein_made * basal, full.protein_made * induced),
        *(full.mrna_kept, full.mrna_made * basal, full.mrna_made * induced, n),
    )


def _split(double: bool, *values: float) -> tuple[tuple[float, ...], ...]:
    """Each value in parts of float32, as which Triton passes numbers: one, or three that make it exactly.

    Examples
    --------
    >>> ((first, second, third),) = _split(True, 0.1)
    >>> first + second + third
    0.1
    """
    parts = []
    for value in values:
        first = _single(value)
        second = _single(value - first)
        parts.append((first, second, value - first - second) if double else (first,))
    return tuple(parts)


def _single(value: float) -> float:
    """Round to float32."""
    return torch.tensor(value, dtype=torch.float32).item()
