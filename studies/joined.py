"""Data-parallel training that computes what one process would on the joined batch.

Started by ``torchrun``, each process works on its rows of every batch. Gradients are averaged by
`DistributedDataParallel`; batch statistics and dropout are those of the whole batch, so that splitting it
changes nothing but the rounding.
"""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, distributed, nn
from torch.nn import functional
from torch.nn.parallel import DistributedDataParallel


@dataclass(frozen=True, slots=True)
class Workers:
    """The processes that train one network together, seen from one of them.

    Attributes
    ----------
    rank : int
        This process's number.
    size : int
        How many there are.
    """

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        """Whether this process is the one that prints and writes."""
        return self.rank == 0

    def rows(self, begin: int, end: int) -> slice:
        """Return this process's share of the rows ``begin`` to ``end`` of a batch, all shares equal.

        Examples
        --------
        >>> [Workers(rank, 2).rows(4, 12) for rank in (0, 1)]
        [slice(4, 8, None), slice(8, 12, None)]
        """
        share = (end - begin) // self.size
        return slice(begin + self.rank * share, begin + (self.rank + 1) * share)

    def check_batch(self, batch_size: int, micro_batches: int) -> None:
        """Refuse a batch that cannot be shared out evenly.

        Raises
        ------
        ValueError
            If the parts of a batch do not divide by the number of processes.
        """
        if batch_size % (micro_batches * self.size):
            raise ValueError(
                f"batch_size must be a multiple of processes × micro_batches = "
                f"{self.size} × {micro_batches}, got {batch_size}"
            )

    def network(self, model: nn.Module) -> nn.Module:
        """Return what to call in a training step: the model itself where there is one process.

        Otherwise its batch normalisation and dropout are replaced, in place and with the same parameters and
        names, by those of the joined batch.
        """
        if self.size == 1:
            return model
        _join_layers(model, self)
        device = next(model.parameters()).device
        return DistributedDataParallel(model, device_ids=[device] if device.type == "cuda" else None)

    def without_sum(self, network: nn.Module) -> AbstractContextManager[None]:
        """Give a block in which gradients stay this process's own: all parts of a batch but the last."""
        if isinstance(network, DistributedDataParallel):
            return cast(AbstractContextManager[None], network.no_sync())
        return nullcontext()

    def mean(self, value: Tensor) -> Tensor:
        """Average a value over the processes."""
        if self.size > 1:
            distributed.all_reduce(value)
            value /= self.size
        return value

    def wait(self) -> None:
        """Wait until all processes have come this far."""
        if self.size > 1:
            distributed.barrier()


def current_workers() -> Workers:
    """Return the processes that train together, this one alone outside of ``torchrun``."""
    if distributed.is_available() and distributed.is_initialized():
        return Workers(distributed.get_rank(), distributed.get_world_size())
    return Workers()


@contextmanager
def joined_processes() -> Iterator[Workers]:
    """Join the processes that ``torchrun`` has started, for the length of the block; alone, do nothing."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield current_workers()
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    distributed.init_process_group()  # gloo for the CPU, NCCL for CUDA
    try:
        yield current_workers()
        distributed.barrier()  # none may close its connections while another still works
    finally:
        distributed.destroy_process_group()


def _join_layers(module: nn.Module, workers: Workers) -> None:
    """Replace the layers in which the samples of a batch act on each other, or draw random numbers."""
    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm1d | nn.BatchNorm2d):
            setattr(module, name, _JoinedBatchNorm(child))
        elif isinstance(child, nn.Dropout):
            setattr(module, name, _JoinedDropout(child.p, workers))
        else:
            _join_layers(child, workers)


class _JoinedBatchNorm(nn.modules.batchnorm._BatchNorm):
    """Batch normalisation by the mean and variance of the joined batch; torch's own needs a GPU for that.

    It takes over parameters, buffers and settings of the layer that it replaces.
    """

    def __init__(self, layer: nn.modules.batchnorm._BatchNorm) -> None:
        super().__init__(
            layer.num_features, layer.eps, layer.momentum, layer.affine, layer.track_running_stats
        )
        self.weight, self.bias = layer.weight, layer.bias
        self.running_mean, self.running_var = layer.running_mean, layer.running_var
        self.num_batches_tracked = layer.num_batches_tracked
        self.train(layer.training)

    def _check_input_dim(self, input: Tensor) -> None:
        if input.dim() < 2:
            raise ValueError(f"batch normalisation needs (B, C, ...), got {tuple(input.shape)}")

    def forward(self, input: Tensor) -> Tensor:
        if not self.training:
            return super().forward(input)
        self._check_input_dim(input)
        over = [dim for dim in range(input.dim()) if dim != 1]
        shape = [1, -1] + [1] * (input.dim() - 2)
        values = input.to(torch.promote_types(input.dtype, torch.float32))
        count = distributed.get_world_size() * input.numel() // input.shape[1]
        mean = _sum_over_processes(values.sum(over)) / count
        centred = values - mean.view(shape)
        variance = _sum_over_processes(centred.square().sum(over)) / count
        if self.running_mean is not None and self.running_var is not None:
            assert self.num_batches_tracked is not None
            self.num_batches_tracked += 1
            share = self.momentum or 1.0 / float(self.num_batches_tracked)
            with torch.no_grad():
                self.running_mean.lerp_(mean.to(self.running_mean.dtype), share)
                unbiased = variance * (count / max(1, count - 1))
                self.running_var.lerp_(unbiased.to(self.running_var.dtype), share)
        normal: Tensor = centred * (variance + self.eps).rsqrt().view(shape)
        if self.weight is not None:
            normal = normal * self.weight.view(shape) + self.bias.view(shape)
        return normal.to(input.dtype)


class _JoinedDropout(nn.Dropout):
    """Dropout that keeps in a process's rows what it would keep in those rows of the joined batch."""

    def __init__(self, p: float, workers: Workers) -> None:
        super().__init__(p)
        self.workers = workers

    def forward(self, input: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return input
        rows = len(input) * self.workers.size
        whole = functional.dropout(input.new_ones(rows, *input.shape[1:]), self.p)
        return input * whole[self.workers.rows(0, rows)]


class _SumOverProcesses(torch.autograd.Function):
    """Sum over the processes, of values forward and of gradients backward."""

    @staticmethod
    def forward(_: Any, value: Tensor) -> Tensor:
        total = value.clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(_: Any, gradient: Tensor) -> Tensor:
        total = gradient.clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(total)
        return total


def _sum_over_processes(value: Tensor) -> Tensor:
    total: Tensor = _SumOverProcesses.apply(value)  # type: ignore[no-untyped-call]
    return total
