"""`python -m studies simulate`: its files, its numbers, its refusals, its page."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import torch

from grn.networks import circuits
from grn.networks.formula import parameter, species
from grn.networks.perturb import Clamp, Knockdown, Knockout, Overexpression
from grn.networks.reactions import Reaction, ReactionSystem
from grn.networks.simulate import simulate
from grn.networks.states.steady import steady_states
from studies.__main__ import main
from studies.simulate import Simulate, run
from studies.simulation_model import Loaded
from studies.simulation_run import compute

ROOT = Path(__file__).resolve().parents[2]
NAMES = {"trajectories.csv", "steady_states.csv", "records.jsonl", "report.html"}
QUICK = {"starts": 4, "bifurcation": "none"}


def table(path):
    with open(path, newline="") as file:
        head, *rows = csv.reader(file)
    return head, rows


def columns(path):
    head, rows = table(path)
    return {name: np.array([float(row[k]) for row in rows]) for k, name in enumerate(head)}


@pytest.fixture(scope="module")
def oscillator(tmp_path_factory):
    """The default: the repressilator until ten periods have passed, with all parts of the page."""
    out = tmp_path_factory.mktemp("repressilator") / "out"
    (record,) = run(Simulate(starts=4, out=out))
    return out, record


class TestOscillator:
    def test_the_files_are_those_promised(self, oscillator):
        out, _ = oscillator
        assert {path.name for path in out.iterdir()} == NAMES

    def test_its_states_are_an_oscillation_and_an_unstable_one(self, oscillator):
        head, rows = table(oscillator[0] / "steady_states.csv")
        species = ["lacI_mrna", "lacI", "tetR_mrna", "tetR", "cI_mrna", "cI"]
        assert head == ["verdict", "period", *species]
        assert [row[0] for row in rows] == ["oscillates", "unstable"]
        assert float(rows[0][1]) == pytest.approx(125.354, abs=1e-3)
        assert rows[1][1] == ""
        assert float(rows[1][3]) == pytest.approx(float(rows[1][5]), rel=1e-6)  # symmetric

    def test_its_trajectory_is_that_of_simulate_to_the_bit(self, oscillator):
        found = columns(oscillator[0] / "trajectories.csv")
        assert list(found) == ["trajectory", "time", *circuits.repressilator().species]
        assert set(found["trajectory"]) == {0}
        assert found["time"][-1] >= 10 * 125.354
        path = simulate(circuits.repressilator(), torch.from_numpy(found["time"]))
        for name in path.species:
            assert np.array_equal(found[name], path[name][0].numpy())

    def test_its_record_says_what_was_done(self, oscillator):
        out, record = oscillator
        (line,) = (out / "records.jsonl").read_text().splitlines()
        assert json.loads(line) == record
        for key, value in (
            ("study", "simulate"),
            ("source", "repressilator"),
            ("method", "ode"),
            ("seed", 0),
        ):
            assert record[key] == value
        assert [state["verdict"] for state in record["states"]] == ["oscillates", "unstable"]
        assert record["options"]["starts"] == 4
        assert {"out", "overwrite"}.isdisjoint(record["options"])
        assert record["versions"]["torch"]
        assert "commit" in record

    def test_its_page_has_every_part_and_the_command(self, oscillator):
        out, _ = oscillator
        page = (out / "report.html").read_text()
        assert "repressilator oscillates with period 125.354 min" in page
        for name in ("trajectories", "phase-plane", "bifurcation", "graph"):
            assert f'class="plot" id="{name}"' in page
        assert f"python -m studies simulate repressilator --starts 4 --out {out}" in page
        body = re.sub(r'<script type="text/plain".*?</script>', "", page, flags=re.DOTALL)
        assert not re.findall(r"""(?:src|href)=["'](?!#|data:)""", body)
        assert "lacI.transcription was chosen" in page


def test_states_are_those_of_steady_states(tmp_path):
    run(Simulate(source="toggle", out=tmp_path / "out", **{**QUICK, "starts": 16}))
    _, rows = table(tmp_path / "out" / "steady_states.csv")
    states = steady_states(circuits.toggle(), starts=16)
    assert [(row[0], [float(value) for value in row[2:]]) for row in rows] == [
        (state.verdict, [float(f"{value:.12g}") for value in state.values.tolist()]) for state in states
    ]
    assert "toggle is bistable" in (tmp_path / "out" / "report.html").read_text()


