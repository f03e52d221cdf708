"""The records of the bench study as one table."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from studies.benchmarks.engine import median_milliseconds
from studies.benchmarks.scaling import slope

HEAD = ("measured", "size", "time", "error", "ratio (smallest to largest of a round)")
SCALED_FROM = 100_000  # genes; below, the call itself is what takes the time
SEEN_FROM = 1_000_000  # genes; below, they fit into memory that the process has already

Row = tuple[str, str, str, str, str]


def markdown(records: Sequence[dict[str, Any]]) -> str:
    """Return the table of a run of the study, as the docs quote it."""
    parts = (_engines, _scaling, _tolerance, _training, _memory, _first)
    rows = [row for part in parts for row in part(records)]
    lines = [HEAD, ("---", *["---:"] * 3, "---"), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _part(records: Sequence[dict[str, Any]], part: str) -> list[dict[str, Any]]:
    return [record for record in records if record["part"] == part]


def _engines(records: Sequence[dict[str, Any]]) -> Iterator[Row]:
    found = _part(records, "engine")
    devices = {record["device"] for record in found}
    groups = sorted({(record["device"], record["genes"], record["hours"]) for record in found})
    for device, genes, hours in groups:
        yield (f"**{device.upper()}, an interval of {hours:g} h**", "", "", "", "")
        for record in found:
            if (record["device"], record["genes"], record["hours"]) != (device, genes, hours):
                continue
            if "unmeasured" in record:
                yield (record["engine"], f"{genes:,} genes", "unmeasured", "", record["unmeasured"])
                continue
            ratio, low, high = record["times_advance"]
            yield (
                f"{record['engine']}: {record['setting']}",
                f"{genes:,} genes",
                _time(median_milliseconds(record)),
                "" if record["error"] is None else f"{record['error']:.0e}",
                "1"
                if record["engine"] == "advance"
                else f"{ratio:.3g} times advance ({low:.3g} to {high:.3g})",
            )
    if "cuda" not in devices:
        yield ("**GPU**", "", "unmeasured", "", "no accelerator on this machine")


def _scaling(records: Sequence[dict[str, Any]]) -> Iterator[Row]:
    found = _part(records, "scaling")
    for hours in dict.fromkeys(record["hours"] for record in found):
        own = [record for record in found if record["hours"] == hours]
        yield (f"**Sizes, an interval of {hours:g} h, one process each**", "", "", "", "")
        for record in own:
            seconds, copies = (float(np.median(record[key])) for key in ("seconds", "copy_seconds"))
            bytes_a_gene = f"{record['own_bytes'] / record['genes']:.1f} bytes a gene, "
            yield (
                f"advance; {bytes_a_gene if record['genes'] >= SEEN_FROM else ''}"
                f"{record['process_bytes'] / 1e9:.2f} GB the process",
                f"{record['genes']:,} genes",
                _time(1e3 * seconds),
                f"{record['error']:.0e}",
                f"{seconds / copies:.3g} times a copy of as many bytes",
            )
        large = [record for record in own if record["genes"] >= SCALED_FROM]
        if len(large) > 1:
            sizes = [record["genes"] for record in large]
            grown = slope(sizes, [float(np.median(record["seconds"])) for record in large])
            yield ("power of the size: time", f"from {sizes[0]:,}", "", "", f"{grown:.3f}")
        seen = [record for record in own if record["genes"] >= SEEN_FROM]
        if len(seen) > 1:
            sizes = [record["genes"] for record in seen]
            grown = slope(sizes, [record["own_bytes"] for record in seen])
            yield ("power of the size: memory", f"from {sizes[0]:,}", "", "", f"{grown:.3f}")


def _tolerance(records: Sequence[dict[str, Any]]) -> Iterator[Row]:
    for record in _part(records, "tolerance"):
        low, high = min(record["tolerances"]), max(record["tolerances"])
        yield (f"**The error as a multiple of the tolerance, {low:.0e} to {high:.0e}**", "", "", "", "")
        yield (
            f"genes take {record['steps']:.2f} of the steps that the hardest would need",
            f"{record['settings']} settings",
            "",
            "",
            f"at most {record['largest']:.2g}, in the median {record['median']:.2g}",
        )


def _training(records: Sequence[dict[str, Any]]) -> Iterator[Row]:
    found = _part(records, "training")
    for network in dict.fromkeys(record["network"] for record in found):
        own = [record for record in found if record["network"] == network]
        batch, every = own[0]["batch"], own[0]["update_every"]
        yield (f"**Training {network}, batch {batch}, an update every {every} steps**", "", "", "", "")
        for record in own:
            share, low, high = (f"{100 * value:+.2f} %" for value in record["share"])
            told = "" if record["policy"] == "dense" else f"{share} over dense ({low} to {high})"
            if "hook_share" in record:
                told += f"; its own clock: {100 * record['hook_share']:.2f} %"
            yield (
                f"a step, {record['policy']}",
                f"{record['parameters']:,} parameters",
                _time(1e3 * record["median_step_seconds"]),
                "",
                told,
            )


def _memory(records: Sequence[dict[str, Any]]) -> Iterator[Row]:
    found = _part(records, "memory")
    if found:
        yield ("**Controller's memory, bytes a connection**", "", "", "", "")
    for record in found:
        held = {name.replace("_", " "): size for name, size in record["held"].items() if size >= 0.01}
        parts = " + ".join(f"{size:.3g} {name}" for name, size in held.items())
        yield (
            f"{record['policy']}: {sum(held.values()):.3g} held ({parts})",
            f"{record['connections']:,} connections",
            "",
            "",
            f"{record['peak']:.3g} at the peak of an update",
        )


def _first(records: Sequence[dict[str, Any]]) -> Iterator[Row]:
    for record in _part(records, "first call"):
        yield ("**First call of a process**", "", "", "", "")
        words = {
            "compiles": "after installation: compiles",
            "loads": "in every later process: loads from disk",
        }
        for name, seconds in record["seconds"].items():
            numba, second = seconds["numba"], 1e3 * seconds["second"]
            yield (
                words[name],
                "10 genes",
                _time(1e3 * (numba + seconds["first"])),
                "",
                f"{numba:.2f} s of it to import numba; the second call {second:.2g} ms",
            )


def _time(milliseconds: float) -> str:
    """Three digits, in ms, or in s from a second on.

    Examples
    --------
    >>> _time(1.2345), _time(1234.5)
    ('1.23 ms', '1.23 s')
    """
    return f"{milliseconds:.3g} ms" if milliseconds < 1000 else f"{milliseconds / 1000:.3g} s"
