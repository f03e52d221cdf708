"""Rate equations of a reaction system for a batch of parameter sets, with their derivatives by autograd."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from torch import Tensor

    from grn.networks.reactions import ReactionSystem


class RateEquations:
    """``dy/dt = f(t, y)`` of a reaction system, for one parameter set or a batch of them.

    Parameters
    ----------
    system : ReactionSystem
        Species, reactions, values of the parameters.
    parameters : mapping of str to float or Tensor, optional
        Values other than the system's own: numbers, or (B,) tensors for a batch.
    clamped : iterable of str, or Tensor
        Species that are held where they are; a boolean (species, B) tensor where that differs over the batch.
    device, dtype : optional
        CPU and float64 by default.

    Raises
    ------
    ValueError
        If a name is unknown, a value is not finite, or batch sizes differ.

    Examples
    --------
    >>> import torch
    >>> from grn.networks.formula import parameter, species
    >>> from grn.networks.reactions import Reaction, ReactionSystem
    >>> decay = Reaction(name="decay", changes={"A": -1}, rate=parameter("k") * species("A"))
    >>> system = ReactionSystem(initial={"A": 10.0}, reactions=(decay,), parameters={"k": 0.5})
    >>> equations = RateEquations(system, parameters={"k": torch.tensor([1.0, 2.0])})
    >>> y = torch.tensor([[10.0, 10.0]], dtype=torch.float64)  # (species, batch)
    >>> equations(0.0, y)
    tensor([[-10., -20.]], dtype=torch.float64)
    >>> equations.jacobian(y)[:, 0, 0]
    tensor([-1., -2.], dtype=torch.float64)
    """

    def __init__(
        self,
        system: ReactionSystem,
        *,
        parameters: Mapping[str, float | Tensor] | None = None,
        clamped: Iterable[str] | Tensor = (),
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float64,
    ) -> None:
        self.system = system
        self.device = torch.device(device)
        self.dtype = dtype
        self.overrides = dict(parameters or {})
        self.values = parameter_rows(system, self.overrides, device=self.device, dtype=dtype)
        self.fixed = system.derivatives.prepare(self.values)
        self.free = self._free(clamped)

    def _free(self, clamped: Iterable[str] | Tensor) -> Tensor | None:
        if isinstance(clamped, torch.Tensor):
            mask = clamped.to(self.device)
        else:
            names = set(clamped)
            for name in names:
                if name not in self.system.initial:
                    raise ValueError(
                        f"cannot clamp {name!r}: the species are {', '.join(self.system.species)}"
                    )
            mask = torch.tensor([[name in names] for name in self.system.species], device=self.device)
        return (~mask).to(self.dtype) if bool(mask.any()) else None

    @property
    def species(self) -> tuple[str, ...]:
        """Names of the species, in the order of the rows."""
        return self.system.species

    @property
    def batch(self) -> int:
        """Number of parameter sets, 1 where all share one."""
        return self.values.shape[1]

    def __call__(self, time: Tensor | float, y: Tensor, delayed: Tensor | None = None) -> Tensor:
        """Right-hand side.

        Parameters
        ----------
        time : float or Tensor
            The time.
        y : Tensor
            (species, B): concentrations.
        delayed : Tensor, optional
            (delays, B): earlier concentrations, in the order of ``system.derivatives.delayed``.

        Returns
        -------
        Tensor
            (species, B): concentration per time.
        """
        return self._held(self.system.derivatives(y, self.fixed, time, delayed))

    def replaced(self, parameters: Mapping[str, float | Tensor]) -> RateEquations:
        """Return the same equations with some parameters changed.

        Examples
        --------
        >>> from grn.networks.formula import parameter
        >>> from grn.networks.reactions import Reaction, ReactionSystem
        >>> rise = Reaction(name="rise", changes={"A": 1}, rate=parameter("k"))
        >>> system = ReactionSystem(initial={"A": 0.0}, reactions=(rise,), parameters={"k": 1.0})
        >>> float(RateEquations(system).replaced({"k": 4.0}).values[0])
        4.0
        """
        clamped: Iterable[str] | Tensor = () if self.free is None else self.free == 0
        return RateEquations(
            self.system,
            parameters={**self.overrides, **parameters},
            clamped=clamped,
            device=self.device,
            dtype=self.dtype,
        )

    def jacobian(self, y: Tensor, time: float = 0.0) -> Tensor:
        """Derivative of the right-hand side by the concentrations, by autograd.

        Parameters
        ----------
        y : Tensor
            (species, B).
        time : float
            The time.

        Returns
        -------
        Tensor
            (B, species, species): row i is the gradient of species i's slope.
        """
        return self.slope_and_jacobian(y, time)[1]

    def slope_and_jacobian(self, y: Tensor, time: float = 0.0) -> tuple[Tensor, Tensor]:
        """Right-hand side and its derivative: one pass forth and one back over a batch repeated by species.

        Parameters
        ----------
        y : Tensor
            (species, B).
        time : float
            The time.

        Returns
        -------
        slope : Tensor
            (species, B).
        jacobian : Tensor
            (B, species, species).
        """
        fixed = self.fixed
        if self.batch > 1:
            fixed = self.system.derivatives.prepare(self.values.detach().repeat(1, len(y)))
        with torch.enable_grad():
            wide = y.detach().repeat(1, len(y)).requires_grad_()
            slope = self._held(self.system.derivatives(wide, fixed, time))
            jacobian = _rows_of_jacobian(slope, wide, y.shape[1])
        return slope[:, : y.shape[1]].detach(), jacobian

    def parameter_jacobian(self, y: Tensor, names: Sequence[str], time: float = 0.0) -> Tensor:
        """Derivative of the right-hand side by parameters, by autograd.

        Parameters
        ----------
        y : Tensor
            (species, B).
        names : sequence of str
            Of the parameters.
        time : float
            The time.

        Returns
        -------
        Tensor
            (B, species, parameters).
        """
        order = list(self.system.parameters)
        for name in names:
            if name not in self.system.parameters:
                raise ValueError(f"{name!r} is no parameter of the model: those are {_some(order)}")
        chosen = torch.tensor([order.index(name) for name in names], dtype=torch.long, device=self.device)
        values = self.values.detach().expand(-1, y.shape[1]).repeat(1, len(y))
        with torch.enable_grad():
            wanted = values[chosen].requires_grad_()
            fixed = self.system.derivatives.prepare(values.index_copy(0, chosen, wanted))
            slope = self._held(self.system.derivatives(y.detach().repeat(1, len(y)), fixed, time))
            return _rows_of_jacobian(slope, wanted, y.shape[1])

    def _held(self, slope: Tensor) -> Tensor:
        """Slope of a batch repeated any number of times, zero where a species is clamped."""
        if self.free is None:
            return slope
        copies = slope.shape[1] // self.free.shape[1]
        return slope * (self.free if self.free.shape[1] == 1 else self.free.repeat(1, copies))

    def initial(self, start: Mapping[str, float | Tensor] | None = None, batch: int = 1) -> Tensor:
        """State at time 0: the system's own, with some species changed.

        Parameters
        ----------
        start : mapping of str to float or Tensor, optional
            Concentrations other than the system's: numbers, or (B,) tensors. Stages of a delay that are not
            named start where the delayed species does, as if it had always been there.
        batch : int
            Smallest batch wanted.

        Returns
        -------
        Tensor
            (species, B).
        """
        given = dict(start or {})
        for name, value in given.items():
            if name not in self.system.initial:
                raise ValueError(f"start names {name!r}: the species are {', '.join(self.species)}")
            if bool((torch.as_tensor(value) < 0).any()):
                raise ValueError(f"start of {name!r} must be a non-negative concentration, got {value}")
        for stage, leader in self.system.followers.items():
            if leader in given:
                given.setdefault(stage, given[leader])
        rows = _rows(self.system.initial, given, "start", self.device, self.dtype)
        width = _common_batch({"start": rows.shape[1], "parameters": self.batch, "batch": batch})
        return rows.expand(-1, width).clone()


def _rows_of_jacobian(slope: Tensor, inputs: Tensor, batch: int) -> Tensor:
    """(B, species, inputs): the batch is repeated by species, and each copy pulls back one of them."""
    count = len(slope)
    chosen = torch.eye(count, dtype=slope.dtype, device=slope.device).repeat_interleave(batch, 1)
    if not slope.requires_grad:
        return slope.new_zeros(batch, count, len(inputs))
    (rows,) = torch.autograd.grad(slope, inputs, chosen, allow_unused=True, materialize_grads=True)
    return rows.reshape(len(inputs), count, batch).permute(2, 1, 0)


def parameter_rows(
    system: ReactionSystem,
    overrides: Mapping[str, float | Tensor],
    *,
    device: torch.device,
    dtype: torch.dtype,
) -> Tensor:
    """Values of all parameters, (parameters, 1) or (parameters, B), differentiable by the overrides."""
    for name in overrides:
        if name not in system.parameters:
            import difflib

            near = difflib.get_close_matches(name, system.parameters, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"those are {_some(system.parameters)}"
            raise ValueError(f"{name!r} is no parameter of the model: {hint}")
    rows = _rows(system.parameters, overrides, "parameter", device, dtype)
    for name in overrides:
        lowest = float(torch.as_tensor(overrides[name]).detach().min())
        if lowest < 0 and name in system.non_negative:
            raise ValueError(f"parameter {name!r} must be non-negative, got {lowest:g}")
        if lowest <= 0 and name in system.positive:
            raise ValueError(f"parameter {name!r} must be positive, got {lowest:g}")
    return rows


def _some(names: Iterable[str], most: int = 12) -> str:
    """Return the first names; a long list hides the message it stands in."""
    listed = list(names)
    more = len(listed) - most
    return ", ".join(listed[:most]) + (f" and {more} more" if more > 0 else "")


def _rows(
    defaults: Mapping[str, float],
    given: Mapping[str, float | Tensor],
    what: str,
    device: torch.device,
    dtype: torch.dtype,
) -> Tensor:
    values = {}
    for name, value in given.items():
        if isinstance(value, bool) or not isinstance(value, int | float | torch.Tensor):
            raise TypeError(f"{what} {name!r} must be a number or a tensor, got {value!r}")
        values[name] = torch.as_tensor(value, dtype=dtype, device=device)
    for name, value in values.items():
        if value.ndim > 1:
            raise ValueError(
                f"{what} {name!r} must be a number or have shape (batch,), got {tuple(value.shape)}"
            )
        if not bool(torch.isfinite(value.detach()).all()):
            raise ValueError(f"{what} {name!r} must be finite, got {value}")
    width = _common_batch({name: value.numel() for name, value in values.items()})
    rows = torch.tensor(list(defaults.values()), dtype=dtype, device=device)[:, None].expand(-1, width)
    if not values:
        return rows
    place = {name: k for k, name in enumerate(defaults)}
    parts = list(rows.unbind(0))
    for name, value in values.items():
        parts[place[name]] = value.expand(width)
    return torch.stack(parts)


def _common_batch(sizes: Mapping[str, int]) -> int:
    """Largest size; all others must be it or 1."""
    largest = max(sizes.values(), default=1)
    for name, size in sizes.items():
        if size not in (1, largest):
            raise ValueError(f"batch sizes differ: {name!r} has {size} values, others {largest}")
    return largest
