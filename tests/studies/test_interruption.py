"""A study stopped at any instant continues where it was, to the same bits."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pruning.checkpoint import load_tree
from studies.compare import Compare, run
from studies.records import comparable, read_records

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "GOMP_SPINCOUNT": "0"}
EPOCHS = 60
OPTIONS = {
    "data": "digits",
    "fraction": 0.3,
    "epochs": EPOCHS,
    "batch_size": 32,
    "hidden": "64,32",
    "policies": "dense,heuristic,expression",
    "seeds": 1,
    "threads": 1,
}
SECONDS = 240  # for a process to get somewhere on a busy machine


def command(out, *more):
    options = [
        part for name, value in OPTIONS.items() for part in (f"--{name.replace('_', '-')}", str(value))
    ]
    return [sys.executable, "-m", "studies", "compare", *options, "--out", str(out), *more]


def start(out, *more):
    return subprocess.Popen(
        command(out, *more),
        cwd=ROOT,
        env=ENVIRONMENT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        # A shell starts its background jobs, and so perhaps these tests, with SIGINT ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def wait_for(condition, process):
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert process.poll() is None, f"the study ended by itself: {process.stderr.read()}"
        assert time.monotonic() < deadline, "the study did not get there in time"
        time.sleep(0.02)


def epochs_done(out):
    """Epochs of the run under way, 0 before its first checkpoint."""
    for path in out.glob("runs/*/checkpoint.safetensors"):
        try:
            return load_tree(path)["position"]["epoch"]
        except (ValueError, FileNotFoundError):  # deleted between two looks
            return 0
    return 0


def finish(out):
    process = start(out, "--resume")
    _, errors = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, errors
    return read_records(out / "records.jsonl")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return tmp_path_factory.mktemp("whole") / "out"


@pytest.fixture(scope="module")
def uninterrupted(whole):
    return run(Compare(**OPTIONS, out=whole))


def topologies(out):
    """What the pruned runs of a study have recorded."""
    found = {str(path.relative_to(out)): path.read_bytes() for path in out.glob("runs/*/topology.grnt")}
    assert len(found) == 2
    return found


def assert_same(records, expected):
    assert [record.state_digest for record in records] == [record.state_digest for record in expected]
    for record, other in zip(map(comparable, records), map(comparable, expected), strict=True):
        # a developer may commit while this test runs; nothing else may differ
        assert {name for name in record if record[name] != other[name]} <= {"commit"}


def test_killed_and_resumed_equals_uninterrupted(tmp_path, uninterrupted, whole):
    out = tmp_path / "out"
    process = start(out)
    wait_for(lambda: (out / "records.jsonl").exists() and epochs_done(out) >= 5, process)
    process.kill()
    process.communicate()
    assert len(read_records(out / "records.jsonl")) < len(uninterrupted)
    assert 5 <= epochs_done(out) <= EPOCHS
    assert_same(finish(out), uninterrupted)
    assert topologies(out) == topologies(whole)
    assert (out / "report.html").exists()
    assert not list(out.rglob("*checkpoint*"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_study_with_the_command_to_continue(tmp_path, number):
    out = tmp_path / "out"
    process = start(out)
    wait_for(lambda: epochs_done(out) >= 2, process)
    process.send_signal(number)
    _, errors = process.communicate(timeout=SECONDS)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert f"--out {out} --resume" in errors
    assert epochs_done(out) >= 2


@pytest.mark.slow
def test_killed_at_many_instants(tmp_path, uninterrupted, whole):
    """Whatever the kill interrupts, a checkpoint, a record or a picture, the next call continues."""
    out = tmp_path / "out"
    delays = random.Random(0)
    for _ in range(12):
        process = start(out, "--resume")
        wait_for(lambda: (out / "config.json").exists(), process)
        try:
            process.wait(timeout=delays.uniform(2.0, 6.0))
        except subprocess.TimeoutExpired:
            process.kill()
        process.communicate()
        assert process.returncode in (0, -signal.SIGKILL)
    assert_same(finish(out), uninterrupted)
    assert topologies(out) == topologies(whole)
