"""`python -m studies bench`: what it refuses, what it measures, and the table it writes."""

import json

import pytest
import torch

from studies.bench import Bench, run
from studies.benchmarks.controller_memory import memory_of
from studies.benchmarks.engine import COMPILED, FIXED_STEP, Genes, _error, _fastest_torchdiffeq, _torchdiffeq
from studies.benchmarks.engine_table import markdown
from studies.benchmarks.scaling import measure_sizes
from studies.benchmarks.training_share import POLICIES, share_of_training


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"genes": 0}, "genes must be at least 1, got 0"),
        ({"batch": 1}, "batch must be at least 2, got 1"),
        ({"steps": 150}, "steps must be a multiple of update_every=100, got 150"),
        ({"hours": (0.5, -1.0)}, r"hours must be positive intervals of simulated time, got \(0.5, -1.0\)"),
        ({"sizes": ()}, r"sizes must be positive numbers of genes, got \(\)"),
        ({"tolerance": 1e-7}, "tolerance must be a concentration from 1e-6 to 1, got 1e-07"),
        ({"device": "tpu"}, "device must be auto, cpu or cuda, got 'tpu'"),
    ],
)
def test_options_that_cannot_be_measured_are_refused_before_any_work(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        run(Bench(out=tmp_path / "out", **options))
    assert not (tmp_path / "out").exists()


def test_results_are_not_replaced_unasked(tmp_path):
    (tmp_path / "records.jsonl").write_text("{}\n")
    with pytest.raises(
        ValueError, match="already holds the results of a study: add --overwrite to replace them"
    ):
        run(Bench(out=tmp_path))
    assert (tmp_path / "records.jsonl").read_text() == "{}\n"


def test_the_peer_solves_the_same_equation_at_the_asked_error():
    genes = Genes.random(200)
    exact = genes.exact(2.0)
    assert _error(_torchdiffeq(genes, 2.0, "rk4", 100)(), exact) < 2e-6  # float32
    _, carry = _fastest_torchdiffeq(FIXED_STEP, genes, genes, 2.0, exact, 1e-4)
    assert _error(carry(), exact) <= 1e-4


def test_sizes_are_measured_in_processes_of_their_own():
    (found,) = measure_sizes([2_000], hours=0.5, target=1e-4, repeats=2, threads=1)
    assert found["genes"] == 2_000
    assert len(found["seconds"]) == len(found["copy_seconds"]) == 40
    assert found["error"] < 1e-4
    assert found["process_bytes"] > found["own_bytes"] >= 0


def test_training_is_shared_out_step_by_step():
    found = list(share_of_training("CompactFERNet", steps=4, update_every=2, batch=2))
    assert [record["policy"] for record in found] == ["dense", *POLICIES]
    assert found[0]["share"] == [0.0, 0.0, 0.0]
    for record in found[1:]:
        assert record["updates"] == 2
        assert record["total_seconds"] > 0 < record["hook_share"]


def test_memory_is_counted_while_gradients_are_observed():
    found = memory_of(POLICIES["expression"], connections=20_000)
    assert found["held"]["gradient_sums"] == 4.0
    assert sum(found["held"].values()) < 16
    assert found["peak"] > sum(found["held"].values())


def engine(name, seconds, ratio, device="cpu", error=1e-5):
    return {
        "part": "engine", "engine": name, "setting": "set", "device": device, "genes": 1000, "hours": 0.5,
        "seconds": seconds, "times_advance": ratio, "error": error,
    }  # fmt: skip


def test_table_by_hand():
    sizes = [
        {
            "part": "scaling", "genes": genes, "hours": 0.5, "seconds": [genes * 1e-9], "error": 1e-5,
            "copy_seconds": [genes * 5e-10], "own_bytes": 20 * genes, "process_bytes": 30 * genes,
        }
        for genes in (1_000_000, 10_000_000)
    ]  # fmt: skip
    lines = markdown(
        [
            engine("advance", [0.002], [1, 1, 1]),
            engine("torchdiffeq", [0.08], [40, 38, 44.5]),
            *sizes,
            {
                "part": "memory",
                "policy": "expression",
                "connections": 10,
                "held": {"mask": 1, "ages": 2},
                "peak": 9,
            },
        ]
    ).splitlines()
    assert lines[3] == "| advance: set | 1,000 genes | 2 ms | 1e-05 | 1 |"
    assert lines[4] == "| torchdiffeq: set | 1,000 genes | 80 ms | 1e-05 | 40 times advance (38 to 44.5) |"
    assert "unmeasured" in lines[5]
    assert "| 1,000,000 genes | 1 ms | 1e-05 | 2 times a copy of as many bytes |" in lines[7]
    assert lines[9] == "| power of the size: time | from 1,000,000 |  |  | 1.000 |"
    assert lines[10] == "| power of the size: memory | from 1,000,000 |  |  | 1.000 |"
    assert lines[12] == (
        "| expression: 3 held (1 mask + 2 ages) | 10 connections |  |  | 9 at the peak of an update |"
    )
    assert "unmeasured" not in markdown([engine("advance", [0.002], [1, 1, 1], device="cuda")])
    failed = {
        "part": "engine",
        "engine": "x",
        "device": "cpu",
        "genes": 9,
        "hours": 0.5,
        "unmeasured": "broken",
    }
    assert markdown([failed]).splitlines()[3] == "| x | 9 genes | unmeasured |  | broken |"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.torch.jit.script_method:DeprecationWarning")  # inside torch.compile
def test_the_whole_study_writes_records_and_a_table(tmp_path, capsys):
    run(
        Bench(
            out=tmp_path,
            genes=2_000,
            hours=(0.5,),
            sizes=(1_000, 2_000),
            repeats=2,
            steps=2,
            update_every=1,
            batch=2,
            connections=10_000,
            threads=torch.get_num_threads(),
            device="cpu",
        )
    )
    records = [json.loads(line) for line in (tmp_path / "records.jsonl").read_text().splitlines()]
    parts = {"memory", "tolerance", "first call", "training", "scaling", "engine"}
    assert {record["part"] for record in records} == parts
    engines = {record["engine"]: record for record in records if record["part"] == "engine"}
    assert {"advance", "torchdiffeq", "scipy", "the same step under torch.compile"} <= set(engines)
    for name, record in engines.items():
        if "unmeasured" in record:  # a path with a space, or no compiler
            assert name == COMPILED
            assert record["unmeasured"].startswith("torch.compile fails here with ")
            continue
        assert record["error"] is None or record["error"] < (0.01 if "bfloat16" in name else 1e-4)
    assert (tmp_path / "table.md").read_text().strip() == markdown(records) == capsys.readouterr().out.strip()