@pytest.mark.parametrize(
    ("options", "perturbations"),
    [
        ({"knockout": "lacI"}, [Knockout("lacI")]),
        (
            {"knockdown": "lacI=0.3,cI=0.5"},
            [Knockdown("lacI", remaining=0.3), Knockdown("cI", remaining=0.5)],
        ),
        ({"overexpress": "tetR=1"}, [Overexpression("tetR")]),
        ({"clamp": "cI=100"}, [Clamp("cI", level=100.0)]),
    ],
    ids=["knockout", "knockdown", "overexpress", "clamp"],
)
def test_perturbations_are_those_of_the_library(tmp_path, options, perturbations):
    out = tmp_path / "out"
    run(Simulate(until="60", out=out, **QUICK, **options))
    found = columns(out / "trajectories.csv")
    path = simulate(circuits.repressilator(), torch.from_numpy(found["time"]), perturbations=perturbations)
    for name in path.species:
        assert np.array_equal(found[name], path[name][0].numpy())
    assert "Thin and faint: the model without the perturbation." in (out / "report.html").read_text()
    _, rows = table(out / "steady_states.csv")
    clamped = [row[table(out / "steady_states.csv")[0].index("cI")] for row in rows]
    if "clamp" in options:
        assert {float(level) for level in clamped} == {100.0}


def test_a_clamped_species_may_be_followed_through_a_parameter(tmp_path):
    """Its level, not its initial one, is that of the bifurcation diagram."""
    options = {
        "source": "repressilator",
        "clamp": "cI=40",
        "bifurcation": "lacI.transcription=1:60",
        "starts": 4,
    }
    run(Simulate(until="50", out=tmp_path / "out", **options))
    page = (tmp_path / "out" / "report.html").read_text()
    assert "For lacI.transcription from 1 to 60 (now 30)" in page
    assert "cI held at 40" in page


def test_parameters_and_starts_are_used(tmp_path):
    out = tmp_path / "out"
    options = {"parameter": ("lacI.transcription=20", "tetR.transcription=3"), "start": ("tetR=5",)}
    run(Simulate(source="toggle", until="7", out=out, **QUICK, **options))
    found = columns(out / "trajectories.csv")
    assert found["tetR"][0] == 5.0
    path = simulate(
        circuits.toggle(), torch.from_numpy(found["time"]), start={"tetR": 5.0},
        parameters={"lacI.transcription": 20.0, "tetR.transcription": 3.0},
    )  # fmt: skip
    assert np.array_equal(found["lacI"], path["lacI"][0].numpy())
    page = (out / "report.html").read_text()
    assert "--parameter lacI.transcription=20 --parameter tetR.transcription=3 --start tetR=5" in page


def test_an_ensemble_of_rate_equations_begins_at_random(tmp_path):
    for seed in (0, 0, 1):
        run(
            Simulate(
                source="toggle", ensemble=5, seed=seed, out=tmp_path / f"{seed}", overwrite=True, **QUICK
            )
        )
    found = columns(tmp_path / "0" / "trajectories.csv")
    assert set(found["trajectory"]) == set(range(5))
    first = found["lacI"][found["time"] == 0]
    assert len(set(first)) == 5
    assert 0 < first.min() <= first.max() <= 156.25
    assert not np.array_equal(first, columns(tmp_path / "1" / "trajectories.csv")["lacI"][found["time"] == 0])
    ends = found["lacI"][found["time"] == found["time"].max()]
    assert all(min(abs(end - 155.76), abs(end - 0.3324)) < 0.05 * max(end, 1) for end in ends)


def test_a_stochastic_ensemble_is_that_of_simulate(tmp_path):
    out = tmp_path / "out"
    options = {"source": "toggle", "method": "ssa", "ensemble": 3, "system_size": 5.0, "seed": 7}
    run(Simulate(until="4", out=out, **QUICK, **options))
    found = columns(out / "trajectories.csv")
    times = torch.from_numpy(found["time"][found["trajectory"] == 0])
    path = simulate(circuits.toggle(), times, method="ssa", ensemble=3, system_size=5.0, seed=7)
    assert np.array_equal(found["tetR"], path["tetR"].numpy().ravel())


