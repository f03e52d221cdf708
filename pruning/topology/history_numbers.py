"""The numbers of a record as bytes: the snapshot without its masks, and the expression beside it."""

import struct
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pruning.topology.expression_summary import BINS, ExpressionSummary
from pruning.topology.history_deflate import deflate, inflate
from pruning.topology.history_header import HistoryHeader
from pruning.topology.snapshot import TopologySnapshot

_SCALARS = struct.Struct("<qddqqqddII")  # epoch ... threshold, what is present, bytes of the numbers
_LIFETIME, _THRESHOLD, _SAMPLE_EXPRESSION, _EXPRESSION, _MRNA, _IMPORTANCE = (1 << bit for bit in range(6))


def longest_payload(header: HistoryHeader) -> int:
    """Bytes that no payload of a history exceeds, deflate's own included."""
    numbers, _ = _numbers_size(header, _SAMPLE_EXPRESSION | _EXPRESSION | _MRNA | _IMPORTANCE)
    most = _SCALARS.size + numbers + header.mask_bytes
    return most + most // 1000 + 1024


def encode_numbers(
    header: HistoryHeader, snapshot: TopologySnapshot, expression: ExpressionSummary | None
) -> bytes:
    """Write everything but the masks."""
    present = 0
    parts = [
        np.array([layer.live for layer in snapshot.layers], dtype="<i8"),
        np.packbits(_checked(snapshot.sample_live, np.bool_, (header.snapshot_sample,), "sample_live")),
    ]
    if snapshot.sample_expression is not None:
        present |= _SAMPLE_EXPRESSION
        parts.append(
            _checked(snapshot.sample_expression, np.float32, (header.snapshot_sample,), "sample_expression")
        )
    if expression is not None:
        present |= _EXPRESSION
        size = header.sample.shape
        histogram = _checked(expression.histogram, np.int64, (len(header.layers), BINS), "histogram")
        if histogram.min() < 0 or (histogram.sum(1) > [layer.total for layer in header.layers]).any():
            raise ValueError("a layer's histogram must count each of its gates at most once")
        parts += [
            histogram.astype("<u4"),
            np.packbits(_checked(expression.live, np.bool_, size, "live")),
            _checked(expression.protein, np.float16, size, "protein"),
        ]
        if expression.mrna is not None:
            present |= _MRNA
            parts.append(_checked(expression.mrna, np.float16, size, "mrna"))
        if expression.importance is not None:
            present |= _IMPORTANCE
            parts.append(_checked(expression.importance, np.float32, size, "importance"))
    present |= _LIFETIME * (snapshot.lifetime is not None) | _THRESHOLD * (snapshot.threshold is not None)
    numbers = b"".join(part.astype(part.dtype.newbyteorder("<")).tobytes() for part in parts)
    assert len(numbers) == _numbers_size(header, present)[0]
    stored = deflate(numbers)
    return (
        _SCALARS.pack(
            snapshot.epoch,
            snapshot.sparsity,
            snapshot.target_sparsity,
            snapshot.live,
            snapshot.born,
            snapshot.died,
            snapshot.lifetime or 0.0,
            snapshot.threshold or 0.0,
            present,
            len(stored),
        )
        + stored
    )


def decode_numbers(
    header: HistoryHeader, payload: bytes, step: int
) -> tuple[TopologySnapshot, ExpressionSummary | None, bytes]:
    """Read everything but the masks, and return the bytes of those.

    Raises
    ------
    ValueError
        If the payload is not what a record of this history can be.
    """
    if len(payload) < _SCALARS.size:
        raise ValueError("it is too short")
    scalars = _SCALARS.unpack_from(payload)
    epoch, sparsity, target, live, born, died, lifetime, threshold, present, stored = scalars
    if present >= 1 << 6 or len(payload) < _SCALARS.size + stored:
        raise ValueError("it declares what it does not hold")
    size, types = _numbers_size(header, present)
    content = inflate(payload[_SCALARS.size : _SCALARS.size + stored], size)
    parts: list[NDArray[Any]] = []
    at = 0
    for dtype, count in types:
        parts.append(np.frombuffer(content, dtype, count, at).astype(np.dtype(dtype).newbyteorder("=")))
        at += parts[-1].nbytes
    rest = iter(parts)
    counts = next(rest).tolist()
    if any(not 0 <= count <= layer.total for count, layer in zip(counts, header.layers, strict=True)):
        raise ValueError("its layers have more live gates than there are")
    snapshot = TopologySnapshot(
        step=step,
        epoch=epoch,
        sparsity=sparsity,
        target_sparsity=target,
        live=live,
        born=born,
        died=died,
        lifetime=lifetime if present & _LIFETIME else None,
        threshold=threshold if present & _THRESHOLD else None,
        layers=tuple(replace(layer, live=count) for layer, count in zip(header.layers, counts, strict=True)),
        sample_live=_unpacked(next(rest), header.snapshot_sample),
        sample_expression=next(rest) if present & _SAMPLE_EXPRESSION else None,
        packed_masks=None,
    )
    expression = None
    if present & _EXPRESSION:
        expression = ExpressionSummary(
            histogram=next(rest).reshape(len(header.layers), BINS).astype(np.int64),
            live=_unpacked(next(rest), len(header.sample)),
            protein=next(rest),
            mrna=next(rest) if present & _MRNA else None,
            importance=next(rest) if present & _IMPORTANCE else None,
        )
    return snapshot, expression, payload[_SCALARS.size + stored :]


def _numbers_size(header: HistoryHeader, present: int) -> tuple[int, list[tuple[str, int]]]:
    """Bytes of the numbers, and type and count of each array in their order."""
    layers, followed, sampled = len(header.layers), header.snapshot_sample, len(header.sample)
    types = [("<i8", layers), ("u1", -(-followed // 8))]
    if present & _SAMPLE_EXPRESSION:
        types.append(("<f4", followed))
    if present & _EXPRESSION:
        types += [("<u4", layers * BINS), ("u1", -(-sampled // 8)), ("<f2", sampled)]
        if present & _MRNA:
            types.append(("<f2", sampled))
        if present & _IMPORTANCE:
            types.append(("<f4", sampled))
    return sum(np.dtype(dtype).itemsize * count for dtype, count in types), types


def _unpacked(packed: NDArray[Any], count: int) -> NDArray[np.bool_]:
    return np.unpackbits(packed.view(np.uint8), count=count).astype(bool)


def _checked(array: NDArray[Any], dtype: type[np.generic], shape: tuple[int, ...], name: str) -> NDArray[Any]:
    if array.dtype != dtype or array.shape != shape:
        raise ValueError(
            f"{name} must be {np.dtype(dtype)} of shape {shape}, got {array.dtype} of shape {array.shape}"
        )
    return array
