"""Rates found by hand, as a file: the tuning page writes it, the studies that prune take it."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any, TypeVar

from grn import Kinetics
from pruning import ExpressionGating
from pruning.checkpoint import write_atomically
from studies.gating_options import GatingOptions

FORMAT, VERSION = "policy config", 1
KINETICS = ("mrna_decay", "protein_decay", "hill_coefficient", "basal")
GATING = ("threshold", "autoactivation", "cooperation", "window")
PARAMETERS = (*KINETICS, *GATING)
LEFT_OUT = ("margin", "on_level", "off_level", "homeostasis")  # a study has no option for them
OPTION = "--policy-config"

Options = TypeVar("Options", bound=GatingOptions)


@dataclass(frozen=True, kw_only=True, slots=True)
class PolicyConfig:
    """Parameters of :class:`pruning.ExpressionGating`, and the density that they were chosen at.

    Raises
    ------
    ValueError
        If a number is out of range.
    """

    mrna_decay: float  # gamma_m, 1/h
    protein_decay: float  # gamma_p, 1/h
    hill_coefficient: float  # n
    basal: float  # b, leak of a silent promoter, share of full activity
    threshold: float  # K, in units of the importance at the edge of the budget
    autoactivation: float  # a
    cooperation: float  # c
    window: float  # h of simulated time an update
    density: float | None = None  # share of live connections; a hint, no study takes it

    def __post_init__(self) -> None:
        if self.density is not None and not 0.0 < self.density <= 1.0:
            raise ValueError(f"density must lie in (0, 1], got {self.density}")
        self.gating()

    def gating(self) -> ExpressionGating:
        """Policy with these parameters."""
        return ExpressionGating(
            kinetics=Kinetics(**{name: getattr(self, name) for name in KINETICS}),
            **{name: getattr(self, name) for name in GATING},
        )


def write_policy_config(path: str | Path, policy: ExpressionGating, *, density: float | None = None) -> None:
    """Write the parameters of a policy to a JSON file, atomically.

    Parameters
    ----------
    path : str or Path
        By convention ``*.json``.
    policy : ExpressionGating
        Its gate, storage and backend are not written: a study chooses them by the policy's name.
    density : float, optional
        That the parameters were chosen at, in (0, 1].

    Raises
    ------
    ValueError
        If a parameter is a tensor, for which the file has no form, or the policy's margin,
        levels or homeostasis are not the usual ones, for which studies have no option.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "policy.json"
    >>> write_policy_config(path, ExpressionGating(threshold=1.5), density=0.1)
    >>> read_policy_config(path).threshold
    1.5
    """
    usual = ExpressionGating()
    for name in LEFT_OUT:
        if getattr(policy, name) != getattr(usual, name):
            raise ValueError(
                f"{name} must be {getattr(usual, name)}, as in the studies, for a policy config, "
                f"got {getattr(policy, name)}"
            )
    values = {name: getattr(policy.kinetics if name in KINETICS else policy, name) for name in PARAMETERS}
    for name, value in values.items():
        if not isinstance(value, int | float):
            raise ValueError(f"{name} must be one number for all genes in a policy config, got {value!r}")
    config = PolicyConfig(**{name: float(value) for name, value in values.items()}, density=density)
    document = {
        "format": FORMAT,
        "version": VERSION,
        "policy": {name: getattr(config, name) for name in PARAMETERS},
        "density": config.density,
    }
    write_atomically(path, (json.dumps(document, indent=2, allow_nan=False) + "\n").encode())


def read_policy_config(path: str | Path) -> PolicyConfig:
    """Read what :func:`write_policy_config` wrote.

    Raises
    ------
    ValueError
        Names the file, and the key and value that are wrong.
    FileNotFoundError
        If there is no such file.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no policy config at {path}: the tuning page writes one")
    try:
        document = json.loads(path.read_bytes(), object_pairs_hook=_without_repeats)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} must hold a policy config as JSON, and does not: {error}") from None
    _check_keys(path, "the file", document, required=("format", "version", "policy"), optional=("density",))
    for name, expected in (("format", FORMAT), ("version", VERSION)):
        if document[name] != expected or isinstance(document[name], bool):
            raise ValueError(f"{path}: {name} must be {expected!r}, got {document[name]!r}")
    policy = document["policy"]
    _check_keys(path, "policy", policy, required=PARAMETERS)
    density = document.get("density")
    try:
        return PolicyConfig(
            **{name: _number(name, policy[name]) for name in PARAMETERS},
            density=None if density is None else _number("density", density),
        )
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def with_policy_config(options: Options, path: str | Path | None) -> Options:
    """Return a study's options with the parameters of a file; without one, as they are.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "policy.json"
    >>> write_policy_config(path, ExpressionGating(autoactivation=3.0))
    >>> with_policy_config(GatingOptions(), path).autoactivation
    3.0
    """
    if path is None:
        return options
    config = read_policy_config(path)
    return replace(options, policy_config=Path(path), **{name: getattr(config, name) for name in PARAMETERS})


def named_config(arguments: Sequence[str]) -> str | None:
    """Return the file that ``--policy-config`` names among a command line's arguments.

    Raises
    ------
    ValueError
        If it is named twice.

    Examples
    --------
    >>> named_config(["--epochs", "3", "--policy-config", "mine.json"])
    'mine.json'
    """
    named = [
        argument.partition("=")[2] if "=" in argument else following
        for argument, following in zip_longest(arguments, arguments[1:], fillvalue="")
        if argument.partition("=")[0].replace("_", "-") == OPTION
    ]
    if len(named) > 1:
        raise ValueError(f"policy_config may be given once, got {' and '.join(named)}")
    return named[0] if named and named[0] not in ("", "None") else None


def check_agreement(options: GatingOptions) -> None:
    """Refuse options that say other than the file of rates they name.

    Raises
    ------
    ValueError
        Names the option, the file, and what each says.
    """
    if options.policy_config is None:
        return
    config = read_policy_config(options.policy_config)
    for name in PARAMETERS:
        if getattr(options, name) != getattr(config, name):
            raise ValueError(
                f"{name} is {getattr(config, name)} in {options.policy_config} and {getattr(options, name)} "
                "among the options: give it in one place, or the same value in both"
            )


def density_hint(options: GatingOptions, sparsities: Sequence[float]) -> str | None:
    """Say at which sparsity the rates of the file were chosen, where the study has no such level."""
    if options.policy_config is None:
        return None
    density = read_policy_config(options.policy_config).density
    if density is None or any(math.isclose(1.0 - level, density, abs_tol=1e-6) for level in sparsities):
        return None
    return (
        f"note: the rates of {options.policy_config} were chosen at density {density:g}, which is sparsity "
        f"{1.0 - density:g}; this study prunes to {', '.join(f'{level:g}' for level in sparsities)}"
    )


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)!r} stands in it twice")
    return values


def _check_keys(
    path: Path, where: str, found: Any, *, required: Sequence[str], optional: Sequence[str] = ()
) -> None:
    if not isinstance(found, Mapping):
        raise ValueError(f"{path}: {where} must be a JSON object, got {type(found).__name__} {found!r:.60}")
    for name in found:
        if name not in (*required, *optional):
            raise ValueError(
                f"{path}: {where} has no key {name!r}, got {found[name]!r:.60}; "
                f"its keys are {', '.join((*required, *optional))}"
            )
    for name in required:
        if name not in found:
            raise ValueError(f"{path}: {where} must have the key {name!r}, got {', '.join(found) or 'none'}")


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{name} must be a finite number, got {value!r:.60}")
    return float(value)