SWITCH = "targets, factors\nGATA1, GATA1 & !PU1\nPU1, PU1 & !GATA1\n"


def test_states_have_the_totals_of_the_start_that_is_asked_for():
    """A turns into B twice as fast as B into A: of 9 molecules 3 and 6 are left."""
    system = ReactionSystem(
        initial={"A": 1.0, "B": 0.0},
        parameters={"k": 2.0},
        reactions=(
            Reaction(name="forth", changes={"A": -1, "B": 1}, rate=parameter("k") * species("A")),
            Reaction(name="back", changes={"A": 1, "B": -1}, rate=species("B")),
        ),
    )
    request = Simulate(start=("A=9",), starts=4).request()
    results = compute(request, Loaded(model=system, name="pair"), lambda what: None)
    (row,) = results.rows
    assert row.values == pytest.approx((3.0, 6.0), rel=1e-8)
    assert results.simulation.final[0].tolist() == pytest.approx([3.0, 6.0], rel=0.02)  # where it is cut
    assert results.ends == (0,)
    assert results.notes["bifurcation"].startswith("A list of reactions has no promoter to vary")


def test_without_a_start_a_trajectory_leads_to_each_attractor(tmp_path, capsys):
    (tmp_path / "switch.bnet").write_text(SWITCH)
    out = tmp_path / "out"
    options = {**QUICK, "starts": 16}
    run(Simulate(source=str(tmp_path / "switch.bnet"), knockout="PU1", out=out, **options))
    found = columns(out / "trajectories.csv")
    assert set(found["trajectory"]) == {0, 1}
    ends = found["GATA1"][found["time"] == found["time"].max()]
    assert ends[0] == 0  # its own start
    assert ends[1] == pytest.approx(19.98, rel=0.02)
    page = (out / "report.html").read_text()
    assert "own start it ends in state" in page
    assert "The heavy line is the model&#x27;s own start, beside it a random start" in page
    assert "found from 17 starts" in capsys.readouterr().out
    own = {**options, "start": ("GATA1=20",)}
    run(Simulate(source=str(tmp_path / "switch.bnet"), knockout="PU1", out=tmp_path / "own", **own))
    assert set(columns(tmp_path / "own" / "trajectories.csv")["trajectory"]) == {0}


def test_a_start_on_a_separatrix_is_shown_beside_others(tmp_path):
    (tmp_path / "TS.topo").write_text("Source Target Type\nA B 2\nB A 2\n")
    out = tmp_path / "out"
    run(Simulate(source=str(tmp_path / "TS.topo"), out=out, **{**QUICK, "starts": 16}))
    found = columns(out / "trajectories.csv")
    last = found["time"] == found["time"].max()
    assert found["A"][last][0] == pytest.approx(found["B"][last][0])
    assert len(set(np.sign(found["A"][last][1:] - found["B"][last][1:]))) == 2
    assert "it stays there only because nothing disturbs it" in (out / "report.html").read_text()


def test_parameters_may_be_patterns(tmp_path):
    """Of the documented switch, whose states have these levels."""
    (tmp_path / "switch.bnet").write_text(SWITCH)
    kinetics = ("*.threshold.*=4", "*.coefficient.*=4", "*.basal=0.1")
    options = {**QUICK, "starts": 16, "parameter": kinetics}
    run(Simulate(source=str(tmp_path / "switch.bnet"), out=tmp_path / "out", **options))
    head, rows = table(tmp_path / "out" / "steady_states.csv")
    levels = {
        tuple(round(float(row[head.index(gene)]), 1) for gene in ("GATA1", "PU1"))
        for row in rows
        if row[0] == "stable"
    }
    assert levels == {(18.9, 2.0), (2.0, 18.9)}


def test_few_molecules_are_warned_of(tmp_path, capsys):
    (tmp_path / "switch.bnet").write_text(SWITCH)
    options = {**QUICK, "source": str(tmp_path / "switch.bnet"), "method": "ssa", "until": "2"}
    run(Simulate(out=tmp_path / "one", **options))
    printed = capsys.readouterr().out
    assert "\nThe rate equations of switch " in printed
    assert "--system-size N gives N molecules per unit" in printed
    assert "--system-size N gives N" in (tmp_path / "one" / "report.html").read_text()
    run(Simulate(out=tmp_path / "many", system_size=50.0, **options))
    assert "--system-size N" not in capsys.readouterr().out


