"""`python -m studies topology`: trains or reads a run, measures its graph against chance, writes files."""

import csv
import json
import shlex
import shutil
from dataclasses import asdict, replace
from xml.etree import ElementTree

import networkx as nx
import numpy as np
import pytest

from pruning import ExpressionGating
from pruning.topology import TopologyHistory, chain_wiring, unit_links
from pruning.topology.measures import find_humps_of_histogram, hub_persistence, link_overlap, summary
from studies import topology
from studies.__main__ import main
from studies.benchmarks.topology import SHOWN, markdown
from studies.compare import Compare
from studies.compare import run as run_compare
from studies.policy_config import write_policy_config
from studies.records import read_records
from studies.report.run_dynamics import dynamics_blocks
from studies.topology import run as run_topology
from studies.topology import strongest_hub
from studies.topology_analysis import OVERLAP, analyse
from studies.topology_options import Topology, focus_of
from studies.topology_source import find_history, read_run
from studies.train import Train
from studies.train import run as run_train

SMALL = {
    "data": "digits", "fraction": 0.3, "epochs": 3, "batch_size": 32, "hidden": "24,16", "threads": 1,
    "update_every": 3, "audit": False,
}  # fmt: skip
QUICK = {"snapshots": 3, "null_samples": 4}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A finished training run; copied by tests that write into it."""
    out = tmp_path_factory.mktemp("trained") / "run"
    run_train(Train(**SMALL, out=out))
    return out


@pytest.fixture(scope="module")
def read(trained, tmp_path_factory):
    """What the study makes of it, and where."""
    out = tmp_path_factory.mktemp("read")
    return run_topology(Topology(run=trained, out=out, **QUICK)), out / "topology"


@pytest.mark.slow
def test_it_trains_a_network_and_reports(tmp_path, capsys):
    out = tmp_path / "out"
    analysis = run_topology(Topology(**SMALL, out=out, snapshots=2, null_samples=2, files=False))
    [record] = read_records(out / "records.jsonl")
    assert (record.study, record.policy, record.seed) == ("train", "expression", 0)
    assert analysis.run.facts["network"]["kind"] == "gene"
    written = {path.name for path in (out / "topology").iterdir()}
    assert written == {"report.html", "measures.json", "measures.csv", "updates.csv"}
    shown = capsys.readouterr().out
    assert "random graphs" in shown
    assert f"report: {out / 'topology' / 'report.html'}" in shown


def test_measures_are_those_of_the_history(read, trained):
    analysis, folder = read
    stored = json.loads((folder / "measures.json").read_text())
    path = find_history(trained)
    with TopologyHistory.open(path) as history:
        places = [0, round((len(history) - 1) / 2), len(history) - 1]
        graphs = [unit_links(history[place], analysis.run.wiring) for place in places]
        layers = history[-1].layers
        humps = [
            find_humps_of_histogram(summary.histogram.sum(0), np.linspace(0, 1, 33))
            for _, summary in history.records(masks=False)
        ]
    assert [one["step"] for one in stored["snapshots"]] == [graph.step for graph in graphs]
    expected = summary(graphs[-1], layers=layers, samples=4, seed=0).measures
    found = stored["snapshots"][-1]["measures"]
    assert set(found) == {*expected, OVERLAP}
    for name, one in expected.items():
        numbers = {"value": one.value, "null_mean": one.null_mean, "null_std": one.null_std, "z": one.z}
        for field, number in numbers.items():
            exact = None if number is None or not np.isfinite(number) else pytest.approx(number)
            assert found[name][field] == exact, (name, field)
    assert found[OVERLAP]["value"] == pytest.approx(link_overlap(graphs[1], graphs[2]))
    shared = [one.shared for one in hub_persistence(graphs)]
    assert [one["shared"] for one in stored["hub_overlaps"]] == shared
    assert [one["bimodal"] for one in stored["expression_humps"]] == [one.bimodal for one in humps]


def test_tables_hold_the_same_numbers(read):
    analysis, folder = read
    stored = json.loads((folder / "measures.json").read_text())
    with (folder / "measures.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    by_place = {(int(row["step"]), row["measure"]): row for row in rows}
    for moment in stored["snapshots"]:
        for name, numbers in moment["measures"].items():
            row = by_place.pop((moment["step"], name))
            assert row["value"] == ("" if numbers["value"] is None else repr(numbers["value"]))
            assert row["verdict"] == numbers["verdict"]
    assert not by_place
    with (folder / "updates.csv").open(newline="") as file:
        updates = list(csv.DictReader(file))
    assert sum(int(row["died"]) for row in updates) == sum(one["died"] for one in analysis.updates)
    # The last density of a layer is what its mask has live.
    last = analysis.last.snapshot.layers[0]
    assert float(updates[-1][f"density of {last.name}"]) == pytest.approx(last.live / last.total)


def test_lifetimes_count_every_connection(read):
    analysis, _ = read
    lives = analysis.spells
    assert lives.live[-1] == analysis.last.snapshot.live
    inner = analysis.updates[1:]
    assert lives.births.tolist() == [update["born"] for update in inner]
    assert lives.deaths.tolist() == [update["died"] for update in inner]


def test_graph_files_open_and_agree(read):
    analysis, folder = read
    links = analysis.last.links
    graph = nx.read_graphml(folder / "graph.graphml")
    assert graph.number_of_edges() == len(links)
    assert graph.number_of_nodes() == links.nodes
    assert nx.read_gexf(folder / "graph.gexf").number_of_edges() == len(links)
    assert len(json.loads((folder / "graph.cyjs").read_text())["elements"]["edges"]) == len(links)
    layers = nx.read_graphml(folder / "layers.graphml")
    assert sum(data["links"] for _, _, data in layers.edges(data=True)) == len(links)
    tree = ElementTree.parse(folder / "history.gexf").getroot()  # written a moment ago by this program
    assert tree.find("{*}graph").get("mode") == "dynamic"
    column, unit = strongest_hub(links)
    around = nx.read_graphml(folder / "neighbourhood.graphml")
    assert around.graph["column"] == column
    assert around.graph["unit"] == unit


def test_the_network_is_found_from_the_header_the_record_or_as_a_chain(trained, tmp_path):
    path = find_history(trained)
    known = read_run(path)
    assert "following a forward pass of GeneInspiredNet" in known.wiring_note
    assert known.record["policy"] == "expression"
    with TopologyHistory.open(path) as history:
        facts, layers, snapshots = history.run, history.layers, list(history)
    del facts["network"]
    lone = tmp_path / "topology.grnt"
    with TopologyHistory.create(lone, layers, run=facts) as history:
        for snapshot in snapshots:
            history.append(snapshot)
    alone = read_run(lone)
    assert alone.record is None
    assert alone.wiring_note.endswith("the run does not tell its network.")
    assert {name: [feed.source for feed in feeds] for name, feeds in alone.wiring.items()} == {
        name: [feed.source for feed in feeds] for name, feeds in chain_wiring(layers).items()
    }
    old = tmp_path / "old" / "runs" / "run"
    old.mkdir(parents=True)
    shutil.copy(lone, old)
    shutil.copy(trained / "records.jsonl", tmp_path / "old")
    assert "following a forward pass" in read_run(old / lone.name).wiring_note
    facts["network"] = {"kind": "gene", "classes": 10, "inputs": 64, "hidden": [5]}
    with TopologyHistory.create(tmp_path / "other.grnt", layers, run=facts):
        pass
    other = read_run(tmp_path / "other.grnt")
    assert "its layers are not those that were recorded" in other.wiring_note


def test_a_run_that_goes_on_is_read_as_far_as_it_is(trained, tmp_path):
    """The file without its record, cut within the last update: what a reader finds while it is written."""
    folder = tmp_path / "runs" / "run"
    folder.mkdir(parents=True)
    whole = find_history(trained).read_bytes()
    (folder / "topology.grnt").write_bytes(whole[:-40])
    analysis = run_topology(Topology(run=tmp_path, files=False, **QUICK))
    with TopologyHistory.open(find_history(trained)) as history:
        assert analysis.last.links.step == history.steps[-2]
    assert "has no record" in (tmp_path / "topology" / "report.html").read_text()


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    out = tmp_path_factory.mktemp("compared") / "out"
    options = {**SMALL, "epochs": 1, "hidden": "8"}
    run_compare(Compare(**options, policies="magnitude,smoothed", sparsities="0.5", seeds=1, out=out))
    return out


def test_one_of_several_runs_is_chosen(compared):
    with pytest.raises(ValueError, match=r"holds the topology of 2 runs: choose one with policy") as error:
        find_history(compared)
    assert "magnitude 0.5 seed 0" in str(error.value)
    path = find_history(compared, policy="smoothed")
    assert "smoothed" in path.parent.name
    assert find_history(path) == path
    with pytest.raises(ValueError, match=r"no run in .* has policy rigl: there are magnitude"):
        find_history(compared, policy="rigl")


def test_what_a_policy_has_not_is_left_out_with_its_reason(compared, tmp_path):
    for policy, said in (
        ("magnitude", "MagnitudeGating has no expression"),
        ("smoothed", "SmoothedImportanceGating does not carry Eq. 1"),
    ):
        out = tmp_path / policy
        run_topology(Topology(run=compared, policy=policy, out=out, files=False, **QUICK))
        page = (out / "topology" / "report.html").read_text()
        assert said in page
        assert 'id="phase-plane"' not in page
        assert ('id="expression-map"' in page) == (policy == "smoothed")
    with pytest.raises(ValueError, match=r"holds the report of another run, smoothed 0\.5 0: choose another"):
        run_topology(Topology(run=compared, policy="magnitude", out=tmp_path / "smoothed", **QUICK))


def test_the_null_is_drawn_at_fewer_updates_where_it_is_costly(trained, monkeypatch):
    monkeypatch.setattr("studies.topology_analysis.NULL_SECONDS", 0.0)
    analysis = analyse(read_run(find_history(trained)), snapshots=6, null_samples=2)
    steps = [moment.links.step for moment in analysis.moments]
    assert len(steps) == 6
    assert [moment.links.step for moment in analysis.compared] == [steps[0], steps[2], steps[-1]]
    assert all(len(moment.measures) > 15 for moment in analysis.moments)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"snapshots": 0}, "snapshots must be at least 1, got 0"),
        ({"null_samples": 1}, "null_samples must be at least 2, got 1"),
        ({"layout": "round"}, "layout must be layered or force, got 'round'"),
        ({"focus": "classifier"}, "focus must be LAYER:UNIT such as classifier:3, got 'classifier'"),
        ({"focus": "layers.1:99"}, r"one of layers.1:0 to 23, .*input:0 to 63, got 'layers.1:99'"),
        ({"policy": "magnitude"}, "has policy magnitude: there are expression 0.9 seed 0"),
    ],
)
def test_bad_options_are_refused_before_anything_is_written(trained, tmp_path, bad, message):
    out = tmp_path / "out"
    with pytest.raises(ValueError, match=message):
        run_topology(Topology(run=trained, out=out, **bad))
    assert not out.exists()


def test_the_command_line_ends_with_the_right_status(trained, tmp_path, capsys, monkeypatch):
    assert main(["topology", "--run", str(tmp_path / "nowhere")]) == 2
    assert "nowhere does not exist" in capsys.readouterr().err
    assert main(["topology", "--run", str(tmp_path)]) == 2
    assert "holds no topology.grnt" in capsys.readouterr().err
    broken = tmp_path / "broken.grnt"
    broken.write_bytes(b"not a history")
    assert main(["topology", "--run", str(broken)]) == 2
    assert "no topology history" in capsys.readouterr().err
    assert main(["topology", "--policy", "dense", "--data", "digits", "--out", str(tmp_path / "d")]) == 2
    assert "policy must prune" in capsys.readouterr().err

    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(topology, "analyse", interrupted)
    out = tmp_path / "stopped"
    assert main(["topology", "--run", str(trained), "--out", str(out)]) == 130
    assert "nothing was written that is not whole" in capsys.readouterr().err
    assert not out.exists()


def test_pictures_need_a_browser_and_the_report_does_not(trained, tmp_path, capsys, monkeypatch):
    call = ["topology", "--run", str(trained), "--out", str(tmp_path), "--snapshots", "1", "--no-files"]
    call += ["--null-samples", "2", "--pictures"]
    monkeypatch.setattr("studies.report.image_export.find_spec", lambda name: None)
    assert main(call) == 2
    assert "pip install 'grn-pruning[figures]'" in capsys.readouterr().err
    monkeypatch.undo()
    pytest.importorskip("kaleido", reason="no kaleido: pip install 'grn-pruning[figures]'")

    def browserless(jobs):
        raise RuntimeError("pictures need an installed Chromium, but none was found")

    monkeypatch.setattr("studies.report.image_export._render", browserless)
    assert main(call) == 1
    assert "need an installed Chromium" in capsys.readouterr().err
    assert (tmp_path / "topology" / "report.html").exists()


def test_focus_and_hub():
    assert focus_of("blocks.0.branch:7") == ("blocks.0.branch", 7)
    for text in ("7", ":7", "conv:", "conv:-1", "conv:x"):
        with pytest.raises(ValueError, match="LAYER:UNIT"):
            focus_of(text)


def test_a_file_of_rates_is_read_as_in_training(tmp_path, monkeypatch):
    path = tmp_path / "policy.json"
    write_policy_config(path, ExpressionGating(autoactivation=3.0))
    taken = []
    monkeypatch.setattr(topology, "run", taken.append)
    topology.main(["--policy-config", str(path), "--data", "digits"])
    assert taken[0].policy_config == path
    assert taken[0].autoactivation == 3.0
    taken[0].check()
    assert taken[0].training().autoactivation == 3.0


def test_groups_of_a_run_are_those_of_its_grouped_layers(trained):
    run = read_run(find_history(trained))
    assert run.groups == {}
    first = replace(run.layers[0], groups=4)
    assert replace(run, layers=(first, *run.layers[1:])).groups == {first.name: 4}


def test_one_update_measured_all_the_same_is_not_left_out(trained, monkeypatch):
    monkeypatch.setattr("studies.topology_analysis.MOST_LINKS", 0)
    analysis = analyse(read_run(find_history(trained)), snapshots=6, null_samples=2)
    assert len(analysis.moments) == 1
    assert analysis.left_out == len(analysis.updates) - 1


def test_pictures_of_a_study_need_no_network_that_is_too_large(trained, monkeypatch):
    [record] = [asdict(one) for one in read_records(trained / "records.jsonl")]
    monkeypatch.setattr("studies.report.run_dynamics.MOST_GATES", 10)

    def never(path):
        raise AssertionError("the network was built")

    monkeypatch.setattr("studies.report.run_dynamics.read_run", never)
    blocks = dynamics_blocks(trained, record)
    assert f"--run {shlex.quote(str(trained))}</code>" in blocks[-1]


def test_the_benchmark_tells_runs_without_accuracy_or_deaths():
    one = {"value": 2.0, "z": 5.0, "p_holm": 0.001, "verdict": "same"}
    record = {
        "policy": "magnitude", "seed": 0, "test_accuracy": None, "links": 7, "hubs": [],
        "lifetimes": {"births": 0, "deaths": 0},
        "measures": {**dict.fromkeys(SHOWN, one), "modularity": {**one, "verdict": "apart"}},
    }  # fmt: skip
    line = markdown([record]).splitlines()[-1]
    assert line.startswith("| magnitude | 0 | – | 7 | 2 (+5.0) | 2 (+5.0)\\* | 2 (+5.0) |")
    assert line.endswith("| – | – |")
