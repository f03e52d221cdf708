"""The tuning page in long use: ``python -m studies.benchmarks.tune_soak``.

Two browsers use one server for a quarter of an hour: sliders, presets, undo, half-lives, themes, and networks
that train, are steered, paused, forked and put away. Memory of the server and of the pages is read every few
seconds, of the pages after a collection of garbage. At the end the command is stopped as by Ctrl-C.
"""

from __future__ import annotations

import json
import random
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro

from pruning.checkpoint import write_atomically
from studies.benchmarks.tuning_page import SIZE, Served, chromium, served
from studies.provenance import commit, hardware, versions
from studies.tune.controls import CONTROLS, presets

# Drags a slider as a hand does: twenty moves in a second, then lets go.
DRAG = """async ([name, to]) => {
  const slider = document.getElementById(`${name}-slider`);
  const from = Number(slider.value), top = Number(slider.max);
  for (let k = 1; k <= 20; k += 1) {
    slider.value = String(Math.round(from + (to * top - from) * k / 20));
    slider.dispatchEvent(new Event('input', {bubbles: true}));
    await new Promise((done) => setTimeout(done, 50));
  }
  slider.dispatchEvent(new Event('change', {bubbles: true}));
}"""


@dataclass(frozen=True, kw_only=True)
class TuneSoak:
    """Use the tuning page for long; writes --out."""

    minutes: float = 15.0  # of use
    genes: int = 100_000  # connections shown
    every: float = 15.0  # s between looks at memory
    seed: int = 0  # of what is done
    out: Path = Path("results/tune-soak.json")  # the record


class Visitor:
    """One browser window and what it does, at random."""

    def __init__(self, browser: Any, address: str, seed: int) -> None:
        self.context = browser.new_context(viewport=SIZE)
        self.page = self.context.new_page()
        self.errors: list[str] = []
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.goto(address)
        self.page.wait_for_selector("html[data-figures=drawn]", timeout=120_000)
        self.session = self.context.new_cdp_session(self.page)
        self.random = random.Random(seed)
        self.done: dict[str, int] = {}

    def _hear(self, message: Any) -> None:
        if message.type == "error":
            self.errors.append(message.text)

    def act(self) -> None:
        """Do one thing."""
        action: Callable[[], None] = self.random.choice(
            [self.drag, self.drag, self.drag, self.preset, self.undo, self.units, self.live, self.theme]
        )
        self.done[action.__name__] = self.done.get(action.__name__, 0) + 1
        action()

    def drag(self) -> None:
        """Move a slider."""
        self.page.evaluate(DRAG, [self.random.choice(CONTROLS).name, self.random.random()])

    def preset(self) -> None:
        """Choose a preset."""
        self.page.select_option("#preset", self.random.choice(list(presets())))

    def undo(self) -> None:
        """Take the last change back."""
        self._press("#undo")

    def units(self) -> None:
        """Change between rates and half-lives."""
        self.page.locator("input[name=unit]").nth(self.random.randrange(2)).click()

    def theme(self) -> None:
        """Change between light and dark."""
        self.page.emulate_media(color_scheme=self.random.choice(["light", "dark"]))

    def live(self) -> None:
        """Start, steer, pause, fork or end a live run, whichever button of the panel can be pressed."""
        buttons = self.page.locator("#live button:not([disabled])")
        names = [name for name in buttons.evaluate_all("all => all.map(one => one.id)") if name]
        if names:
            self._press(f"#{self.random.choice(names)}")

    def train(self) -> None:
        """Have a run that trains in the first place of the page, whatever is there now."""
        for _ in range(60):
            state = self.page.inner_text("#live-state-a")
            if "training" in state:
                return
            for action in ("resume", "close", "start"):
                if self.page.locator(f"#live-{action}-a").is_enabled():
                    self._press(f"#live-{action}-a")
                    break
            self.page.wait_for_timeout(1000)
        raise RuntimeError(f"no run trains after a minute; the page says {state!r}")

    def _press(self, selector: str) -> None:
        # Not clicked: the button may have been disabled since it was looked at, which is no error.
        self.page.evaluate("name => document.querySelector(name).click()", selector)

    def memory(self) -> dict[str, int]:
        """Bytes of the page's JavaScript heap, and nodes of its document, after a collection of garbage."""
        self.session.send("HeapProfiler.collectGarbage")
        self.session.send("Performance.enable")
        found = {one["name"]: one["value"] for one in self.session.send("Performance.getMetrics")["metrics"]}
        return {"heap": int(found["JSHeapUsedSize"]), "nodes": int(found["Nodes"])}


def run(config: TuneSoak) -> dict[str, Any]:
    """Use the page, write the record, and return it.

    Raises
    ------
    ValueError
        If there is no Chromium, or no time to use the page in.
    """
    if config.minutes * 60 < 4 * config.every:
        raise ValueError(
            f"minutes must hold at least four looks of {config.every:g} s, got {config.minutes:g}"
        )
    looks: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        with served(Path(folder), genes=config.genes) as server:
            visitors = [Visitor(browser, server.address, config.seed + k) for k in range(2)]
            begun = time.monotonic()
            while (passed := time.monotonic() - begun) < 60 * config.minutes:
                for visitor in visitors:
                    visitor.act()
                if passed >= config.every * len(looks):
                    looks.append(
                        {
                            "seconds": round(passed, 1),
                            "server": _resident(server.process.pid),
                            "pages": [visitor.memory() for visitor in visitors],
                        }
                    )
                    print(json.dumps(looks[-1]), flush=True)
            visitors[0].train()  # there is a run to save when the command is stopped
            visitors[0].page.wait_for_timeout(3000)
            errors = [error for visitor in visitors for error in visitor.errors]  # before the server is gone
            status = server.stop()
        saved = _saved(server, Path(folder))
        version = browser.version
    record = {
        "study": "tune-soak",
        "config": {**asdict(config), "out": config.out.name},
        "looks": looks,
        "growth": _growths(looks),
        "done": [visitor.done for visitor in visitors],
        "console_errors": errors,
        "exit_status": status,
        "runs_saved": saved,
        "browser": f"Chromium {version}, no GPU",
        "versions": versions(),
        "hardware": hardware(torch.device("cpu")),
        "commit": commit(),
    }
    write_atomically(config.out, (json.dumps(record) + "\n").encode())
    print(
        json.dumps({name: record[name] for name in ("growth", "console_errors", "exit_status", "runs_saved")})
    )
    return record


def _saved(server: Served, folder: Path) -> int:
    """Live runs that the command said it saved and that are whole on disk."""
    return sum(str(path) in server.printed and any(path.iterdir()) for path in (folder / "live").glob("*"))


def _resident(process: int) -> int:
    """Bytes of memory that a process holds."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) * 1024


def _growths(looks: list[dict[str, Any]]) -> dict[str, float]:
    """Means of the last third over those of the middle third; the first warms up."""
    third = len(looks) // 3
    series = {
        "server": [look["server"] for look in looks],
        "heap": [sum(page["heap"] for page in look["pages"]) for look in looks],
        "nodes": [sum(page["nodes"] for page in look["pages"]) for look in looks],
    }
    return {
        name: round(float(np.mean(values[2 * third :]) / np.mean(values[third : 2 * third])), 4)
        for name, values in series.items()
    }


if __name__ == "__main__":
    run(tyro.cli(TuneSoak, prog="python -m studies.benchmarks.tune_soak"))
