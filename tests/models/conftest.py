"""Every network at a tiny width, for what must hold of all of them."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn

from models import (
    AMACNN,
    CompactFERNet,
    HybridFERNet,
    SpeechCNN,
    VisionTransformer,
    WideResNet,
    resnet18,
)


@dataclass(frozen=True)
class Case:
    """A network and the shape of one of its inputs."""

    name: str
    network: Callable[[], nn.Module]
    shape: tuple[int, int, int]

    def build(self, seed: int = 0) -> nn.Module:
        torch.manual_seed(seed)
        return self.network()

    def images(self, count: int, seed: int = 1) -> Tensor:
        return torch.rand(count, *self.shape, generator=torch.Generator().manual_seed(seed))


CASES = {
    case.name: case
    for case in (
        Case("compact", lambda: CompactFERNet(5, 16, 4, dropout=0.0), (1, 16, 16)),
        Case("amacnn", lambda: AMACNN(5, 32, 4, dropout=0.0, hidden=12), (3, 32, 32)),
        Case("hybrid", lambda: HybridFERNet(5, 16, 4, dropout=0.0, hidden=(12, 8)), (1, 16, 16)),
        Case("resnet18", lambda: resnet18(5, 16, 4), (1, 16, 16)),
        Case("vit", lambda: VisionTransformer(5, 16, 16, patch_size=4, depth=2, heads=2), (1, 16, 16)),
        Case("wide_resnet", lambda: WideResNet(5, 16, 4, depth=10), (3, 16, 16)),
        Case("speech", lambda: SpeechCNN(5, 16, 4, dropout=0.0), (1, 16, 45)),
    )
}


@pytest.fixture(params=CASES)
def case(request):
    return CASES[request.param]
