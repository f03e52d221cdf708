"""Speed of `grn.advance` against its peers, each at its fastest setting with the same error.

The peers are torchdiffeq, scipy, the same step under torch.compile, and, as the limit that memory sets, a
copy of as many bytes as an interval reads and writes.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.integrate import solve_ivp
from torch import Tensor
from torchdiffeq import odeint

from grn import ExpressionDynamics, ExpressionState, Kinetics, Solver, advance, integrate
from grn.kernels.exponential import middle_weights, step_weights
from grn.kernels.plain import march_weighted
from grn.kernels.triton_march import triton_obstacle
from studies.benchmarks.timing import Timing, in_turns, ratio_range

KINETICS = Kinetics(mrna_decay=1.0, protein_decay=0.5, hill_coefficient=4.0)  # of ExpressionGating
AUTOACTIVATION = 1.0
WORDS_MOVED = 5  # a gene: m, p and the induction are read, m and p written

FIXED_STEP = ("midpoint", "heun3", "rk4")
STEP_COUNTS = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 32, 48, 64, 96, 128)
ADAPTIVE = ("bosh3", "dopri5", "dopri8")
SCIPY = ("RK45", "DOP853")
TOLERANCES = (1e-2, 3e-3, 1e-3, 3e-4, 1e-4, 3e-5, 1e-5, 3e-6, 1e-6)
COMPILED = "the same step under torch.compile"
SEARCHED = 100_000  # genes on which a peer's setting is sought
OWN_TOLERANCES = (1e-3, 5e-4, 3e-4, 2e-4, 1.5e-4, *TOLERANCES[4:])
SCIPY_LARGEST = 10_000  # genes; beyond, its search takes longer than all else

Carry = Callable[[], tuple[Tensor, Tensor]]


@dataclass(frozen=True, slots=True)
class Genes:
    """Genes in random states under random induction, as in a network that trains.

    Attributes
    ----------
    mrna, protein : Tensor
        Uniform on [0, 1], float32, shape (genes,).
    induction : Tensor
        S/K, log-normal about 1 with σ = 0.7.
    """

    mrna: Tensor
    protein: Tensor
    induction: Tensor

    @classmethod
    def random(cls, genes: int, *, seed: int = 0, device: str = "cpu") -> "Genes":
        """Draw genes; the same ones on every device.

        Examples
        --------
        >>> Genes.random(3).induction.shape
        torch.Size([3])
        """
        generator = torch.Generator().manual_seed(seed)
        m, p = torch.rand(genes, generator=generator), torch.rand(genes, generator=generator)
        q = torch.randn(genes, generator=generator).mul_(0.7).exp_()
        return cls(m.to(device), p.to(device), q.to(device))

    @property
    def state(self) -> ExpressionState:
        """(m, p) as `advance` takes them."""
        return ExpressionState(self.mrna, self.protein)

    def first(self, genes: int) -> "Genes":
        """Return the first so many genes."""
        return Genes(self.mrna[:genes], self.protein[:genes], self.induction[:genes])

    def exact(self, hours: float) -> tuple[Tensor, Tensor]:
        """Solve in float64 by dopri5 at a relative tolerance of 1e-9, on the CPU."""
        m, p, q = (t.double().cpu() for t in (self.mrna, self.protein, self.induction))
        dynamics = ExpressionDynamics(KINETICS, q, autoactivation=AUTOACTIVATION)
        solver = Solver(method="dopri5", relative_tolerance=1e-9, absolute_tolerance=1e-11)
        final = integrate(dynamics, ExpressionState(m, p), hours, solver).final
        return final.mrna, final.protein


def compare_engines(
    *, genes: int, hours: float, target: float, repeats: int, device: str, seed: int = 0
) -> Iterator[dict[str, Any]]:
    """Time every engine on the same genes, at the loosest setting that reaches an error, and record each.

    Parameters
    ----------
    genes : int
        How many.
    hours : float
        Interval, in hours of simulated time.
    target : float
        Error that each engine must reach on the first 100,000 genes, the largest of any concentration.
    repeats : int
        Rounds; engines take turns in each.
    device : str
        Where torch's engines run.
    seed : int
        Of the genes.

    Yields
    ------
    dict
        ``engine``, ``setting``, ``error``, ``seconds`` of every round, and ``times_advance``: its time as a
        multiple of `advance`'s, with the smallest and largest of a round.
    """
    here = Genes.random(genes, seed=seed, device=device)
    few = here.first(SEARCHED)
    exact = few.exact(hours)
    engines: dict[str, tuple[str, Carry]] = {}
    fastest = _fused_backend(here)

    def reaches(**setting: Any) -> bool:
        return _error(_advance(few, hours, fastest, **setting)(), exact) <= target

    steps = next(count for count in STEP_COUNTS if reaches(steps=count))
    loosest = next(tolerance for tolerance in OWN_TOLERANCES if reaches(tolerance=tolerance))
    setting = f"{fastest}, steps={steps}"
    stored = Genes(here.mrna.bfloat16(), here.protein.bfloat16(), here.induction)
    engines["advance"] = (setting, _advance(here, hours, fastest, steps=steps))
    engines["advance, stored in bfloat16, which rounds"] = (
        setting,
        _advance(stored, hours, fastest, steps=steps),
    )
    engines["advance, plain torch"] = (f"steps={steps}", _advance(here, hours, "torch", steps=steps))
    engines["advance, error controlled"] = (
        f"{fastest}, tolerance={loosest:g}",
        _advance(here, hours, fastest, tolerance=loosest),
    )
    step = _compiled_step(here, hours, steps)
    started = time.perf_counter()
    try:
        step()
    except Exception as error:  # it needs a C++ compiler, and a path to torch without a space
        reason = f"torch.compile fails here with {type(error).__name__}"
        yield {"engine": COMPILED, "device": device, "genes": genes, "hours": hours, "unmeasured": reason}
    else:
        compile_seconds = time.perf_counter() - started
        engines[COMPILED] = (f"steps={steps}", step)
    engines["torchdiffeq"] = _fastest_torchdiffeq(FIXED_STEP, few, here, hours, exact, target)
    engines["torchdiffeq, error controlled"] = _fastest_torchdiffeq(ADAPTIVE, few, here, hours, exact, target)
    if device == "cpu" and genes <= SCIPY_LARGEST:
        engines["scipy"] = _fastest_scipy(here, hours, exact, target)
    copied = torch.empty(WORDS_MOVED * genes // 2, device=device)
    source = torch.rand_like(copied)
    timed = {name: _waiting(carry, device) for name, (_, carry) in engines.items()}
    timed["copy of as many bytes"] = _waiting(lambda: copied.copy_(source), device)
    seconds = in_turns(timed, repeats, warm=True)
    ours = seconds[next(iter(engines))]
    for name, timing in seconds.items():
        record: dict[str, Any] = {
            "engine": name,
            "setting": engines[name][0] if name in engines else f"{4 * WORDS_MOVED} bytes a gene",
            "device": device,
            "genes": genes,
            "hours": hours,
            "seconds": list(timing.seconds),
            "times_advance": list(ratio_range(timing, ours)),
            "error": _error(engines[name][1](), exact) if name in engines else None,
        }
        if name == COMPILED:
            record["first_call_seconds"] = compile_seconds
        yield record


def _fused_backend(genes: Genes) -> str:
    if genes.mrna.device.type == "cpu":
        return "numba"
    return "torch" if triton_obstacle(genes.state, genes.induction, KINETICS) else "triton"


def _advance(genes: Genes, hours: float, backend: Any, **setting: Any) -> Carry:
    def carry() -> tuple[Tensor, Tensor]:
        after = advance(
            genes.state,
            genes.induction,
            hours,
            kinetics=KINETICS,
            autoactivation=AUTOACTIVATION,
            backend=backend,
            **setting,
        )
        return after.mrna, after.protein

    return carry


def _plain_step(genes: Genes, hours: float, steps: int, march: Any = march_weighted) -> Carry:
    """The step in plain torch, its weights made beforehand."""
    weights = step_weights(*KINETICS.rates, hours / steps)
    middle = middle_weights(KINETICS.protein_decay * hours / steps)

    def carry() -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            m, p, _ = march(
                *(genes.mrna, genes.protein, genes.induction),
                weights,
                middle,
                KINETICS,
                AUTOACTIVATION,
                steps,
            )
        return m, p

    return carry


def _compiled_step(genes: Genes, hours: float, steps: int) -> Carry:
    def march(*arguments: Any) -> tuple[Tensor, Tensor, None]:
        m, p, _ = march_weighted(*arguments)
        return m, p, None  # an estimate that nobody takes is not computed

    torch._dynamo.reset()
    return _plain_step(genes, hours, steps, torch.compile(march, dynamic=False))


def lean_right_hand_side(
    induction: Tensor,
) -> Callable[[Tensor, tuple[Tensor, Tensor]], tuple[Tensor, Tensor]]:
    """Eq. 1 as somebody in a hurry would write it for torchdiffeq: by squaring, in place where it can be.

    Examples
    --------
    >>> state = torch.tensor([0.2]), torch.tensor([0.6])
    >>> ours = ExpressionDynamics(KINETICS, torch.ones(1), autoactivation=AUTOACTIVATION)(None, state)
    >>> lean = lean_right_hand_side(torch.ones(1))(torch.zeros(()), state)
    >>> torch.allclose(torch.stack(lean), torch.stack(ours))
    True
    """
    scaled = induction / (1 + AUTOACTIVATION / 2)
    gamma_m, gamma_p, basal = float(KINETICS.mrna_decay), float(KINETICS.protein_decay), KINETICS.basal

    def derivative(_: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        m, p = state
        x = torch.addcmul(scaled, scaled, p, value=AUTOACTIVATION).square_().square_()
        made = x.div_(x + 1).mul_(1 - basal).add_(basal)
        return made.sub_(m).mul_(gamma_m), (m - p).mul_(gamma_p)

    return derivative


def _torchdiffeq(genes: Genes, hours: float, method: str, setting: float) -> Carry:
    derivative = lean_right_hand_side(genes.induction)
    times = torch.tensor([0.0, hours], device=genes.mrna.device)
    if method in FIXED_STEP:
        options: dict[str, Any] = {"options": {"step_size": hours / setting}}
    else:
        options = {"rtol": setting, "atol": setting}

    def carry() -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            m, p = odeint(derivative, (genes.mrna, genes.protein), times, method=method, **options)
        return m[-1], p[-1]

    return carry


def _fastest_torchdiffeq(
    methods: Sequence[str], few: Genes, here: Genes, hours: float, exact: tuple[Tensor, Tensor], target: float
) -> tuple[str, Carry]:
    """Choose the method that reaches the target first, each at its loosest setting that does."""
    found: list[tuple[float, str, Carry]] = []
    for method in methods:
        for setting in STEP_COUNTS if method in FIXED_STEP else TOLERANCES:
            carry = _torchdiffeq(few, hours, method, setting)
            if _error(carry(), exact) <= target:
                words = (
                    f"{method}, steps={setting}" if method in FIXED_STEP else f"{method}, rtol={setting:g}"
                )
                found.append((_once(carry), words, _torchdiffeq(here, hours, method, setting)))
                break
    _, words, carry = min(found, key=lambda candidate: candidate[0])
    return words, carry


def _fastest_scipy(
    genes: Genes, hours: float, exact: tuple[Tensor, Tensor], target: float
) -> tuple[str, Carry]:
    """Choose among scipy's explicit methods on one vector of all genes; others would need its Jacobian."""
    scaled = genes.induction.double().numpy() / (1 + AUTOACTIVATION / 2)
    start = torch.cat([genes.mrna, genes.protein]).double().numpy()
    size = len(scaled)
    basal, gamma_m, gamma_p = KINETICS.basal, float(KINETICS.mrna_decay), float(KINETICS.protein_decay)

    def derivative(_: float, state: Any) -> Any:
        m, p = state[:size], state[size:]
        x = (scaled * (1 + AUTOACTIVATION * p)) ** 2
        x *= x
        return np.concatenate([gamma_m * (basal + (1 - basal) * x / (1 + x) - m), gamma_p * (m - p)])

    def carry_with(method: str, tolerance: float) -> Carry:
        def carry() -> tuple[Tensor, Tensor]:
            final = solve_ivp(
                derivative, (0.0, hours), start, method, t_eval=[hours], rtol=tolerance, atol=tolerance
            ).y[:, -1]
            return torch.from_numpy(final[:size]), torch.from_numpy(final[size:])

        return carry

    found: list[tuple[float, str, Carry]] = []
    for method in SCIPY:
        for tolerance in TOLERANCES:
            carry = carry_with(method, tolerance)
            if _error(carry(), exact) <= target:
                found.append((_once(carry), f"{method}, rtol={tolerance:g}, float64", carry))
                break
    _, words, carry = min(found, key=lambda candidate: candidate[0])
    return words, carry


def _once(carry: Carry) -> float:
    """Time of the quicker of two calls: setting against setting, not a figure to report."""
    return in_turns({"": carry}, 2)[""].best


def _error(found: tuple[Tensor, Tensor], exact: tuple[Tensor, Tensor]) -> float:
    """Largest error of any concentration among the genes whose solution is known."""
    return max(
        float((one[: len(other)].double().cpu() - other).abs().max())
        for one, other in zip(found, exact, strict=True)
    )


def _waiting(run: Callable[[], object], device: str) -> Callable[[], object]:
    if device == "cpu":
        return run

    def until_done() -> None:
        run()
        torch.cuda.synchronize()

    return until_done


def median_milliseconds(record: dict[str, Any]) -> float:
    """Median time of a record in ms.

    Examples
    --------
    >>> median_milliseconds({"seconds": [0.001, 0.003, 0.002]})
    2.0
    """
    return 1e3 * Timing(tuple(record["seconds"])).median
