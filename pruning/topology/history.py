"""The snapshots of a run on disk: one file that grows by a record an update and is read while it grows."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, overload

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pruning.topology.expression_summary import SAMPLE, ExpressionSummary, choose_sample, summarise_expression
from pruning.topology.history_file import HistoryFile
from pruning.topology.history_format import (
    DIFFERENCE,
    NO_MASK,
    Mask,
    check_mask,
    decode_mask,
    decode_numbers,
    encode_mask,
    encode_numbers,
)
from pruning.topology.history_header import MOST_SAMPLED, HistoryHeader, same_layers
from pruning.topology.snapshot import LayerTopology, TopologySnapshot
from pruning.topology.update import GatingUpdate

Summary = ExpressionSummary | None


class TopologyHistory(Sequence[TopologySnapshot]):
    """Snapshots of a run in one file.

    Made by :meth:`create`, :meth:`open` and :meth:`resume`, closed by :meth:`close` or as a context manager.
    As a sequence it gives the snapshots with their masks, one at a time and none kept. A record is complete
    or does not count: a torn tail, which a killed writer leaves, is not seen. Nothing is unpickled, and what
    a damaged file declares is checked before memory is taken for it.

    A record holds the masks, a bit a gate, as a difference from the record before; every sixteenth holds them
    whole, so that any record can be read through at most sixteen. Of a policy with expression it also holds
    an :class:`ExpressionSummary`.

    Examples
    --------
    >>> import tempfile
    >>> from torch import nn
    >>> from pruning import ConstantSchedule, PruningController, SetGating
    >>> model = nn.Linear(8, 8)
    >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    >>> controller = PruningController(
    ...     model, optimizer, policy=SetGating(), schedule=ConstantSchedule(final_sparsity=0.5),
    ...     total_steps=9, update_every=3, keep_masks=False)
    >>> path = Path(tempfile.mkdtemp()) / "topology.grnt"
    >>> with TopologyHistory.create(path, controller.layers) as history:
    ...     controller.observers.append(history.record)
    ...     for _ in range(9):
    ...         loss = model(torch.ones(1, 8)).square().mean()
    ...         optimizer.zero_grad(); loss.backward(); optimizer.step()
    >>> with TopologyHistory.open(path) as history:
    ...     [(snapshot.step, int(snapshot.mask("").sum())) for snapshot in history]
    [(3, 32), (6, 32), (9, 32)]
    """

    def __init__(self, file: HistoryFile) -> None:
        # Not for users: create, open and resume say what is meant.
        self._file = file
        self._held: tuple[int, int, Mask] | None = None  # number, checksum and masks of a record
        self._places: Tensor | None = None

    # ------------------------------------------------------------------ how one is made

    @classmethod
    def create(
        cls,
        path: str | Path,
        layers: Sequence[LayerTopology],
        *,
        run: Mapping[str, Any] | None = None,
        sample: int = SAMPLE,
    ) -> "TopologyHistory":
        """Begin a history; a file that is there already is replaced.

        Parameters
        ----------
        path : str or Path
            By convention ``topology.grnt``.
        layers : sequence of LayerTopology
            Of the network, such as ``controller.layers``.
        run : mapping, optional
            Facts of the run, JSON values.
        sample : int
            Gates whose mRNA and protein are followed, at most 65,536.

        Raises
        ------
        ValueError
            If the sample is too large or the facts are not JSON values.
        """
        if not 0 <= sample <= MOST_SAMPLED:
            raise ValueError(f"sample must be from 0 to {MOST_SAMPLED:,} gates, got {sample}")
        chosen = choose_sample(layers, sample)
        header = HistoryHeader(layers=tuple(layers), run=dict(run or {}), sample=chosen)
        return cls(HistoryFile.create(Path(path), header))

    @classmethod
    def open(cls, path: str | Path) -> "TopologyHistory":
        """Open a history to read it, also while a run writes it.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If it is no history, of another version, or damaged.
        """
        return cls(HistoryFile(Path(path)))

    @classmethod
    def resume(cls, path: str | Path, step: int, *, updates: int | None = None) -> "TopologyHistory":
        """Go on writing where a checkpoint was taken: what comes after its step is cut off.

        Parameters
        ----------
        path : str or Path
            A history.
        step : int
            Optimizer steps done at the checkpoint.
        updates : int, optional
            Records that there must be up to then.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If it is damaged before the cut, or holds another number of records than the checkpoint counts;
            nothing is cut then.
        """
        file = HistoryFile(Path(path), writing=True)
        try:
            file.cut(step, updates)
        except BaseException:
            file.close()
            raise
        return cls(file)

    # ------------------------------------------------------------------ what it knows without reading records

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
        return f"<TopologyHistory {str(self.path)!r}: {len(self)} records, {self.nbytes:,} bytes>"

    # ------------------------------------------------------------------ reading

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
            Without them it is much faster.
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
        number = range(len(self))[index]  # negative ones count from the end
        snapshot, expression, stored = self._decoded(number)
        if masks and self.has_masks(number):
            packed = self._mask(number, snapshot.live, stored).copy()
            snapshot = replace(snapshot, packed_masks=packed)
        return snapshot, expression

    def has_masks(self, index: int) -> bool:
        """Whether a record holds masks; known without reading it."""
        return self._file.frames[index].kind != NO_MASK

    def refresh(self) -> int:
        """Look for records written since, and return how many there are now.

        A file that was begun anew or cut, as by a run that is resumed, is read anew.
        """
        self._file.refresh()
        return len(self)

    # ------------------------------------------------------------------ writing

    def record(self, update: GatingUpdate) -> None:
        """Append what a controller shows after an update; made for ``controller.observers``."""
        expression = None
        if update.protein is not None:
            if self._places is None or self._places.device != update.protein.device:
                self._places = torch.from_numpy(self.sample).to(update.protein.device)
            expression = summarise_expression(
                self.layers,
                self._places,
                live=update.live,
                protein=update.protein,
                mrna=update.mrna,
                importance=update.importance,
            )
        self.append(update.snapshot, expression)

    def append(self, snapshot: TopologySnapshot, expression: Summary = None) -> None:
        """Write one more record; it is on disk when this returns.

        Raises
        ------
        ValueError
            If the snapshot is of another network or not later than the last, its counts contradict its masks,
            or the history was opened to be read; nothing is written then.
        OSError
            If it cannot be written, as on a full disk; the records before it stay.
        """
        if not self._file.writing:
            raise ValueError(f"{self.path} was opened to be read; create or resume it to append")
        if not same_layers(snapshot.layers, self.layers):
            raise ValueError(f"the snapshot is not of the network whose history {self.path} is")
        if len(self) and snapshot.step <= self._file.frames[-1].step:
            raise ValueError(
                f"step must be later than {self._file.frames[-1].step}, the last in {self.path}, got "
                f"{snapshot.step}"
            )
        mask = snapshot.packed_masks
        if mask is not None:
            check_mask(self._file.header, mask, snapshot.live)
        numbers = encode_numbers(self._file.header, snapshot, expression)
        kind, stored = encode_mask(mask, self._last_mask(), len(self))
        self._file.append(numbers + stored, kind=kind, step=snapshot.step)
        if mask is not None:
            self._hold(len(self) - 1, mask.copy())

    def close(self) -> None:
        """Close the file; a closed history knows its length and gives no more records."""
        self._file.close()

    def __enter__(self) -> "TopologyHistory":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # ------------------------------------------------------------------ masks

    def _decoded(self, number: int) -> tuple[TopologySnapshot, Summary, bytes]:
        """Read a record but for its masks, and the bytes of those."""
        payload = self._file.payload(number)
        try:
            return decode_numbers(self._file.header, payload, self._file.frames[number].step)
        except ValueError as error:
            raise self._file.damaged(number, error) from None

    def _mask(self, number: int, live: int, stored: bytes) -> Mask:
        """Masks of a record: from the last whole ones, or those at hand, on to its own."""
        mask = self._at_hand(number)
        if mask is not None:
            return mask
        chain = [(number, live, stored)]
        while self._file.frames[chain[-1][0]].kind == DIFFERENCE:
            earlier = chain[-1][0] - 1
            mask = self._at_hand(earlier)
            if mask is not None:
                break
            snapshot, _, bits = self._decoded(earlier)
            chain.append((earlier, snapshot.live, bits))
        for place, count, bits in reversed(chain):
            try:
                mask = decode_mask(self._file.header, bits, mask)
                check_mask(self._file.header, mask, count)
            except ValueError as error:
                raise self._file.damaged(place, error) from None
        assert mask is not None
        self._hold(number, mask)
        return mask

    def _last_mask(self) -> Mask | None:
        """Masks that the next record may be a difference from."""
        number = len(self) - 1
        if number < 0 or not self.has_masks(number):
            return None
        mask = self._at_hand(number)
        if mask is not None:
            return mask
        snapshot, _, stored = self._decoded(number)
        return self._mask(number, snapshot.live, stored)

    def _hold(self, number: int, mask: Mask) -> None:
        # The checksum tells the record from another that took its place when the file was cut.
        self._held = number, self._file.frames[number].checksum, mask

    def _at_hand(self, number: int) -> Mask | None:
        held = self._held  # read once: another thread may change it
        if held is None or held[:2] != (number, self._file.frames[number].checksum):
            return None
        return held[2]
