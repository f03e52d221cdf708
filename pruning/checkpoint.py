"""Nested state on disk: one safetensors file, no pickle, replaced atomically."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

_FORMAT = "grn-pruning tree 1"
_TENSOR, _TUPLE, _MAPPING = "tensor", "tuple", "mapping"


def _encode(value: Any, path: str, tensors: dict[str, Tensor]) -> Any:
    """JSON form of a tree; tensors go to ``tensors``, ``path`` is for errors."""
    if isinstance(value, Tensor):
        # A clone, because safetensors refuses tensors that share memory or are views.
        key = str(len(tensors))
        tensors[key] = value.detach().cpu().contiguous().clone()
        return {_TENSOR: key}
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return {"float": value.hex()}
    if isinstance(value, Mapping):
        return {_MAPPING: [[key, _encode(item, f"{path}/{key}", tensors)] for key, item in value.items()]}
    if isinstance(value, list | tuple):
        items = [_encode(item, f"{path}/{index}", tensors) for index, item in enumerate(value)]
        return {_TUPLE: items} if isinstance(value, tuple) else items
    raise TypeError(
        "a checkpoint holds tensors, numbers, strings, booleans, None, lists, tuples and mappings, got "
        f"{type(value).__name__} at {path or 'the top'}"
    )


def _decode(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    if isinstance(value, list):
        return [_decode(item, tensors) for item in value]
    if not isinstance(value, dict):
        return value
    if _TENSOR in value:
        return tensors[value[_TENSOR]]
    if "float" in value:
        return float.fromhex(value["float"])
    if _TUPLE in value:
        return tuple(_decode(item, tensors) for item in value[_TUPLE])
    return {key: _decode(item, tensors) for key, item in value[_MAPPING]}


def write_atomically(path: str | Path, content: bytes) -> None:
    """Replace a file so that a crash at any instant leaves the old content or the new, never a part.

    The content is written beside the target, flushed to disk and renamed; then the directory is flushed.

    Parameters
    ----------
    path : str or Path
        Target; its directory is created if need be.
    content : bytes
        Whole new content.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    if os.name == "posix":
        directory = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def save_tree(path: str | Path, tree: Any) -> None:
    """Write a nested structure of tensors and plain values to one file, atomically.

    Parameters
    ----------
    path : str or Path
        Target, by convention ``*.safetensors``.
    tree : nested dict, list or tuple
        Of tensors, int, float, str, bool and None. Dictionary keys may be strings or integers, as in
        an optimizer's ``state_dict()``. Every bit is kept, of floats too.

    Raises
    ------
    TypeError
        If the tree holds anything else.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "state.safetensors"
    >>> save_tree(path, {"step": 3, "state": {0: (torch.ones(2), 0.1)}})
    >>> load_tree(path)
    {'step': 3, 'state': {0: (tensor([1., 1.]), 0.1)}}
    """
    tensors: dict[str, Tensor] = {}
    structure = json.dumps(_encode(tree, "", tensors), allow_nan=False)
    write_atomically(path, save(tensors, metadata={"format": _FORMAT, "tree": structure}))


def load_tree(path: str | Path) -> Any:
    """Read what :func:`save_tree` wrote; nothing is unpickled or executed.

    Parameters
    ----------
    path : str or Path
        A file written by :func:`save_tree`.

    Returns
    -------
    nested dict, list or tuple
        Tensors on the CPU.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is truncated, damaged or not ours.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no checkpoint at {path}")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise ValueError(
            f"checkpoint {path} cannot be read ({error}); it is truncated or damaged, or no file of save_tree"
        ) from None
    if metadata.get("format") != _FORMAT:
        raise ValueError(
            f"{path} is a safetensors file but no checkpoint of this project: its format must be "
            f"{_FORMAT!r}, got {metadata.get('format')!r}"
        )
    try:
        return _decode(json.loads(metadata["tree"]), tensors)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"checkpoint {path} is damaged: {error!r}") from None


def same_tree(left: Any, right: Any) -> bool:
    """Whether two trees agree in structure and in every bit.

    Examples
    --------
    >>> same_tree([torch.zeros(1), 1], [torch.zeros(1), 1]), same_tree({"a": 1}, {"a": 2})
    (True, False)
    """
    if isinstance(left, Tensor) and isinstance(right, Tensor):
        return left.dtype == right.dtype and left.shape == right.shape and torch.equal(left, right)
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return list(left) == list(right) and all(same_tree(left[key], right[key]) for key in left)
    if isinstance(left, list | tuple) and type(left) is type(right):
        return len(left) == len(right) and all(
            same_tree(one, other) for one, other in zip(left, right, strict=True)
        )
    return type(left) is type(right) and bool(left == right)
