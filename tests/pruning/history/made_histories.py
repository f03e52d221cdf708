"""Snapshots and histories made from nothing but a step, and whether two records agree."""

from dataclasses import fields, replace

import numpy as np

from pruning import LayerTopology, TopologySnapshot
from pruning.topology import ExpressionSummary, TopologyHistory
from pruning.topology.history_file import HistoryFile


def same(one, other):
    """Whether two records agree in every field, and arrays in type, shape and bit."""
    if one is None or other is None:
        return one is other
    for attribute in fields(one):
        left, right = getattr(one, attribute.name), getattr(other, attribute.name)
        if isinstance(left, np.ndarray) or isinstance(right, np.ndarray):
            if left is None or right is None or (left.dtype, left.shape) != (right.dtype, right.shape):
                return False
            if left.tobytes() != right.tobytes():
                return False
        elif left != right:
            return False
    return True


def layer(name, outputs, inputs, live=0):
    total = outputs * inputs
    return LayerTopology(
        name=name,
        outputs=outputs,
        inputs=inputs,
        groups=1,
        layout=(1, outputs, inputs, 1),
        live=live,
        total=total,
    )


def snapshot(step, masks, layers, **changes):
    """A snapshot with one mask a layer; None for one that holds no masks."""
    flat = None if masks is None else np.concatenate([mask.ravel() for mask in masks])
    counts = [0] * len(layers) if masks is None else [int(mask.sum()) for mask in masks]
    fates = min(64, sum(layer.total for layer in layers))
    values = {
        "step": step,
        "epoch": step // 7,
        "sparsity": 0.1 * step,
        "target_sparsity": 0.1 + 0.2,
        "live": sum(counts),
        "born": step,
        "died": 2 * step,
        "lifetime": None if step % 2 else 3.5,
        "threshold": 0.0 if step % 3 else None,
        "layers": tuple(replace(one, live=count) for one, count in zip(layers, counts, strict=True)),
        "sample_live": np.arange(fates) % 2 == step % 2,
        "sample_expression": None,
        "packed_masks": None if flat is None else np.packbits(flat),
    }
    return TopologySnapshot(**{**values, **changes})


LAYERS = (layer("first", 8, 16), layer("second", 16, 24))


def masks_at(step, layers=LAYERS):
    """Of these 512 gates two in a hundred flip from one step to the next."""
    total = sum(one.total for one in layers)
    flat = (np.random.default_rng(0).random(total) < 0.4) ^ (np.arange(total) % 97 == step % 97)
    parts = np.split(flat, np.cumsum([one.total for one in layers])[:-1])
    return [part.reshape(one.outputs, one.inputs) for part, one in zip(parts, layers, strict=True)]


def expression_at(step, sample=24):
    random = np.random.default_rng(step)
    return ExpressionSummary(
        histogram=random.integers(0, 4, (2, 32)),
        live=random.random(sample) < 0.5,
        protein=random.random(sample).astype(np.float16),
        mrna=random.random(sample).astype(np.float16),
        importance=random.random(sample).astype(np.float32),
    )


def write(path, count, sample=24):
    """A history of the first ``count`` steps."""
    with TopologyHistory.create(path, LAYERS, run={"seed": 3}, sample=sample) as history:
        for step in range(1, count + 1):
            history.append(snapshot(step, masks_at(step), LAYERS), expression_at(step, sample))
    return path


def read_all(path):
    with TopologyHistory.open(path) as history:
        return list(history.records())


def frames(path):
    opened = HistoryFile(path)
    opened.close()
    return opened.frames
