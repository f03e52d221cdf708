"""The snapshots of a run on disk: one file that grows by a record an update, and is read while it grows."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pruning.topology.expression_summary import SAMPLE, summarise_expression
from pruning.topology.history_file import HistoryFile
from pruning.topology.history_header import new_header, same_layers
from pruning.topology.history_mask import check_mask, encode_mask
from pruning.topology.history_numbers import encode_numbers
from pruning.topology.history_records import HistoryRecords, Summary
from pruning.topology.history_scan import ELSE
from pruning.topology.layers import LayerTopology
from pruning.topology.snapshot import TopologySnapshot
from pruning.topology.update import GatingUpdate


class TopologyHistory(HistoryRecords):
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
        super().__init__(file)
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
        return cls(HistoryFile.create(Path(path), new_header(layers, run, sample)))

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
    def resume(
        cls,
        path: str | Path,
        step: int,
        *,
        updates: int | None = None,
        layers: Sequence[LayerTopology] | None = None,
        run: Mapping[str, Any] | None = None,
    ) -> "TopologyHistory":
        """Go on writing where a checkpoint was taken: what comes after its step is cut off.

        Parameters
        ----------
        path : str or Path
            A history.
        step : int
            Optimizer steps done at the checkpoint.
        updates : int, optional
            Records that there must be up to then.
        layers : sequence of LayerTopology, optional
            What the network's layers must be, live or not.
        run : mapping, optional
            Facts that the file must tell of its run, such as the seed; it may tell more.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If it is damaged before the cut, of another network or run, or holds another number of records
            than the checkpoint counts; nothing is cut then.
        """
        file = HistoryFile(Path(path), writing=True)
        try:
            if layers is not None and not same_layers(tuple(layers), file.header.layers):
                raise ValueError(f"{path} is the history of another network: {ELSE}")
            for name, value in (run or {}).items():
                found = file.header.run.get(name)
                if found != value:
                    raise ValueError(
                        f"{path} is the history of another run: its {name} is {found!r}, this one's is "
                        f"{value!r}; {ELSE}"
                    )
            file.cut(step, updates)
        except BaseException:
            file.close()
            raise
        return cls(file)

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
        with self._file.lock:
            kind, stored = encode_mask(mask, self._masks.last(), len(self))
            self._file.append(numbers + stored, kind=kind, step=snapshot.step)
            if mask is not None:
                self._masks.hold(len(self) - 1, mask.copy())
