"""The head of a topology history: the layers, the run and the sampled gates, written once."""

import json
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pruning.topology.expression_summary import BINS, SAMPLE, choose_sample
from pruning.topology.history_deflate import deflate, inflate
from pruning.topology.layers import LayerTopology
from pruning.topology.snapshot import SAMPLED_GATES

MAGIC = b"\x89GRNT\r\n\x1a"  # no text file begins so, and a transfer as text would change it
VERSION = 2
PREFIX = struct.Struct("<8sIIII")  # magic, version, bytes of the JSON, bytes stored, checksum
MOST_HEADER = 2**24  # bytes of JSON
MOST_GATES = 2**32 - 1
MOST_SAMPLED = 2**16
_LAYOUT = ("groups", "outputs", "inputs", "gates")  # of a layer's gates, row-major


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class HistoryHeader:
    """What all records of a history share.

    Attributes
    ----------
    layers : tuple of LayerTopology
        Of the network; ``live`` means nothing here.
    run : mapping of str to JSON values
        Facts of the run.
    sample : ndarray of int64
        Increasing places of the gates whose expression is followed.
    snapshot_sample : int
        How many gates a snapshot itself samples.
    """

    layers: tuple[LayerTopology, ...]
    run: Mapping[str, Any]
    sample: NDArray[np.int64] = field(repr=False)
    snapshot_sample: int

    @property
    def total(self) -> int:
        """All gates."""
        return sum(layer.total for layer in self.layers)

    @property
    def mask_bytes(self) -> int:
        """Bytes of all masks, eight gates to a byte."""
        return -(-self.total // 8)


def new_header(
    layers: Sequence[LayerTopology], run: Mapping[str, Any] | None = None, sample: int = SAMPLE
) -> HistoryHeader:
    """Head of a history that begins now, with so many gates sampled at most.

    Raises
    ------
    ValueError
        If the sample is too large.
    """
    if not 0 <= sample <= MOST_SAMPLED:
        raise ValueError(f"sample must be from 0 to {MOST_SAMPLED:,} gates, got {sample}")
    return HistoryHeader(
        layers=tuple(layers),
        run=dict(run or {}),
        sample=choose_sample(layers, sample),
        snapshot_sample=min(SAMPLED_GATES, sum(layer.total for layer in layers)),
    )


def encode_header(header: HistoryHeader) -> bytes:
    """Write a header as bytes.

    Raises
    ------
    ValueError
        If its layers are no network's, or the facts of the run are not JSON values.
    """
    _check(header)
    content = {
        "layers": [_encode_layer(layer) for layer in header.layers],
        "run": dict(header.run),
        "expression_sample": header.sample.tolist(),
        "expression_bins": BINS,
        "snapshot_sample": header.snapshot_sample,
    }
    try:
        text = json.dumps(content, allow_nan=False, separators=(",", ":")).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"the facts of a run must be finite JSON values, got {error}") from None
    if len(text) > MOST_HEADER:
        raise ValueError(
            f"the facts of a run and its layers must take at most {MOST_HEADER:,} bytes, got {len(text):,}"
        )
    stored = deflate(text)
    prefix = PREFIX.pack(MAGIC, VERSION, len(text), len(stored), 0)[:-4]
    return prefix + zlib.crc32(stored, zlib.crc32(prefix)).to_bytes(4, "little") + stored


def decode_prefix(prefix: bytes) -> int:
    """Look at the first bytes of a file and return how many follow that belong to its header.

    Raises
    ------
    ValueError
        If it is no history, or one of another version.
    """
    if len(prefix) < PREFIX.size or not prefix.startswith(MAGIC):
        raise ValueError("it is no topology history")
    _, version, length, stored, _ = PREFIX.unpack(prefix)
    if version != VERSION:
        raise ValueError(
            f"it has format version {version}, and this program reads version {VERSION}: read it with the "
            "program that wrote it, or delete it"
        )
    if length > MOST_HEADER or stored > MOST_HEADER:
        raise ValueError("its header is damaged: it declares more bytes than a header has")
    return int(stored)


