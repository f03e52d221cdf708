"""Every table of results in README and docs is what its records say."""

import json
from pathlib import Path

import pytest

from studies.benchmarks import engine_table, fit_gsd, recipes, tuning_table
from studies.benchmarks import networks as network_benchmark
from studies.benchmarks import topology as topology_benchmark
from studies.report.build import load_records
from studies.report.markdown import results_markdown

ROOT = Path(__file__).resolve().parent.parent
STUDIES = sorted(path.parent for path in (ROOT / "docs" / "results").glob("*/config.json"))


def quoted(page: str, study: str, kind: str = "results") -> str:
    """What stands between the marks of a study in a page."""
    text = (ROOT / page).read_text()
    return text.split(f"<!-- begin {kind} {study} -->")[1].split(f"<!-- end {kind} {study} -->")[0].strip()


def test_there_are_committed_studies():
    assert {"fer2013", "digits"} <= {study.name for study in STUDIES}


@pytest.mark.parametrize("study", STUDIES, ids=lambda study: study.name)
def test_results_page_quotes_the_records(study):
    assert quoted("docs/results.md", study.name) == results_markdown(load_records(study)[0])


def test_readme_quotes_the_emotion_study():
    assert quoted("README.md", "fer2013") == results_markdown(load_records(ROOT / "docs/results/fer2013")[0])


def test_the_page_of_gene_networks_quotes_its_benchmark():
    record = json.loads((ROOT / "docs/results/networks/networks.json").read_text())
    assert not record["commit"].endswith("-dirty")
    assert quoted("docs/gene-networks.md", "networks", "benchmark") == network_benchmark.markdown(record)


def test_the_page_of_speed_quotes_its_benchmark():
    lines = (ROOT / "docs/results/bench/records.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    assert {record["commit"] for record in records} == {records[0]["commit"]}
    assert not records[0]["commit"].endswith("-dirty")
    assert quoted("docs/speed.md", "bench", "benchmark") == engine_table.markdown(records)


def test_the_page_of_recipes_quotes_its_benchmark():
    lines = (ROOT / "docs/results/recipes/records.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    assert not any(record["commit"].endswith("-dirty") for record in records)  # a run's rivals are its own
    assert quoted("docs/recipes.md", "recipes", "benchmark") == recipes.markdown(records)


def test_the_page_of_gene_networks_quotes_its_fit():
    record = json.loads((ROOT / "docs/results/gsd/record.json").read_text())
    assert not record["commit"].endswith("-dirty")
    table = quoted("docs/gene-networks.md", "gsd", "benchmark")
    assert table == f"```text\n{fit_gsd.table(record)}\n```"


@pytest.mark.parametrize("study", STUDIES, ids=lambda study: study.name)
def test_a_committed_study_is_complete_and_from_one_clean_commit(study):
    records, _ = load_records(study)
    config = json.loads((study / "config.json").read_text())
    commits = {record["commit"] for record in records}
    assert len(commits) == 1
    assert not commits.pop().endswith("-dirty")
    policies = [policy for policy in config["policies"] if policy != "dense"]
    runs = len(config["seeds"]) * (
        len(policies) * len(config["sparsities"]) + ("dense" in config["policies"])
    )
    assert len(records) == runs


def test_the_report_of_the_emotion_study_is_committed():
    page = (ROOT / "docs/results/fer2013/report.html").read_text()
    assert "CompactFERNet" in page


def test_table_by_hand():
    def record(policy, seed, accuracy, sparsity=0.9):
        return {
            "study": "compare", "policy": policy, "model": "m", "dataset": "d", "seed": seed,
            "target_sparsity": 0.0 if policy == "dense" else sparsity,
            "sparsity": 0.0 if policy == "dense" else sparsity,
            "test_accuracy": accuracy, "macro_f1": accuracy, "parameters": 1000,
            "live_parameters": 1000 if policy == "dense" else 100, "live_multiply_adds": 5,
            "train_seconds": 1.0, "controller_seconds": 0.0,
        }  # fmt: skip

    records = [record("dense", 0, 0.8), record("magnitude", 0, 0.6), record("expression", 0, 0.625)]
    assert results_markdown(records).splitlines()[2:] == [
        "| 0 % | dense | 1 | 80.00 | 0.800 | 1,000 |  |",
        "| 90.0 % | magnitude | 1 | 60.00 | 0.600 | 100 |  |",
        "| 90.0 % | expression | 1 | 62.50 | 0.625 | 100 | +2.50 |",
    ]
    pair = [*records, record("magnitude", 1, 0.6), record("expression", 1, 0.635)]
    # t(0.975, 1 degree of freedom) = 12.706; standard error of (2.5, 3.5) is 0.5
    assert "+3.00 (-3.35 to +9.35)" in results_markdown(pair)


def test_the_page_of_data_quotes_the_audit():
    found = json.loads((ROOT / "docs/results/audit/audit.json").read_text())
    assert not found["commit"].endswith("-dirty")
    page = " ".join((ROOT / "docs/data.md").read_text().split())
    copies, blank = found["copies"]["test"], sum(map(len, found["blank"].values()))
    assert (
        f"{copies['exact']} of the {found['samples']['test']:,} PublicTest images have a pixel-identical "
        f"copy in Training, {copies['near']} a slightly changed and {copies['mirrored']} a mirrored one; "
        f"{found['conflicting_groups']} groups of equal images carry different labels, and {blank} images "
        "are blank"
    ) in page
    assert f"nothing else scores {100 * found['memorised_accuracy']:.1f} %" in page
    changed = found["copies"]["validation"]["near"] + found["copies"]["validation"]["mirrored"]
    share = changed / found["samples"]["validation"]
    assert f"Of the validation part, {share:.0%}".replace("%", " %") in page


def test_the_page_of_tuning_quotes_its_benchmarks():
    folder = ROOT / "docs" / "results" / "tuning"
    latency, soak = (json.loads((folder / f"{name}.json").read_text()) for name in ("latency", "soak"))
    assert not any(record["commit"].endswith("-dirty") for record in (latency, soak))
    assert quoted("docs/tuning.md", "tuning", "benchmark") == tuning_table.markdown(latency, soak)
    quiet = [part for part in latency["parts"] if not part["live_training"]]
    assert len(quiet) == 2
    for part in quiet:  # what the page is built for
        assert part["drawn"]["median"] < 100
        assert part["drawn"]["percentile_95"] < 250


def test_the_page_of_topology_quotes_its_benchmark():
    lines = (ROOT / "docs/results/topology/records.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    assert not any(f"{record['commit']}{record['trained_at']}".count("dirty") for record in records)
    assert all(record["report_bytes"] < 15e6 for record in records)
    assert quoted("docs/topology.md", "topology", "benchmark") == topology_benchmark.markdown(records)