def test_a_programming_error_is_not_called_a_bad_value(tmp_path, monkeypatch):
    def fail(*arguments, **options):
        raise TypeError("ours")

    monkeypatch.setattr("studies.simulation_run.simulate", fail)
    with pytest.raises(TypeError, match="ours"):
        run(Simulate(source="toggle", out=tmp_path / "out", **QUICK))


RULES = "targets, factors\nA, !C\nB, A\nC, B\nD, D\n"


@pytest.mark.parametrize("update", ["synchronous", "asynchronous"])
def test_rules_list_attractors(tmp_path, update):
    (tmp_path / "ring.bnet").write_text(RULES)
    out = tmp_path / "out"
    run(Simulate(source=str(tmp_path / "ring.bnet"), method=f"boolean-{update}", knockout="D", out=out))
    head, rows = table(out / "steady_states.csv")
    assert head == ["verdict", "period", "A", "B", "C", "D"]
    assert {row[0] for row in rows} == {"oscillates"}
    periods = sorted(row[1] for row in rows)
    assert periods == (["2.0", "6.0"] if update == "synchronous" else [""])
    assert {row[5] for row in rows} == {"0.0"}
    found = columns(out / "trajectories.csv")
    assert set(found["A"]) == {0.0, 1.0}
    page = (out / "report.html").read_text()
    for absent in ("Phase plane", "Bifurcation", 'id="phase-plane"', "promoter and rates"):
        assert absent not in page
    assert "Crossed out: knocked out" in page


def test_rules_get_kinetics_and_initial_levels_from_beside(tmp_path):
    (tmp_path / "switch.txt").write_text("Gene\tRule\nA\tnot (B)\nB\tnot (A)\n")
    (tmp_path / "switch_ics.txt").write_text("Genes\tValues\n['A']\t[1]\n")
    out = tmp_path / "out"
    run(Simulate(source=str(tmp_path / "switch.txt"), out=out, **{**QUICK, "starts": 16}))
    head, rows = table(out / "steady_states.csv")
    assert head == ["verdict", "period", "A_mrna", "A", "B_mrna", "B"]
    assert sorted(row[0] for row in rows) == ["stable", "stable", "unstable"]
    assert columns(out / "trajectories.csv")["A_mrna"][0] == 1.0
    page = (out / "report.html").read_text()
    assert "every gene has BoolODE&#x27;s kinetics. It starts from the levels of switch_ics.txt" in page


def test_a_model_of_one_species_has_no_plane(tmp_path):
    run(Simulate(source="positive_autoregulation", out=tmp_path / "out", **QUICK))
    assert "needs two species that can move" in (tmp_path / "out" / "report.html").read_text()


