"""The records of a topology history as a sequence of snapshots, each read when it is asked for."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self, overload

import numpy as np
from numpy.typing import NDArray

from pruning.topology.expression_summary import ExpressionSummary
from pruning.topology.history_chain import MaskChain
from pruning.topology.history_file import HistoryFile
from pruning.topology.layers import LayerTopology
from pruning.topology.snapshot import TopologySnapshot

Summary = ExpressionSummary | None


class HistoryRecords(Sequence[TopologySnapshot]):
    """What can be read of a history; see :class:`pruning.topology.TopologyHistory`.

    Several threads may read and refresh one history, one at a time.
    """

    def __init__(self, file: HistoryFile) -> None:
        # Not for users: create, open and resume of TopologyHistory say what is meant.
        self._file = file
        self._masks = MaskChain(file)

    @property
    def path(self) -> Path:
        """The file."""
        return self._file.path

    @property
    def layers(self) -> tuple[LayerTopology, ...]:
        """Layers of the network; their ``live`` is that of the beginning."""
        return self._file.header.layers

    @property
    def run(self) -> dict[str, Any]:
        """Facts of the run."""
        return dict(self._file.header.run)

    @property
    def sample(self) -> NDArray[np.int64]:
        """Places, in the flat vector of all gates, of those whose expression is followed."""
        return self._file.header.sample

    @property
    def sample_layer(self) -> NDArray[np.int64]:
        """Number of the layer of each of them."""
        ends = np.cumsum([layer.total for layer in self.layers])
        return np.searchsorted(ends, self.sample, side="right")

    @property
    def steps(self) -> NDArray[np.int64]:
        """Optimizer step of every record."""
        return np.array([frame.step for frame in self._file.frames], dtype=np.int64)

    @property
    def nbytes(self) -> int:
        """Bytes of the header and all complete records."""
        return self._file.end

    def __len__(self) -> int:
        return len(self._file.frames)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {str(self.path)!r}: {len(self)} records, {self.nbytes:,} bytes>"

    @overload
    def __getitem__(self, index: int) -> TopologySnapshot: ...
    @overload
    def __getitem__(self, index: slice) -> list[TopologySnapshot]: ...
    def __getitem__(self, index: int | slice) -> TopologySnapshot | list[TopologySnapshot]:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        return self.read(index)[0]

    def __iter__(self) -> Iterator[TopologySnapshot]:
        for snapshot, _ in self.records():
            yield snapshot

    def records(self, *, masks: bool = True) -> Iterator[tuple[TopologySnapshot, Summary]]:
        """Go through all snapshots and their expression, holding one at a time.

        Parameters
        ----------
        masks : bool
            Without them no record is read but the one asked for.
        """
        for number in range(len(self)):
            yield self.read(number, masks=masks)

    def read(self, index: int, *, masks: bool = True) -> tuple[TopologySnapshot, Summary]:
        """Read one snapshot and its expression, None where the policy has none.

        Raises
        ------
        IndexError
            If there is no such record.
        ValueError
            If the record, or one that its masks are a difference from, is damaged.
        """
        with self._file.lock:
            number = range(len(self))[index]  # negative ones count from the end
            snapshot, expression, stored = self._masks.numbers(number)
            if masks and self._masks.has_mask(number):
                packed = self._masks.mask(number, snapshot.live, stored).copy()
                snapshot = replace(snapshot, packed_masks=packed)
        return snapshot, expression

    def has_masks(self, index: int) -> bool:
        """Whether a record holds masks; known without reading it."""
        return self._masks.has_mask(index)

    def refresh(self) -> int:
        """Look for records written since, and return how many there are now.

        A file that was begun anew or cut, as by a run that is resumed, is read anew. Other threads may read
        meanwhile: each record comes whole, from before or from after; one that a cut took away is an
        IndexError.

        Raises
        ------
        FileNotFoundError
            If the file was deleted; the records known so far stay readable.
        ValueError
            If it is damaged, or what lies in its place is no history.
        """
        self._file.refresh()
        return len(self)

    def close(self) -> None:
        """Close the file; a closed history knows its length and gives no more records."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
