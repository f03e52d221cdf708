"""The command itself in two processes: one record, and the masks of one process."""

import json
import os
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file
from torch import distributed

OPTIONS = [
    *("--data", "digits", "--fraction", "0.3", "--epochs", "2", "--batch-size", "32", "--hidden", "16"),
    *("--threads", "1", "--policy", "expression", "--sparsity", "0.5"),
]
TWO = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")


def train(out, *launcher):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    command = [sys.executable, *launcher, "-m", "studies", "train", *OPTIONS, "--out", str(out)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=240)


@pytest.mark.slow
@pytest.mark.skipif(not distributed.is_available(), reason="this torch is built without torch.distributed")
def test_two_processes_write_what_one_does(tmp_path):
    alone, joined = train(tmp_path / "one"), train(tmp_path / "two", *TWO)
    assert alone.returncode == joined.returncode == 0, joined.stderr
    assert joined.stdout.count("report:") == 1
    one, two = (
        [json.loads(line) for line in (tmp_path / name / "records.jsonl").read_text().splitlines()]
        for name in ("one", "two")
    )
    assert len(one) == len(two) == 1
    assert two[0]["config"]["processes"] == 2
    assert two[0]["test_accuracy"] == pytest.approx(one[0]["test_accuracy"], abs=0.01)
    first, second = (load_file(tmp_path / name / "masks.safetensors") for name in ("one", "two"))
    assert first.keys() == second.keys()
    # float32, whose sums in another order may turn a near tie; equal to the bit in float64: test_joined.
    differing = sum(int((first[name] != second[name]).sum()) for name in first)
    assert differing <= 0.01 * sum(mask.numel() for mask in first.values())
    weights = [load_file(tmp_path / name / "weights.safetensors") for name in ("one", "two")]
    assert weights[0].keys() == weights[1].keys()
    assert all(torch.isfinite(tensor).all() for tensor in weights[1].values())


@pytest.mark.slow
def test_a_refusal_ends_both_processes(tmp_path):
    done = subprocess.run(
        [sys.executable, *TWO, "-m", "studies", "bench", "--out", str(tmp_path / "bench")],
        capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    assert done.returncode != 0
    assert "bench runs in one process: torchrun is for compare and train" in done.stderr
    assert not (tmp_path / "bench").exists()
