"""The tuning page in use for minutes: no error in the browser, no growing memory, runs saved at the end."""

import importlib.util
import json
import subprocess
import sys

import pytest

from studies.benchmarks.tune_soak import TuneSoak, run
from studies.benchmarks.tuning_page import chromium_path


@pytest.mark.slow
def test_use_leaves_no_error_and_takes_no_memory(tmp_path):
    if chromium_path() is None or importlib.util.find_spec("playwright") is None:
        pytest.skip("no Chromium or no Playwright is installed")
    path = tmp_path / "soak.json"
    # In a process of its own: Playwright runs once in one, and other tests use it.
    options = ["--minutes", "3", "--every", "6", "--genes", "10000", "--out", str(path)]
    done = subprocess.run(
        [sys.executable, "-m", "studies.benchmarks.tune_soak", *options], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    record = json.loads(path.read_text())
    assert record["console_errors"] == []
    assert all(any(each.values()) for each in record["done"])
    assert record["exit_status"] == 0
    assert record["runs_saved"] >= 1
    # Three minutes hold some warming up.
    assert record["growth"]["server"] < 1.1
    assert record["growth"]["heap"] < 1.15


def test_too_short_a_time_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"minutes must hold at least four looks of 15 s, got 0\.5"):
        run(TuneSoak(minutes=0.5, out=tmp_path / "soak.json"))
