"""A run's curves for TensorBoard, beside the project's own report."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from studies.evaluation import EpochResult

CURVES = {
    "loss/train": "train_loss",
    "loss/validation": "validation_loss",
    "accuracy/validation": "validation_accuracy",
    "macro F1/validation": "validation_macro_f1",
    "sparsity": "sparsity",
    "learning rate": "learning_rate",
}


def check_tensorboard() -> None:
    """Refuse to go on without TensorBoard.

    Raises
    ------
    ImportError
        If it is not installed.
    """
    try:
        import tensorboard  # noqa: F401
    except ImportError as error:
        raise ImportError(
            '--tensorboard needs TensorBoard: pip install "grn-pruning[tensorboard]"'
        ) from error


@contextmanager
def curves_for_tensorboard(folder: Path) -> Iterator[Callable[[EpochResult], None]]:
    """Give what takes a run's epochs and writes them to a folder as event files.

    A run that continues writes its earlier epochs again; TensorBoard shows the later ones of equal steps.
    """
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter(str(folder))

    def write(result: EpochResult) -> None:
        for title, name in CURVES.items():
            value = getattr(result, name)
            if value is not None:
                writer.add_scalar(title, value, result.epoch)

    try:
        yield write
    finally:
        writer.close()
