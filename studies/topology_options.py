"""The options of the topology study, with and without a network to train."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

from studies.options import TrainingOptions
from studies.train import Train

RESULTS = Path("results/topology")


@dataclass(frozen=True, kw_only=True)
class Topology(TrainingOptions):
    """Look at the graph of a network while it is pruned: as pictures, in numbers against chance, as files.

    Trains one network as train does, or with --run reads one that train or compare recorded, also while it
    still trains. Writes to --out/topology: report.html, measures.json, measures.csv, updates.csv, and the
    graphs of units and layers for Gephi and Cytoscape.
    """

    run: Path | None = None  # a study's directory or a topology.grnt; no network is trained then
    policy: str | None = None  # of the network trained (default expression), or of the recorded run meant
    sparsity: float | None = None  # likewise (default 0.9)
    seed: int | None = None  # likewise (default 0); of random graphs and layout too
    snapshots: int = 12  # updates whose graph is measured, evenly spread, first and last among them
    null_samples: int = 20  # random graphs with the same degrees that each is held against
    layout: Literal["layered", "force"] = "layered"  # of the units; force needs the extra layout
    focus: str | None = None  # LAYER:UNIT to show the connections around; None: the strongest hub
    files: bool = True  # write the graphs for other programs
    pictures: bool = False  # also write the figures as PNG and SVG; needs the extra figures and a Chromium
    out: Path | None = None  # directory; None: that of --run, or results/topology

    def check(self) -> None:
        """Refuse options that could not be used; see :meth:`TrainingOptions.check`."""
        for name, least in (("snapshots", 1), ("null_samples", 2), ("seed", 0)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise ValueError(f"{name} must be at least {least}, got {value}")
        if self.layout not in ("layered", "force"):
            raise ValueError(f"layout must be layered or force, got {self.layout!r}")
        if self.focus is not None:
            focus_of(self.focus)
        if self.run is None:
            self.training().check()

    def training(self) -> Train:
        """Return the options of the network that is trained."""
        names = [option.name for option in fields(TrainingOptions)]
        names += [name for name in ("policy", "sparsity", "seed") if getattr(self, name) is not None]
        given: dict[str, Any] = {name: getattr(self, name) for name in names}
        return Train(**given, out=self.directory)

    @property
    def directory(self) -> Path:
        """Where the study writes, into a folder of its own."""
        if self.out is not None:
            return self.out
        if self.run is None:
            return RESULTS
        return self.run.parent if self.run.is_file() else self.run

    def command(self) -> str:
        """Return the command that makes the report again: options at their defaults are left out."""
        own = {option.name for option in fields(self)} - {option.name for option in fields(TrainingOptions)}
        words = ["python", "-m", "studies", "topology"]
        for option in fields(self):
            value = getattr(self, option.name)
            skipped = self.run is not None and option.name not in own
            if skipped or option.name == "resume" or value == option.default:
                continue
            flag = option.name.replace("_", "-")
            words += (
                [f"--{flag}" if value else f"--no-{flag}"]
                if isinstance(value, bool)
                else [f"--{flag}", str(value)]
            )
        return shlex.join(words)


def focus_of(text: str) -> tuple[str, int]:
    """Read LAYER:UNIT.

    Raises
    ------
    ValueError
        If it is not so.

    Examples
    --------
    >>> focus_of("features.0:12")
    ('features.0', 12)
    """
    column, _, unit = text.rpartition(":")
    if not column or not unit.isdecimal():
        raise ValueError(f"focus must be LAYER:UNIT such as classifier:3, got {text!r}")
    return column, int(unit)
