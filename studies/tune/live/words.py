"""How the panel names things: the two runs, their states, and the rates."""

from __future__ import annotations

from grn.plot.style import BLUE, ORANGE
from studies.tune.live.folder import Status
from studies.tune.live.progress import Progress
from studies.tune.settings import NAMES, Settings

SLOTS = {"a": "A", "b": "B"}
"""The two runs of a page, by their keys in its address."""
COLOURS = {"a": BLUE, "b": ORANGE}
DASHES = {"a": "solid", "b": "dash"}
LABELS = {
    "mrna_decay": "mRNA decay γm, 1/h",
    "protein_decay": "protein decay γp, 1/h",
    "hill_coefficient": "Hill coefficient n",
    "basal": "leak b",
    "threshold": "threshold K, × budget's edge",
    "autoactivation": "autoactivation a",
    "cooperation": "cooperation c",
    "window": "window, h",
    "density": "density asked for",
}
assert set(LABELS) == set(NAMES)


def told_change(before: Settings, after: Settings) -> str:
    """Say which settings changed.

    Examples
    --------
    >>> told_change(Settings(), Settings(mrna_decay=4.0))
    'mRNA decay γm, 1/h: 1 → 4'
    """
    return "<br>".join(
        f"{LABELS[name]}: {getattr(before, name):.4g} → {getattr(after, name):.4g}"
        for name in NAMES
        if getattr(before, name) != getattr(after, name)
    )


def told_state(status: Status, progress: Progress) -> str:
    """Say what a run is doing, in a line.

    Examples
    --------
    >>> told_state(Status(), Progress())
    'starting: the process gets ready, some seconds'
    """
    last = progress.last
    if status.state == "starting":
        return "starting: the process gets ready, some seconds"
    done = "" if last is None else f", step {last.step:,}, epoch {last.epoch:.1f}"
    words = {"stopped": "stopped, saved", "finished": "finished, saved", "paused": "paused, saved"}
    return words.get(status.state, status.state) + done
