import base64
import gzip
import json
import os
import re
import shlex
import shutil
import subprocess
from html.parser import HTMLParser
from itertools import pairwise

import pytest
import tyro
from study_records import CLASSES, make_graph, make_record, make_study, write_study

from studies.compare import Compare
from studies.recipes import with_recipe
from studies.report.build import main, write_report
from studies.report.pictures import write_pictures
from studies.report.tables import study_command
from studies.topology_store import StoredSnapshot, write_topology

HOSTILE = '<script>alert("x")</script>'
PLAN = {"policies": "dense,magnitude,smoothed,heuristic,expression", "sparsities": "0.5,0.9", "seeds": 3}


class Page(HTMLParser):
    """What a browser would see: elements with their attributes, and the text outside scripts and styles."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.text, self._silent = [], "", None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self._silent = tag if tag in ("script", "style") else self._silent

    def handle_endtag(self, tag):
        self._silent = None if tag == self._silent else self._silent

    def handle_data(self, data):
        if self._silent is None:
            self.text += data

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def unpack(text, name):
    packed = re.search(rf'id="{name}">([^<]*)</script>', text).group(1)
    return gzip.decompress(base64.b64decode(packed)).decode()


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    path = write_study(tmp_path_factory.mktemp("study"), make_study(), PLAN)
    snapshots = [
        StoredSnapshot(step=i, sparsity=1 - d, graph=make_graph(d)) for i, d in enumerate([0.8, 0.3, 0.1])
    ]
    write_topology(path, snapshots, run={"policy": "expression", "target_sparsity": 0.9, "seed": 0})
    write_report(path)
    return path


@pytest.fixture(scope="module")
def text(directory):
    return (directory / "report.html").read_text(encoding="utf-8")


def test_page_is_self_contained_and_small(text):
    page = Page(text)
    for _, attributes in page.elements:
        for name, value in attributes.items():
            if name in ("src", "href", "action", "data", "srcset", "poster"):
                assert value.startswith(("#", "data:")), (name, value)
            assert "url(" not in (value or "")
    assert not re.search(r"https?:|//cdn|@import|url\(", text)
    policy = next(m["content"] for m in page.all("meta") if m.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in policy
    assert not re.search(r"https?:|\*", policy)
    assert len(text.encode()) < 2_200_000


def test_plotly_stands_once_and_figures_fit_their_places(text):
    import plotly.offline

    assert unpack(text, "plotly-source") == plotly.offline.get_plotlyjs()
    content = json.loads(unpack(text, "figure-source"))
    assert set(content["templates"]) == {"light", "dark"}
    places = {
        attributes["id"]
        for attributes in Page(text).all("div")
        if "plot" in attributes.get("class", "").split()
    }
    assert places == set(content["figures"])
    assert places == {
        "accuracy", "paired", "density", "churn", "validation", "topology", "layers", "expression", "recall",
        "confusion", "time",
    }  # fmt: skip
    assert len(content["figures"]["topology"]["frames"]) == 3
    assert all("template" not in figure["layout"] for figure in content["figures"].values())


def test_page_is_accessible(text):
    page = Page(text)
    assert page.all("html")[0]["lang"] == "en"
    headings = [int(tag[1]) for tag, _ in page.elements if re.fullmatch(r"h\d", tag)]
    assert headings[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(headings))
    names = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(set(names)) == len(names)
    for _, attributes in page.elements:
        assert attributes.get("aria-labelledby", names[0]) in names
        if attributes.get("href", "").startswith("#"):
            assert attributes["href"][1:] in names
        if "plot" in (attributes.get("class") or "").split():
            assert attributes["role"] in ("img", "group")
            assert len(attributes["aria-label"]) > 10
    assert len(page.all("caption")) == len(page.all("table"))
    assert all(cell["scope"] in ("row", "col") for cell in page.all("th"))


def test_page_answers_and_says_how_it_was_run(text):
    shown = Page(text).text
    assert "Highest mean test accuracy at equal size:" in shown
    assert "Expression (ODE) against Smoothed importance:" in shown
    assert "0123abc" in shown
    assert "3 seeds were run: fewer than five" in shown
    assert "Not run: Small dense, Random." in shown
    assert "not complete" not in shown


def test_results_table_holds_the_numbers(tmp_path):
    records = [make_record("magnitude", 0.9, seed, value) for seed, value in enumerate([0.50, 0.52])]
    records += [make_record("expression", 0.9, seed, value) for seed, value in enumerate([0.51, 0.55])]
    shown = Page(write_report(write_study(tmp_path, records)).read_text()).text
    assert "53.00 %" in shown
    # differences 1 and 3 points: mean 2, error 1, t(0.975, 1) = 12.71
    assert "+2.00" in shown
    assert "−10.71 to +14.71" in shown
    assert "includes zero: no difference can be claimed from 2 seeds" in shown


def test_command_gives_back_the_study():
    asked = Compare(
        data="digits", policies="dense,expression", sparsities="0.5,0.98", seeds=4, first_seed=2, epochs=7
    )
    config = {"study": "compare", **asked.described(), "data_digest": "00", "resolved": {"model": "gene"}}
    words = shlex.split(study_command(config))
    assert words[:4] == ["python", "-m", "studies", "compare"]
    assert tyro.cli(Compare, args=words[4:]).described() == asked.described()


def test_command_starts_as_many_processes_and_leaves_out_a_recipe_that_was_not_named():
    asked = Compare(data="digits")
    config = {"study": "compare", **asked.described()}
    alone = shlex.split(study_command({**config, "processes": 1}))
    assert tyro.cli(Compare, args=alone[4:]).described() == asked.described()
    with_recipe(Compare, alone[4:])  # the command line looks for a recipe among its arguments
    joined = shlex.split(study_command({**config, "processes": 2}))
    assert joined == ["torchrun", "--nproc-per-node", "2", *alone[1:]]


def test_command_says_yes_no_and_none_where_defaults_may_differ():
    asked = Compare(recipe="amacnn", baselines=True, audit=False, patience=None, out="x")
    words = shlex.split(study_command({"study": "compare", **asked.described()}))
    assert {"--baselines", "--no-audit"} < set(words)
    recipe = Compare(patience=7, width=64)  # defaults that a recipe might set
    assert tyro.cli(Compare, args=words[4:], default=recipe).described() == asked.described()


def test_text_from_records_is_inert(tmp_path):
    names = {"study": HOSTILE, "dataset": HOSTILE, "model": HOSTILE, "commit": HOSTILE, "test_name": HOSTILE}
    extra = {
        "classes": [HOSTILE, *CLASSES[1:]],
        "versions": {HOSTILE: HOSTILE},
        "hardware": {HOSTILE: HOSTILE},
    }
    records = [record | names | extra for record in make_study(sparsities=(0.9,), seeds=2, updates=4)]
    for record in records:
        for update in record["updates"]:
            update["layer_density"] = {HOSTILE: 0.5}
    text = write_report(write_study(tmp_path, records, {"command": HOSTILE, HOSTILE: HOSTILE})).read_text()
    benign = write_report(
        write_study(tmp_path, make_study(sparsities=(0.9,), seeds=2, updates=4), {"a": "b"})
    )
    assert len(Page(text).all("script")) == len(Page(benign.read_text()).all("script")) == 3
    assert HOSTILE in Page(text).text  # as words
    figures = json.loads(unpack(text, "figure-source"))["figures"]
    assert "<script" not in json.dumps(figures)
    assert "&lt;script&gt;" in json.dumps(figures)


def test_incomplete_study_names_what_is_missing(tmp_path):
    records = [r for r in make_study() if not (r["policy"] == "expression" and r["seed"] == 2)]
    shown = Page(write_report(write_study(tmp_path, records, PLAN)).read_text()).text
    assert "not complete. 2 of its runs have no record" in shown
    assert "Expression (ODE), 50 % sparse, seed 2; Expression (ODE), 90 % sparse, seed 2" in shown


def test_unfinished_last_line_is_left_out_and_said(tmp_path):
    write_study(tmp_path, make_study(seeds=2), PLAN | {"seeds": 2})
    path = tmp_path / "records.jsonl"
    path.write_text(path.read_text()[:-100])
    shown = Page(write_report(tmp_path).read_text()).text
    assert "last line of records.jsonl is unfinished" in shown
    assert "Expression (ODE), 90 % sparse, seed 1" in shown  # it is missing now


@pytest.mark.parametrize("policies", [("dense",), ("magnitude",), ("dense", "small-dense"), ("expression",)])
def test_studies_of_few_policies_render(tmp_path, policies):
    records = make_study(policies, (0.9,), seeds=1, updates=3)
    shown = Page(write_report(write_study(tmp_path, records)).read_text()).text
    assert re.search(r"Nothing to compare|No two runs can be compared", shown)
    assert "better" not in shown.split("Results")[1].split("Caveats")[0].replace(
        "prune a neural network better", ""
    )


def test_directory_without_records_gets_a_clear_error(tmp_path, capsys):
    with pytest.raises(FileNotFoundError, match=r"must hold a records.jsonl, found none"):
        write_report(tmp_path)
    (tmp_path / "records.jsonl").write_text("")
    with pytest.raises(ValueError, match="at least one run, got none"):
        write_report(tmp_path)
    assert main([str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith("error: records must hold at least one run")
    assert not (tmp_path / "report.html").exists()


def test_main_renders_again_and_a_failure_keeps_the_old_page(tmp_path, capsys):
    write_study(tmp_path, make_study(seeds=1, updates=3))
    assert main([str(tmp_path)]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "report.html")
    before = (tmp_path / "report.html").read_bytes()
    assert main([str(tmp_path)]) == 0
    assert (tmp_path / "report.html").read_bytes() == before  # equal records, equal page
    (tmp_path / "records.jsonl").write_text("{}\n")
    assert main([str(tmp_path)]) == 1
    assert (tmp_path / "report.html").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["records.jsonl", "report.html"]


def test_pictures_refuse_before_work(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="formats must be of png, svg, got 'gif'"):
        write_pictures(tmp_path, tmp_path / "out", ("gif",))
    monkeypatch.setattr("studies.report.image_export.find_spec", lambda name: None)
    with pytest.raises(RuntimeError, match=r"pip install 'grn-pruning\[figures\]'"):
        write_pictures(tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


BROWSER = os.environ.get("BROWSER_PATH") or shutil.which("chromium") or shutil.which("google-chrome")
needs_browser = pytest.mark.skipif(BROWSER is None, reason="no Chromium: set BROWSER_PATH to one")


@needs_browser
def test_browser_draws_every_figure(directory, tmp_path):
    command = [
        BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
        "--no-first-run", "--disable-component-update", "--disable-sync", f"--user-data-dir={tmp_path}",
        "--enable-logging=stderr", "--virtual-time-budget=20000", "--dump-dom", (directory /
        "report.html").as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert not [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    assert 'data-figures="drawn"' in done.stdout
    assert 'aria-busy="true"' not in done.stdout
    assert done.stdout.count('class="main-svg"') >= 11


@needs_browser
def test_pictures_are_written(directory, tmp_path):
    pytest.importorskip("kaleido", reason="no kaleido: pip install 'grn-pruning[figures]'")
    paths = write_pictures(directory, tmp_path, ("svg",), scale=1.0)
    assert [path.name for path in paths] == ["accuracy.svg", "paired.svg", "density.svg", "topology.svg"]
    assert "Test accuracy against sparsity" in paths[0].read_text()