BAD = [
    (
        {"source": "repressilatr"},
        "no circuit or file is called 'repressilatr': the circuits are repressilator, ",
    ),
    ({"source": "no/such/file.bnet"}, "no circuit or file is called 'no/such/file.bnet'"),
    ({"knockout": "lacl"}, "knockout: no gene is called 'lacl', did you mean 'lacI'?"),
    ({"knockout": "lacI,"}, "knockout must be names of genes"),
    ({"knockdown": "lacI"}, "knockdown must be NAME=VALUE"),
    ({"knockdown": "lacI=2"}, r"remaining of a knock-down must lie in \[0, 1\]"),
    ({"overexpress": "lacI=-1"}, "activity of an over-expression must be positive"),
    ({"clamp": "laci=1"}, "clamp: no species is called 'laci'"),
    ({"clamp": "lacI=-1"}, "level of a clamp must be a non-negative"),
    ({"until": "soon"}, "until must be a positive finite time, .*, got 'soon'"),
    ({"until": "-5"}, "until must be a positive finite time"),
    ({"until": "nan"}, "until must be a positive finite time"),
    ({"ensemble": -3}, "ensemble must be at least 1, got -3"),
    ({"seed": -1}, "seed must be at least 0, got -1"),
    ({"starts": 0}, "starts must be at least 1, got 0"),
    ({"system_size": 0.0}, "system_size must be a positive finite number"),
    ({"method": "euler"}, "method must be one of ode, compiled"),
    ({"parameter": ("lacI.transcribtion=1",)}, "no parameter is called .*did you mean 'lacI.transcription'"),
    ({"parameter": ("lacI.transcription",)}, "parameter must be NAME=VALUE with a finite number"),
    ({"parameter": ("a=1", "a=2")}, "parameter gives 'a' twice"),
    ({"parameter": ("lacI.expression_scale=1",), "knockout": "lacI"}, "is set by a perturbation too"),
    ({"start": ("x=1",)}, "start: no species is called 'x'"),
    ({"bifurcation": "lacI.transcription=9:1"}, "PARAMETER=LOW:HIGH with LOW < HIGH"),
    ({"bifurcation": "nothing"}, "bifurcation: no parameter is called 'nothing'"),
    ({"x": "lacI", "y": "lacI"}, "x and y must be two species"),
    ({"x": "lacX"}, "x: no species is called 'lacX'"),
    ({"x": "lacI", "knockout": "lacI"}, "x: 'lacI' is held by a perturbation"),
    ({"method": "boolean-synchronous"}, "has no Boolean rule"),
    ({"parameter": ("*.threshhold.*=1",)}, r"parameter: none matches '\*.threshhold.\*'; the known ones are"),
    ({"source": "/"}, "/ is a directory: name the file of a model in it"),
]


@pytest.mark.parametrize(("bad", "message"), BAD)
def test_what_cannot_work_is_refused_before_anything_is_written(tmp_path, bad, message):
    with pytest.raises(ValueError, match=message):
        run(Simulate(out=tmp_path / "out", **bad))
    assert not (tmp_path / "out").exists()


def test_files_that_are_no_models_are_refused_in_one_line(tmp_path, capsys):
    path = tmp_path / "bad.bnet"
    path.write_text("targets, factors\nA, B\n")
    assert main(["simulate", str(path), "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {path}:2: rule of 'A': 'B' has no line of its own")
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_out_that_is_a_file_is_refused(tmp_path, capsys):
    (tmp_path / "out").write_text("mine")
    assert main(["simulate", "toggle", "--out", str(tmp_path / "out")]) == 2
    assert "is a file" in capsys.readouterr().err
    assert (tmp_path / "out").read_text() == "mine"


def test_results_are_not_overwritten_unasked(tmp_path, capsys):
    options = ["simulate", "toggle", "--until", "2", "--starts", "2", "--bifurcation", "none"]
    options += ["--out", str(tmp_path / "out")]
    assert main(options) == 0
    assert f"report: {tmp_path / 'out' / 'report.html'}" in capsys.readouterr().out
    before = (tmp_path / "out" / "trajectories.csv").read_bytes()
    assert main([*options, "--seed", "3"]) == 2
    assert "add --overwrite to replace them" in capsys.readouterr().err
    assert (tmp_path / "out" / "trajectories.csv").read_bytes() == before
    assert main([*options, "--until", "3", "--overwrite"]) == 0
    assert columns(tmp_path / "out" / "trajectories.csv")["time"][-1] == 3.0


def test_a_solver_that_gives_up_is_one_line(tmp_path, monkeypatch, capsys):
    def fail(*arguments, **options):
        raise RuntimeError("the solver took 1 steps")

    monkeypatch.setattr("studies.simulation_run.simulate", fail)
    assert main(["simulate", "toggle", "--starts", "2", "--out", str(tmp_path / "out")]) == 1
    assert capsys.readouterr().err == "error: the solver took 1 steps\n"
    assert not (tmp_path / "out").exists()


def test_an_interrupt_leaves_nothing_and_says_so(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-m", "studies", "simulate", "--starts", "500", "--out", str(tmp_path / "out")],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert "looking for steady states" in process.stdout.readline()
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130
    assert errors == "stopped; nothing was written that is not whole\n"
    assert "--resume" not in errors
    assert not (tmp_path / "out").exists()


def test_help_explains_every_option(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["simulate", "--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    for option in fields(Simulate):
        assert option.name == "source" or f"--{option.name.replace('_', '-')}" in text
    assert "FILE_OR_CIRCUIT" in text
    assert "or the file of a model" in " ".join(text.replace("│", " ").split())
