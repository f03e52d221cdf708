"""Plain torch networks. They know neither gene expression nor pruning."""

from models.amacnn import AMACNN
from models.compact import CompactFERNet
from models.gene_inspired import GeneInspiredNet
from models.hybrid import HybridFERNet
from models.resnet import ResNet, resnet18, resnet34
from models.speech import SpeechCNN
from models.vit import VisionTransformer, vit_small, vit_tiny
from models.wide_resnet import WideResNet

__all__ = [
    "AMACNN",
    "CompactFERNet",
    "GeneInspiredNet",
    "HybridFERNet",
    "ResNet",
    "SpeechCNN",
    "VisionTransformer",
    "WideResNet",
    "resnet18",
    "resnet34",
    "vit_small",
    "vit_tiny",
]
