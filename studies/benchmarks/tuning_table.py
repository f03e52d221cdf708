"""What was measured of the tuning page, as the docs quote it."""

from collections.abc import Mapping
from typing import Any

LATENCY = ("preset", "a network training", "moves", "drawn, ms", "95 %", "on the screen, ms", "95 %")


def markdown(latency: Mapping[str, Any], soak: Mapping[str, Any]) -> str:
    """Return two tables: times from slider to figures, and memory in long use.

    Parameters
    ----------
    latency, soak : mapping
        Records of `studies.benchmarks.tune_latency` and `studies.benchmarks.tune_soak`.
    """
    rows = [
        (
            part["preset"],
            "yes" if part["live_training"] else "no",
            str(part["drawn"]["moves"]),
            *(
                f"{part[kind][quantile]:.0f}"
                for kind in ("drawn", "painted")
                for quantile in ("median", "percentile_95")
            ),
        )
        for part in latency["parts"]
    ]
    lines = [_row(LATENCY), _row(["---", "---", *["---:"] * (len(LATENCY) - 2)]), *map(_row, rows), ""]
    last = soak["looks"][-1]
    megabytes = {
        "server": last["server"] / 1e6,
        "heap": sum(page["heap"] for page in last["pages"]) / 1e6,
    }
    growth = soak["growth"]
    lines += [
        _row((f"{soak['config']['minutes']:g} minutes of use by two visitors", "at the end", "growth")),
        _row(("---", "---:", "---:")),
        _row(("memory of the server", f"{megabytes['server']:.0f} MB", f"{growth['server'] - 1:+.1%}")),
        _row(("JavaScript heap of both pages", f"{megabytes['heap']:.0f} MB", f"{growth['heap'] - 1:+.1%}")),
        _row(
            (
                "nodes of both documents",
                f"{sum(page['nodes'] for page in last['pages']):,}",
                f"{growth['nodes'] - 1:+.1%}",
            )
        ),
        _row(("errors in the browser's console", str(len(soak["console_errors"])), "")),
        _row(("live runs saved by Ctrl-C, exit status", f"{soak['runs_saved']}, {soak['exit_status']}", "")),
        "",
        "Growth is the mean of the last third of the time over that of the middle third.",
    ]
    return "\n".join(lines)


def _row(cells: Any) -> str:
    return f"| {' | '.join(cells)} |"
