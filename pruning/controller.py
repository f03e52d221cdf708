"""The controller: couples a model, its optimizer, a policy and a schedule."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from weakref import WeakSet

import numpy as np
import torch
from torch import Generator, Tensor, nn
from torch.optim import Optimizer
from torch.utils.hooks import RemovableHandle

from pruning.allocation import Allocation, Budget, make_budget
from pruning.checkpoint import load_tree, save_tree
from pruning.clock import UpdateClock
from pruning.gates import Gates, Granularity
from pruning.gradients import GradientObserver
from pruning.importance import Importance, mean_over
from pruning.optimizer_state import forget_curvature, parameter_ids, reset_entries
from pruning.policies.base import GatingContext, GatingDecision, GatingPolicy, PolicyState
from pruning.schedule import Schedule
from pruning.topology.layers import LayerTopology, layer_table, layer_topologies
from pruning.topology.snapshot import TopologySnapshot, packed, take_snapshot
from pruning.topology.update import GatingUpdate

_MOST_SHORT = torch.iinfo(torch.int16).max  # updates that are counted in two bytes
_OPEN: WeakSet["PruningController"] = WeakSet()  # controllers that listen to an optimizer


class PruningController:
    """Prunes and regrows the connections of a model while it trains.

    The controller listens to the optimizer: before a step it observes gradients and clears those of silent
    connections, after a step it keeps silent weights at zero and, every ``update_every`` steps, lets the
    policy choose new masks. The training loop stays as it is, and so do the model's forward pass and
    ``state_dict``. Automatic mixed precision, gradient accumulation, closures and data-parallel training
    need nothing more: gradients are final when the optimizer steps. Clipping works too, but a norm taken
    before the step counts the gradients of silent connections.

    Parameters
    ----------
    model : torch.nn.Module
        On its final device and in its final dtype.
    optimizer : torch.optim.Optimizer
        Updates every gated weight.
    policy : GatingPolicy
        Which connections are live.
    schedule : Schedule
        Target sparsity over training.
    total_steps : int
        Optimizer steps of the whole training.
    update_every : int
        Optimizer steps between updates of the masks.
    granularity : {"weight", "connection", "unit"}
        What one gate silences.
    allocation : {"global", "uniform", "erk"}
        How the budget is shared among layers.
    importance : Importance, optional
        α and β of Eq. 2.
    minimum_layer_density : float
        No layer falls below it.
    protection : int
        Updates during which a reborn connection, whose weight starts at zero, cannot be silenced.
    layers, exclude : sequence of str, optional
        Names or shell patterns of the layers to gate (all) and to leave dense (none).
    keep_masks : bool
        Whether snapshots hold the masks, one bit a gate.
    seed : int
        Of everything random in the policy.

    Attributes
    ----------
    gates : Gates
        The gated layers.
    history : list of TopologySnapshot
        One an update.
    steps, epochs : int
        Optimizer steps and epochs done.
    seconds : float
        Time spent in the controller's hooks, on the host's clock, without that of the observers.
    observers : list of callable
        Each is called with a :class:`pruning.topology.GatingUpdate` after an update, in their order; empty
        at first, not saved. :meth:`pruning.topology.TopologyHistory.record` is one: with it and
        ``keep_masks=False`` the masks of a run lie on disk alone.
    observer_seconds : float
        Time spent in them, and in packing masks that they alone are shown.

    Raises
    ------
    ValueError
        If an argument is out of range, a gated weight is not in the optimizer or not finite, or the schedule
        cannot reach its final sparsity with these updates.

    Examples
    --------
    >>> from pruning import CubicSchedule, ExpressionGating
    >>> _ = torch.manual_seed(0)
    >>> model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 2))
    >>> optimizer = torch.optim.Adam(model.parameters())
    >>> controller = PruningController(
    ...     model, optimizer, policy=ExpressionGating(autoactivation=1.0),
    ...     schedule=CubicSchedule(final_sparsity=0.5), total_steps=100, update_every=10)
    >>> for _ in range(100):
    ...     loss = model(torch.randn(32, 8)).square().mean()
    ...     optimizer.zero_grad(); loss.backward(); optimizer.step()
    >>> controller.live_connections, controller.sparsity
    (80, 0.5)
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: Optimizer,
        *,
        policy: GatingPolicy,
        schedule: Schedule,
        total_steps: int,
        update_every: int,
        granularity: Granularity = "weight",
        allocation: Allocation = "global",
        importance: Importance | None = None,
        minimum_layer_density: float = 0.01,
        protection: int = 1,
        layers: Sequence[str] | None = None,
        exclude: Sequence[str] = (),
        keep_masks: bool = True,
        seed: int = 0,
    ) -> None:
        _check_policy(policy)
        _check_schedule(schedule)
        for name, value, least in (
            ("total_steps", total_steps, 1),
            ("update_every", update_every, 1),
            ("protection", protection, 0),
            ("seed", seed, 0),
        ):
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise ValueError(f"{name} must be an integer of at least {least}, got {value!r}")
        self._clock = UpdateClock(total_steps=total_steps, every=update_every, schedule=schedule)
        self.gates = Gates(model, granularity, layers, exclude)
        known = parameter_ids(optimizer)
        for layer, parameter in self.gates.parameters():
            if id(parameter) not in known:
                raise ValueError(
                    f"layer {layer.name!r} is gated but the optimizer does not update it; "
                    "pass its parameters to the optimizer or exclude the layer"
                )
        self._handles: list[RemovableHandle] = []
        weights = {id(layer.weight) for layer in self.gates.layers}
        for other in _OPEN:
            if other._handles and weights & {id(layer.weight) for layer in other.gates.layers}:
                raise ValueError(
                    "these weights are gated by another controller already, whose masks would contradict "
                    "this one's; call close() on it first"
                )
        self.policy = policy
        self.schedule = schedule
        self.total_steps = total_steps
        self.update_every = update_every
        self.allocation: Allocation = allocation
        self.importance = importance or Importance()
        self.minimum_layer_density = minimum_layer_density
        self.protection = protection
        self.keep_masks = keep_masks
        self.seed = seed
        self.steps = 0
        self.epochs = 0
        self.seconds = 0.0
        self.accuracies: list[float] = []
        self.history: list[TopologySnapshot] = []
        self.observers: list[Callable[[GatingUpdate], None]] = []
        self.observer_seconds = 0.0
        self._optimizer = optimizer
        self._state: PolicyState = {}
        self._budget(schedule.final_sparsity)  # refuses what cannot be met, before any work
        device = self.gates.device
        self._born_in = torch.zeros(self.gates.total, dtype=_age_type(self._clock), device=device)
        self._set_mask(torch.ones(self.gates.total, dtype=torch.bool, device=device))
        self._gradients = GradientObserver(self.gates)
        self.gates.refuse_non_finite(self.gates.magnitude(), "controller refused: weights")
        if schedule.sparse_from_start:
            self._start_sparse()
        self._handles = [
            optimizer.register_step_pre_hook(self._before_step),
            optimizer.register_step_post_hook(self._after_step),
        ]
        _OPEN.add(self)

    # ------------------------------------------------------------------ what a user reads

    @property
    def live_connections(self) -> int:
        """Live gates, exactly."""
        return self._live_count

    @property
    def total_connections(self) -> int:
        """All gates."""
        return self.gates.total

    @property
    def density(self) -> float:
        """Live fraction of the gates."""
        return self._live_count / self.gates.total

    @property
    def sparsity(self) -> float:
        """Silenced fraction of the gates."""
        return 1.0 - self.density

    @property
    def layers(self) -> tuple[LayerTopology, ...]:
        """Size and live gates of every gated layer, in module order."""
        return layer_topologies(self.gates, self.gates.live_per_layer(~self._silent))

    @property
    def live_parameters(self) -> int:
        """Gated weights (and, with unit gates, biases) that are live."""
        counts = self.gates.live_per_layer(~self._silent)
        return sum(
            count * (layer.weights_per_gate + (layer.bias is not None))
            for layer, count in zip(self.gates.layers, counts, strict=True)
        )

    @property
    def gated_parameters(self) -> int:
        """Gated weights and biases, live or silent."""
        return sum(parameter.numel() for _, parameter in self.gates.parameters())

    @property
    def mask(self) -> Tensor:
        """Current mask of all gates, boolean, flat; a copy."""
        return ~self._silent

    @property
    def expression(self) -> Tensor | None:
        """Current protein level of every gate, flat, where the policy has one; a copy."""
        protein = self._state.get("protein")
        return None if protein is None else protein.to(torch.float32, copy=True)

    @property
    def last_update(self) -> int:
        """Optimizer step after which masks stay as they are."""
        return self._clock.last

    def skip_step(self) -> None:
        """Count a step that the optimizer did not take.

        A gradient scaler leaves a step out where gradients overflow, and no hook runs. Call this then, or
        updates come late and, at a schedule's very end, not at all.
        """
        self._count_step()

    def masks(self) -> dict[str, Tensor]:
        """Masks of each gated weight, boolean, in the weight's shape."""
        live = ~self._silent
        return {
            layer.name: layer.broadcastable(live).expand(layer.weight.shape).clone()
            for layer in self.gates.layers
        }

    def summary(self) -> str:
        """Table of layers, shapes and live gates, and what stays dense, as text."""
        state = (
            f"{type(self.policy).__name__}, {self.gates.granularity} gates, step {self.steps:,} of "
            f"{self.total_steps:,}, {len(self.history)} updates, "
            f"target sparsity {self.schedule.final_sparsity:g}"
        )
        table = layer_table(self.gates, self.gates.live_per_layer(~self._silent))
        dense = self.gates.dense
        if not dense:
            return f"{state}\n{table}"
        named = ", ".join(list(dense)[:4]) + (f" and {len(dense) - 4} more" if len(dense) > 4 else "")
        return f"{state}\n{table}\nnot gated: {sum(dense.values()):,} weights of {named}"

    def memory(self) -> dict[str, int]:
        """Bytes that the controller and its policy hold now, by purpose.

        Returns
        -------
        dict of str to int
            ``"mask"``: one byte a gate. ``"ages"``: two, or four in a run of 32,768 updates or more.
            ``"policy_state"``: what the policy remembers, eight for :class:`~pruning.ExpressionGating`.
            ``"gradient_sums"``: four a gated weight during the steps before an update that are observed, none
            otherwise. ``"history"``: the record of the run, one bit a gate and update if it keeps masks.

        Examples
        --------
        >>> from pruning import CubicSchedule, ExpressionGating
        >>> model = nn.Sequential(nn.Linear(100, 100))
        >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        >>> controller = PruningController(
        ...     model, optimizer, policy=ExpressionGating(),
        ...     schedule=CubicSchedule(final_sparsity=0.5), total_steps=8, update_every=2)
        >>> for _ in range(3):
        ...     loss = model(torch.ones(1, 100)).square().mean()
        ...     optimizer.zero_grad(); loss.backward(); optimizer.step()
        >>> controller.memory()
        {'mask': 10000, 'ages': 20000, 'policy_state': 80004, 'gradient_sums': 40000, 'history': 1570}
        """
        storages = {
            storage.data_ptr(): storage.nbytes()  # two views of one tensor hold it once
            for storage in (tensor.untyped_storage() for tensor in self._state.values())
        }
        return {
            "mask": self._silent.nbytes,
            "ages": self._born_in.nbytes,
            "policy_state": sum(storages.values()),
            "gradient_sums": self._gradients.memory(),
            "history": sum(snapshot.nbytes for snapshot in self.history),
        }

    # ------------------------------------------------------------------ what a loop may call

    def end_epoch(self, validation_accuracy: float) -> None:
        """Tell the controller that an epoch has ended.

        Parameters
        ----------
        validation_accuracy : float
            Fraction in [0, 1], never measured on test data: the threshold rule freezes by it.

        Raises
        ------
        ValueError
            If it lies outside [0, 1].
        """
        if not 0.0 <= validation_accuracy <= 1.0:
            raise ValueError(f"validation_accuracy must be a fraction in [0, 1], got {validation_accuracy}")
        self.accuracies.append(float(validation_accuracy))
        self.epochs += 1

    def steer(self, policy: GatingPolicy | None = None, schedule: Schedule | None = None) -> None:
        """Go on under another policy, another schedule, or both; what the gates are stays.

        Weights, masks, ages and the policy's state, such as mRNA and protein, are carried over, and nothing
        moves before the next update. From there on the run is that of a controller which had been made with
        the new values and stood at this point. A checkpoint taken now is loaded by a controller made with
        them.

        Parameters
        ----------
        policy : GatingPolicy, optional
            Of the same class as the one in force where that one remembers anything.
        schedule : Schedule, optional
            Its progress counts from the start of training, and it must leave an update to come. One that is
            sparse from the start draws no random mask here.

        Raises
        ------
        TypeError
            If either is no such thing, or the policy is of another class and could not take over the state.
        ValueError
            If the schedule cannot be met or is over already. Nothing is changed then.

        Examples
        --------
        >>> from grn import Kinetics
        >>> from pruning import ConstantSchedule, ExpressionGating
        >>> model = nn.Sequential(nn.Linear(10, 10))
        >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        >>> controller = PruningController(
        ...     model, optimizer, policy=ExpressionGating(),
        ...     schedule=ConstantSchedule(final_sparsity=0.8, end=1.0), total_steps=8, update_every=2)
        >>> def train(steps):
        ...     for _ in range(steps):
        ...         loss = model(torch.ones(1, 10)).square().mean()
        ...         optimizer.zero_grad(); loss.backward(); optimizer.step()
        >>> train(4)
        >>> controller.steer(
        ...     ExpressionGating(kinetics=Kinetics(mrna_decay=2.0, protein_decay=2.0)),
        ...     ConstantSchedule(final_sparsity=0.5, end=1.0))
        >>> controller.live_connections  # as before, until the next update
        20
        >>> train(2)
        >>> controller.live_connections
        50
        """
        if policy is not None:
            _check_policy(policy)
            if self._state and type(policy) is not type(self.policy):
                raise TypeError(
                    f"policy must be a {type(self.policy).__name__} like the one in force, whose state "
                    f"({', '.join(sorted(self._state))}) it takes over, got {type(policy).__name__}; begin "
                    "another run for it"
                )
        if schedule is not None:
            _check_schedule(schedule)
            clock = replace(self._clock, schedule=schedule)
            if clock.last <= self.steps:
                raise ValueError(
                    f"schedule must leave an update to come: its last is at step {clock.last}, and "
                    f"{self.steps} of {self.total_steps} are done; give it a later end"
                )
            self._budget(schedule.final_sparsity)
            self._clock, self.schedule = clock, schedule
            self._born_in = self._born_in.to(_age_type(clock))  # as a controller made with this schedule
        if policy is not None:
            self.policy = policy

    def close(self) -> None:
        """Stop listening to the optimizer; weights and masks stay as they are."""
        for handle in self._handles:
            handle.remove()
        self._handles = []

    def state_dict(self) -> dict[str, Any]:
        """Everything that resuming needs besides the model's and the optimizer's own state."""
        return {
            **self._identity(),
            "steps": self.steps,
            "epochs": self.epochs,
            "seconds": self.seconds,
            "accuracies": list(self.accuracies),
            "live": ~self._silent,
            "born_in": self._born_in.clone(),
            "policy_state": {key: value.clone() for key, value in self._state.items()},
            "gradients": self._gradients.state_dict(),
            "history": [snapshot.state_dict() for snapshot in self.history],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue where :meth:`state_dict` was taken, bit for bit.

        Load the model and the optimizer too, in any order.

        Raises
        ------
        ValueError
            If the state belongs to another model or to other settings; nothing is changed then.
        """
        for key, value in self._identity().items():
            if key not in state:
                raise ValueError(f"not a controller's state: {key!r} is missing")
            if state[key] != value:
                theirs, ours = _difference(state[key], value)
                raise ValueError(
                    f"the checkpoint is of another run: its {key} is {theirs}, this controller's is {ours}"
                )
        device = self.gates.device
        try:
            live, born_in = state["live"].to(device).clone(), state["born_in"].to(device).clone()
            policy_state = {key: value.to(device).clone() for key, value in state["policy_state"].items()}
            history = [TopologySnapshot.from_state_dict(item, self.gates) for item in state["history"]]
            gradients = GradientObserver(self.gates)
            gradients.load_state_dict(state["gradients"])
            counters = state["steps"], state["epochs"], state["seconds"], list(state["accuracies"])
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(f"not a controller's state: {error!r}") from None
        for name, found, held in (("masks", live, self._silent), ("ages", born_in, self._born_in)):
            if found.shape != held.shape or found.dtype != held.dtype:
                raise ValueError(
                    f"not a controller's state: it must hold {name} of {self.gates.total} gates in "
                    f"{held.dtype}, got {found.dtype} of shape {tuple(found.shape)}"
                )
        self._set_mask(live)
        self._born_in = born_in
        self._state = policy_state
        self._gradients = gradients
        self.history = history
        self.steps, self.epochs, self.seconds, self.accuracies = counters
        self._clear_weights()

    def _identity(self) -> dict[str, Any]:
        """What a checkpoint must share with this controller, as JSON values."""
        return {
            "gates": self.gates.fingerprint,
            "policy": repr(self.policy),
            "schedule": repr(self.schedule),
            "importance": repr(self.importance),
            "total_steps": self.total_steps,
            "update_every": self.update_every,
            "allocation": self.allocation,
            "minimum_layer_density": self.minimum_layer_density,
            "protection": self.protection,
            "seed": self.seed,
        }

    def save(self, path: str | Path) -> None:
        """Write :meth:`state_dict` to one safetensors file, atomically."""
        save_tree(path, self.state_dict())

    def load(self, path: str | Path) -> None:
        """Read what :meth:`save` wrote; refuses truncated files and those of another model."""
        self.load_state_dict(load_tree(path))

    # ------------------------------------------------------------------ hooks

    def _before_step(
        self, optimizer: Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
        """Observe gradients and clear those of silent connections, also inside a closure."""
        position = 1 if len(args) > 1 else "closure"
        closure = args[1] if position == 1 else kwargs.get("closure")
        if closure is None:
            self._observe()
            return None

        def observed() -> Any:
            loss = closure()
            self._observe()
            return loss

        if position == 1:
            return (args[0], observed, *args[2:]), kwargs
        return args, {**kwargs, "closure": observed}

    def _observe(self) -> None:
        started = time.perf_counter()
        if self.policy.needs_gradient and self._clock.observes_before(
            self.steps, self.importance.gradient_steps
        ):
            self._gradients.add(self._optimizer)
        for part in self._silent_parts:
            part.clear_gradient()
        self.seconds += time.perf_counter() - started

    def _after_step(self, optimizer: Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._count_step()

    def _count_step(self) -> None:
        started = time.perf_counter()
        watched = self.observer_seconds
        self._clear_weights()
        self.steps += 1
        if self._clock.updates_at(self.steps):
            self._update()
        self.seconds += time.perf_counter() - started - (self.observer_seconds - watched)

    # ------------------------------------------------------------------ updates

    def _budget(self, sparsity: float) -> Budget:
        return make_budget(self.gates, sparsity, self.allocation, self.minimum_layer_density)

    def _generator(self) -> Generator:
        """Noise that depends on the seed and the step alone, so that a resumed run draws the same."""
        entropy = np.random.SeedSequence([self.seed, self.steps]).generate_state(1, dtype=np.uint64)[0]
        return Generator(device=self.gates.device).manual_seed(int(entropy >> np.uint64(1)))

    def _start_sparse(self) -> None:
        """Draw a random first mask for a schedule that is sparse from the first step."""
        generator = self._generator()
        priority = torch.rand(self.gates.total, generator=generator, device=self.gates.device)
        self._set_mask(self._budget(self.schedule.sparsity(0.0)).select(priority))
        self._clear_weights()

    def _update(self) -> None:
        sparsity = self._clock.sparsity(self.steps)
        generator = self._generator()
        decision, importance = self._decide(sparsity, generator)
        live = ~self._silent
        born = decision.mask & self._silent
        died = live & ~decision.mask
        lifetime = mean_over(self._elapsed(), died) if bool(died.any()) else None
        flipped = born | died
        for layer, parameter in self.gates.parameters():
            reset_entries(self._optimizer, parameter, self.gates.view_for(layer, parameter, flipped))
        forget_curvature(self._optimizer)
        self._born_in.masked_fill_(born, self._clock.interval(self.steps))
        self._set_mask(decision.mask)
        self._clear_weights()
        if self.gates.granularity == "unit":
            self.gates.renew_units(born, generator)
        self._state = dict(decision.state)
        snapshot = take_snapshot(
            self.gates,
            decision.mask,
            born,
            died,
            step=self.steps,
            epoch=self.epochs,
            target_sparsity=sparsity,
            lifetime=lifetime,
            threshold=decision.threshold,
            expression=decision.expression,
            keep_masks=self.keep_masks,
        )
        self.history.append(snapshot)
        if self.observers:
            self._show(snapshot, decision, importance)

    def _show(self, snapshot: TopologySnapshot, decision: GatingDecision, importance: Tensor | None) -> None:
        """Call the observers; what is prepared for them alone counts as their time."""
        started = time.perf_counter()
        if snapshot.packed_masks is None:
            snapshot = replace(snapshot, packed_masks=packed(decision.mask))
        update = GatingUpdate(
            snapshot=snapshot,
            live=decision.mask,
            protein=decision.expression,
            mrna=decision.mrna,
            importance=importance,
        )
        for observer in self.observers:
            observer(update)
        self.observer_seconds += time.perf_counter() - started

    def _decide(self, sparsity: float, generator: Generator) -> tuple[GatingDecision, Tensor | None]:
        """Show the policy the gates; what was measured for it is given back when it has answered.

        The importance outlives that only where somebody observes a policy with expression.
        """
        # Taken before a refusal, or what was observed would refuse every later update too.
        gradient, taylor = self._gradients.take()
        magnitude = self.gates.magnitude()
        refused = f"update refused at step {self.steps} and masks are unchanged: "
        self.gates.refuse_non_finite(magnitude, f"{refused}weights")
        self.gates.refuse_non_finite(gradient, f"{refused}gradients")
        self.gates.refuse_non_finite(taylor, f"{refused}gradients")
        live = ~self._silent
        youngest = self._clock.interval(self.steps) - self.protection
        context = GatingContext(
            gates=self.gates,
            live=live,
            protected=live & (self._born_in >= max(1, youngest)),
            magnitude=magnitude,
            gradient=gradient,
            taylor=taylor,
            age=self._elapsed().div_(self.total_steps).masked_fill_(self._silent, 0.0),
            budget=self._budget(sparsity),
            target_sparsity=sparsity,
            training_progress=self.steps / self.total_steps,
            gating_progress=self._clock.gating_progress(self.steps),
            importance_weights=self.importance,
            accuracies=tuple(self.accuracies),
            generator=generator,
        )
        with torch.no_grad():
            decision = self.policy.decide(context, self._state)
        if decision.mask.shape != live.shape or decision.mask.dtype != torch.bool:
            raise ValueError(
                f"policy {type(self.policy).__name__} must return a boolean mask of {self.gates.total} "
                f"gates, got {decision.mask.dtype} of shape {tuple(decision.mask.shape)}"
            )
        seen = bool(self.observers) and decision.expression is not None
        return decision, context.importance if seen else None

    def _elapsed(self) -> Tensor:
        """Optimizer steps since each gate last came alive, float32."""
        return self._born_in.float().mul_(-self.update_every).add_(self.steps)

    def _set_mask(self, mask: Tensor) -> None:
        self._silent = ~mask
        self._silent_parts = self.gates.silent_parts(self._silent)
        self._live_count = int(mask.count_nonzero())

    def _clear_weights(self) -> None:
        for part in self._silent_parts:
            part.clear_weight()


def _check_policy(policy: GatingPolicy) -> None:
    if isinstance(policy, type) or not isinstance(policy, GatingPolicy):
        raise TypeError(
            "policy must be a GatingPolicy such as ExpressionGating(), with needs_gradient and decide, "
            f"got {policy!r}"
        )


def _check_schedule(schedule: Schedule) -> None:
    if isinstance(schedule, type) or not isinstance(schedule, Schedule):
        raise TypeError(
            f"schedule must be a Schedule such as CubicSchedule(final_sparsity=0.9), got {schedule!r}"
        )


def _age_type(clock: UpdateClock) -> torch.dtype:
    """Of the intervals that date births: updates come at most once in one, and 0 is the start."""
    return torch.int16 if clock.interval(clock.last) <= _MOST_SHORT else torch.int32


def _difference(theirs: Any, ours: Any) -> tuple[str, str]:
    """Where two values part: the first differing item of lists, the differing end of long texts."""
    if isinstance(theirs, list) and isinstance(ours, list):
        for one, other in zip(theirs, ours, strict=False):
            if one != other:
                return repr(one), repr(other)
        return f"of {len(theirs)} layers", f"of {len(ours)}"
    one, other = str(theirs), str(ours)
    start = next((at for at, pair in enumerate(zip(one, other, strict=False)) if len(set(pair)) > 1), 0)
    start = max(one.rfind(" ", 0, start), one.rfind("(", 0, start)) + 1
    name = one[: one.find("(") + 1] + "… " if start > one.find("(") + 1 > 0 else ""
    return name + one[start:][:80], name + other[start:][:80]
