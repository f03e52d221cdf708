"""Plain torch networks. They know neither gene expression nor pruning."""

from models.compact import CompactFERNet
from models.gene_inspired import GeneInspiredNet

__all__ = ["CompactFERNet", "GeneInspiredNet"]