def decode_header(prefix: bytes, stored: bytes) -> HistoryHeader:
    """Read a header.

    Raises
    ------
    ValueError
        If it is damaged, or counts expression in other bins.
    """
    _, _, length, _, checksum = PREFIX.unpack(prefix)
    if zlib.crc32(stored, zlib.crc32(prefix[:-4])) != checksum:
        raise ValueError("its header is damaged: the checksum does not fit")
    try:
        content = json.loads(inflate(stored, length))
        bins = content["expression_bins"]
        header = HistoryHeader(
            layers=tuple(_decode_layer(layer) for layer in content["layers"]),
            run=content["run"],
            sample=np.array(content["expression_sample"], dtype=np.int64),
            snapshot_sample=content["snapshot_sample"],
        )
        _check(header)
    except KeyError as error:
        raise ValueError(f"its header is damaged: it lacks {error}") from None
    except (AttributeError, OverflowError, RecursionError, TypeError, ValueError) as error:
        raise ValueError(f"its header is damaged: {error}") from None
    if bins != BINS:
        raise ValueError(f"it counts expression in {bins} bins, and this program in {BINS}")
    return header


def _encode_layer(layer: LayerTopology) -> dict[str, Any]:
    return {
        "name": layer.name,
        "outputs": layer.outputs,
        "inputs": layer.inputs,
        "groups": layer.groups,
        "layout": dict(zip(_LAYOUT, layer.layout, strict=True)),
        "live": layer.live,
        "total": layer.total,
    }


def _decode_layer(stored: Mapping[str, Any]) -> LayerTopology:
    groups, outputs, inputs, gates = (stored["layout"][name] for name in _LAYOUT)
    return LayerTopology(
        name=stored["name"],
        outputs=stored["outputs"],
        inputs=stored["inputs"],
        groups=stored["groups"],
        layout=(groups, outputs, inputs, gates),
        live=stored["live"],
        total=stored["total"],
    )


def same_layers(one: tuple[LayerTopology, ...], other: tuple[LayerTopology, ...]) -> bool:
    """Whether two networks have the same layers, live or not."""
    return [replace(layer, live=0) for layer in one] == [replace(layer, live=0) for layer in other]


def _check(header: HistoryHeader) -> None:
    """Refuse layers whose sizes contradict each other, so that what is read later is as large as it says."""
    if not header.layers or len({layer.name for layer in header.layers}) < len(header.layers):
        raise ValueError("a history needs at least one layer, each with its own name")
    if not isinstance(header.run, Mapping):
        raise ValueError(f"the facts of a run must be a mapping, got {type(header.run).__name__}")
    for layer in header.layers:
        sizes = (layer.outputs, layer.inputs, layer.groups, layer.total, *layer.layout)
        if (
            not isinstance(layer.name, str)
            or not all(type(size) is int and 0 < size <= MOST_GATES for size in sizes)
            or type(layer.live) is not int
            or not 0 <= layer.live <= layer.total
        ):
            raise ValueError(f"layer {layer.name!r} must have sizes from 1 to {MOST_GATES:,}, got {layer}")
        groups, outputs, inputs, _ = layer.layout
        by_unit = layer.layout == (1, layer.outputs, 1, 1)
        by_pair = (groups, groups * outputs, groups * inputs) == (layer.groups, layer.outputs, layer.inputs)
        if prod(layer.layout) != layer.total or not (by_unit or by_pair):
            raise ValueError(f"the layout of layer {layer.name!r} does not fit its sizes, got {layer}")
    if header.total > MOST_GATES:
        raise ValueError(f"a history holds at most {MOST_GATES:,} gates, got {header.total:,}")
    if type(header.snapshot_sample) is not int or not 0 <= header.snapshot_sample <= header.total:
        raise ValueError(f"a snapshot samples from 0 to all gates, got {header.snapshot_sample!r}")
    sample = header.sample
    if sample.ndim != 1 or len(sample) > MOST_SAMPLED:
        raise ValueError(f"a history samples at most {MOST_SAMPLED:,} gates, got shape {sample.shape}")
    if len(sample) and (sample[0] < 0 or sample[-1] >= header.total or (np.diff(sample) <= 0).any()):
        raise ValueError("the sampled gates must be increasing places among all gates")
