"""Time from a slider's move to new figures on the tuning page, in a browser.

The real command serves 100,000 connections; Chromium, without a GPU, opens it and every slider is moved by
script. Each move is timed in the page, from the input event's own time stamp to the end of the last figure's
drawing, and to the frame that shows it.
"""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro

from pruning.checkpoint import write_atomically
from studies.benchmarks.tuning_page import SIZE, chromium, served
from studies.provenance import commit, hardware, versions
from studies.tune.controls import CONTROLS, presets

WARM = 3  # moves before those that count: the server compiles, the browser too
# Moves a slider from end to end and back, as a hand does, and waits until all is drawn.
MOVE = """async ([name, moves, gap]) => {
  const slider = document.getElementById(`${name}-slider`);
  const wait = (time) => new Promise((done) => setTimeout(done, time));
  const quiet = async () => { do { await wait(50); } while (!tune.quiet()); await wait(100); };
  await quiet();
  tune.timings.length = 0;
  const start = Number(slider.value);
  for (let k = 1; k <= moves; k += 1) {
    const turn = (start + Math.round(k * 800 / moves)) % 800;
    slider.value = String(turn < 400 ? turn : 800 - turn);
    slider.dispatchEvent(new Event('input', {bubbles: true}));
    await wait(gap);
  }
  slider.dispatchEvent(new Event('change', {bubbles: true}));
  await quiet();
  return tune.timings.map(({drawn, painted}) => [drawn, painted]);
}"""


@dataclass(frozen=True, kw_only=True)
class TuneLatency:
    """Time the tuning page; writes --out."""

    genes: int = 100_000  # connections shown
    moves: int = 40  # of each slider
    gap: int = 100  # ms between moves
    presets: tuple[str, ...] = ("default", "memory")  # settings that each slider is moved from
    live: bool = True  # also while a network trains on the page
    out: Path = Path("results/tune-latency.json")  # the record

    def check(self) -> None:
        """Refuse options that could not be measured.

        Raises
        ------
        ValueError
            Names the option, what it must be, and what it is.
        """
        for name, least in (("genes", 100), ("moves", 5), ("gap", 10)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, got {getattr(self, name)}")
        for name in self.presets:
            if name not in presets():
                raise ValueError(f"presets must be of {', '.join(presets())}, got {name!r}")


def run(config: TuneLatency) -> dict[str, Any]:
    """Measure, write the record, and return it.

    Raises
    ------
    ValueError
        If an option is refused, or there is no Chromium.
    """
    config.check()
    parts = []
    with (
        tempfile.TemporaryDirectory() as folder,
        chromium() as browser,
        served(Path(folder), genes=config.genes) as server,
    ):
        page = browser.new_page(viewport=SIZE)
        for live in (False, True) if config.live else (False,):
            page.goto(server.address)
            page.wait_for_selector("html[data-figures=drawn]")
            if live:
                page.click("#live-start-a")
                page.wait_for_function("new URLSearchParams(location.search).has('a')")
                page.wait_for_timeout(5000)  # training is under way
            for preset in config.presets:
                parts.append(_part(page, config, preset, live=live))
                print(_told(parts[-1]), flush=True)
        version = browser.version
    record = {
        "study": "tune-latency",
        "config": {**asdict(config), "out": config.out.name},
        "parts": parts,
        "browser": f"Chromium {version}, no GPU",
        "versions": versions(),
        "hardware": hardware(torch.device("cpu")),
        "commit": commit(),
    }
    write_atomically(config.out, (json.dumps(record) + "\n").encode())
    return record


def _part(page: Any, config: TuneLatency, preset: str, *, live: bool) -> dict[str, Any]:
    """Times of all sliders from one preset: quantiles in ms, of all and of each."""
    each: dict[str, Any] = {}
    drawn, painted = [], []
    for control in CONTROLS:
        page.select_option("#preset", preset)
        page.evaluate(MOVE, [control.name, WARM, config.gap])
        page.select_option("#preset", "")
        page.select_option("#preset", preset)
        times = np.array(page.evaluate(MOVE, [control.name, config.moves, config.gap]))
        each[control.name] = {"drawn": _quantiles(times[:, 0]), "painted": _quantiles(times[:, 1])}
        drawn.append(times[:, 0])
        painted.append(times[:, 1])
    return {
        "preset": preset,
        "live_training": live,
        "load": os.getloadavg()[0],
        "drawn": _quantiles(np.concatenate(drawn)),
        "painted": _quantiles(np.concatenate(painted)),
        "sliders": each,
    }


def _quantiles(times: np.ndarray[Any, np.dtype[np.float64]]) -> dict[str, float]:
    median, most, longest = np.quantile(times, [0.5, 0.95, 1.0]).round(1)
    return {
        "moves": len(times),
        "median": float(median),
        "percentile_95": float(most),
        "longest": float(longest),
    }


def _told(part: dict[str, Any]) -> str:
    live = ", a network training" if part["live_training"] else ""
    drawn, painted = part["drawn"], part["painted"]
    return (
        f"{part['preset']}{live}: {drawn['moves']} moves, drawn after {drawn['median']:.0f} ms (95 %: "
        f"{drawn['percentile_95']:.0f}), on the screen after {painted['median']:.0f} ms (95 %: "
        f"{painted['percentile_95']:.0f}); load {part['load']:.1f}"
    )


if __name__ == "__main__":
    run(tyro.cli(TuneLatency, prog="python -m studies.benchmarks.tune_latency"))
