"""A running average of the weights, scored in place of the weights themselves."""

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from pruning import PruningController


class RunningAverage:
    """Exponential moving average of a network's weights; its buffers are the network's own.

    Parameters
    ----------
    model : nn.Module
        The network that trains, before a controller is attached to its optimizer.
    decay : float
        Share of the average that a step keeps, in (0, 1).

    Examples
    --------
    >>> model = nn.Linear(1, 1, bias=False)
    >>> average = RunningAverage(model, 0.75)
    >>> for value in (0.0, 4.0):
    ...     _ = nn.init.constant_(model.weight, value)
    ...     average.update()
    >>> average.model.weight.item()
    1.0
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self._source = model
        self._average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(decay))  # type: ignore[no-untyped-call]

    @property
    def model(self) -> nn.Module:
        """The network with averaged weights."""
        module: nn.Module = self._average.module
        return module

    def update(self) -> None:
        """Take in the weights as they are after a step."""
        self._average.update_parameters(self._source)

    @torch.no_grad()
    def silence(self, controller: PruningController | None) -> None:
        """Set to zero what the controller silences: an average fades out, a gate does not."""
        if controller is None:
            return
        units = controller.gates.granularity == "unit"
        for name, mask in controller.masks().items():
            self.model.get_parameter(f"{name}.weight").masked_fill_(~mask, 0)
            bias = self.model.get_submodule(name).bias
            if units and isinstance(bias, Tensor):
                bias.masked_fill_(~mask.flatten(1)[:, 0], 0)

    def state_dict(self) -> dict[str, Tensor]:
        """Return weights, buffers and the number of steps taken in."""
        return self._average.state_dict()

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Continue from a stored state."""
        self._average.load_state_dict(state)
