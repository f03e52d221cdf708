"""What a cloud of genes is drawn from: their state, checked, frame by frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Cloud:
    """The arguments, checked, with frames first."""

    mrna: Array
    protein: Array
    live: NDArray[np.bool_]
    induction: Array | None
    layers: NDArray[np.int64] | None
    layer_names: tuple[str, ...]
    frames: tuple[str, ...]

    @classmethod
    def checked(
        cls,
        mrna: ArrayLike,
        protein: ArrayLike,
        live: ArrayLike | None,
        layer: ArrayLike | None,
        layer_names: Sequence[str] | None,
        induction: ArrayLike | None,
        frames: Sequence[str] | None,
    ) -> Cloud:
        """Check the arguments of :func:`grn.plot.cloud_plane`."""
        shape = np.shape(mrna)
        if len(shape) not in (1, 2) or 0 in shape:
            raise ValueError(f"mrna must have shape (genes,) or (frames, genes), none 0, got {shape}")
        m, p = _levels("mrna", mrna, shape), _levels("protein", protein, shape)
        s = None if induction is None else _levels("induction", induction, shape)
        on = np.ones(shape, bool) if live is None else np.asarray(live)
        if on.shape != shape or on.dtype != bool:
            raise ValueError(f"live must be boolean of shape {shape} like mrna, got {on.dtype} {on.shape}")
        layers = None if layer is None else np.asarray(layer)
        if layers is not None and (
            layers.shape != shape[-1:] or not np.issubdtype(layers.dtype, np.integer) or layers.min() < 0
        ):
            raise ValueError(
                f"layer must hold the number of a layer, from 0, for each of the {shape[-1]} genes, got "
                f"{layers.dtype} of shape {layers.shape}"
            )
        most = 0 if layers is None else int(layers.max()) + 1
        names = tuple(map(str, layer_names or [f"layer {k}" for k in range(most)]))
        if len(names) < most:
            raise ValueError(f"layer_names must name {most} layers, got {', '.join(names)}")
        count = shape[0] if len(shape) == 2 else 1
        labels = tuple(map(str, range(count) if frames is None else frames))
        if len(labels) != count or len(set(labels)) < count:
            raise ValueError(f"frames must name each of the {count} frames differently, got {labels}")
        return cls(
            mrna=np.atleast_2d(m), protein=np.atleast_2d(p), live=np.atleast_2d(on), layers=layers,
            induction=None if s is None else np.atleast_2d(s), layer_names=names, frames=labels,
        )  # fmt: skip


def _levels(name: str, values: ArrayLike, shape: tuple[int, ...]) -> Array:
    levels = np.asarray(values, float)
    if levels.shape != shape:
        raise ValueError(f"{name} must have the shape of mrna, {shape}, got {levels.shape}")
    if not bool((np.isfinite(levels) & (levels >= 0)).all()):
        bad = levels[~(np.isfinite(levels) & (levels >= 0))][0]
        raise ValueError(f"{name} must be finite and non-negative, got {bad}")
    return levels
