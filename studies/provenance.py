"""Where a record comes from: library versions, source commit, hardware."""

import hashlib
import os
import platform
import subprocess
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path

import torch
from torch import Tensor

from studies.data import ImageDataset

LIBRARIES = (
    "grn-pruning",
    "torch",
    "torchdiffeq",
    "numpy",
    "scipy",
    "networkx",
    "numba",
    "safetensors",
    "scikit-learn",
    "kornia",
    "pillow",
    "opencv-python-headless",
    "soundfile",
)
SOURCE = ("grn", "pruning", "models", "studies", "pyproject.toml")


def versions() -> dict[str, str]:
    """Return the version of Python and of every library that can change a result.

    Examples
    --------
    >>> sorted(versions())[:2]
    ['grn-pruning', 'kornia']
    """
    found = {"python": platform.python_version()}
    for library in LIBRARIES:
        try:
            found[library] = metadata.version(library)
        except metadata.PackageNotFoundError:
            found[library] = "not installed"
    return found


def commit() -> str | None:
    """Return the commit of the running source, "-dirty" appended if the source differs from it.

    None where the source is no git checkout of this project, or has no commit yet.
    """
    root = Path(__file__).resolve().parent.parent
    top = _git(root, "rev-parse", "--show-toplevel")
    head = _git(root, "rev-parse", "--verify", "HEAD")
    if top is None or head is None or Path(top).resolve() != root:
        return None
    changed = _git(root, "status", "--porcelain", "--", *SOURCE)
    return head if changed == "" else f"{head}-dirty"


class OtherCommitWarning(UserWarning):
    """A study holds runs of another commit than the one that goes on with it."""


def warn_of_other_commits(recorded: Sequence[str | None], running: str | None) -> None:
    """Warn, once, if finished runs come from another commit than the running source.

    Parameters
    ----------
    recorded : sequence of str or None
        The commit of every finished run.
    running : str or None
        The commit of the running source, as :func:`commit` returns it.

    Examples
    --------
    >>> import warnings
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     warn_of_other_commits(["1f0c9e2b77", "1f0c9e2b77", "a55d3c8e01"], "a55d3c8e01")
    >>> print(*(warning.message for warning in caught))
    finished runs come from another commit than the running source, a55d3c8: 2 from 1f0c9e2
    """
    others = Counter(made for made in recorded if made != running)
    if others:
        counts = ", ".join(f"{count} from {_short(made)}" for made, count in others.items())
        warnings.warn(
            f"finished runs come from another commit than the running source, {_short(running)}: {counts}",
            OtherCommitWarning,
            stacklevel=2,
        )


def _short(name: str | None) -> str:
    """First characters of a commit, with its "-dirty" mark."""
    if name is None:
        return "unknown"
    head, mark, _ = name.partition("-dirty")
    return head[:7] + mark


def hardware(device: torch.device) -> dict[str, str | int]:
    """Return the device, its name, and the number of threads: results repeat bit for bit at equal threads.

    Examples
    --------
    >>> sorted(hardware(torch.device("cpu")))
    ['cores', 'device', 'name', 'threads']
    """
    name = platform.machine() if device.type == "cpu" else torch.cuda.get_device_name(device)
    return {
        "device": str(device),
        "name": name,
        "cores": os.cpu_count() or 0,
        "threads": torch.get_num_threads(),
    }


def data_digest(dataset: ImageDataset) -> str:
    """Return the SHA-256 of all images and labels in their order: the same data give the same text."""
    digest = hashlib.sha256()
    for split in (dataset.train, dataset.validation, dataset.test):
        for tensor in (
            split.images,
            split.labels,
            *([] if split.soft_labels is None else [split.soft_labels]),
        ):
            _feed(digest, str(tuple(tensor.shape)), tensor)
    return digest.hexdigest()


def state_digest(state: Mapping[str, Tensor], masks: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 of a network's weights, in ``state_dict`` order, and of its masks.

    Equal digests mean equal bits.

    Examples
    --------
    >>> import torch
    >>> weight = {"weight": torch.ones(2)}
    >>> state_digest(weight, {}) == state_digest({"weight": torch.ones(2)}, {})
    True
    >>> state_digest(weight, {}) == state_digest(weight, {"weight": torch.tensor([True, False])})
    False
    """
    digest = hashlib.sha256()
    for name, tensor in (*state.items(), *((f"mask {name}", mask) for name, mask in masks.items())):
        _feed(digest, f"{name} {tensor.dtype} {tuple(tensor.shape)}", tensor)
    return digest.hexdigest()


def _feed(digest: "hashlib._Hash", label: str, tensor: Tensor) -> None:
    digest.update(label.encode())
    digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())


def _git(root: Path, *arguments: str) -> str | None:
    """Output of a git command, or None where git is missing or refuses."""
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
