"""The page of the topology study: figures show the numbers, sentences agree with them, it opens offline."""

import itertools
import math
import os
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest

from pruning import TopologySnapshot
from pruning.gates import Gates
from pruning.topology import (
    Column,
    LayerTopology,
    TopologyHistory,
    UnitLinks,
    choose_sample,
    find_wiring,
    layer_graph,
    layered_layout,
    neighbourhood,
    unit_links,
)
from pruning.topology.expression_summary import ExpressionSummary
from pruning.topology.layers import layer_topologies
from pruning.topology.measures import NullComparison, Spells, count_paths, power_law_tail
from pruning.topology.measures.comparison import _compared
from studies.networks import NetworkShape
from studies.report.degree_figures import degree_figure
from studies.report.measure_figures import measures_figure, z_figure
from studies.report.topology_graph_sections import density_blocks
from studies.report.topology_page import build_topology_page, topology_sections
from studies.report.topology_time_sections import turnover_blocks
from studies.report.topology_words import (
    compared_text,
    humps_text,
    lifetimes_text,
    overall_text,
    tails_text,
)
from studies.report.turnover_figures import births_figure, hub_figure, lifetime_figure, survival_curves
from studies.report.zoom_figures import layer_graph_figure, neighbourhood_figure
from studies.topology_analysis import analyse
from studies.topology_expression import read_expression
from studies.topology_source import read_run, wire
from studies.topology_verdicts import judge

BROWSER = os.environ.get("BROWSER_PATH") or shutil.which("chromium") or shutil.which("google-chrome")
PLAY = """async () => { const plot = document.getElementById('graph-of-units');
    await Plotly.animate(plot, [plot._transitionData._frames[0].name],
        {mode: "immediate", transition: {duration: 0}, frame: {duration: 0, redraw: true}}); }"""


def against(z, value=2.0, std=0.1, note="", p=2 / 21):
    """By default a value beyond all 20 random graphs."""
    known = z is not None
    return NullComparison(
        value=value, null_mean=value - z * std if known else value, null_std=std if known else 0.0, z=z,
        p_greater=p / 2, p_less=1.0, p=p, samples=20, note=note,
    )  # fmt: skip


def write_history(path, sizes, updates, seed=0, network=None):
    """A made-up run on a perceptron: random masks that thin out, expression that parts in two."""
    generator = np.random.default_rng(seed)
    layers = tuple(
        LayerTopology(
            name=f"fc{k}", outputs=b, inputs=a, groups=1, layout=(1, b, a, 1), live=a * b, total=a * b
        )
        for k, (a, b) in enumerate(itertools.pairwise(sizes))
    )
    total = sum(layer.total for layer in layers)
    rank = generator.random(total).astype(np.float32)
    ends = np.cumsum([0, *(layer.total for layer in layers)])
    sample = choose_sample(layers)
    facts = {
        "policy": "expression", "target_sparsity": 0.9, "seed": 0, "model": "made up", "dataset": "none",
        "granularity": "weight",
        "gating": {"name": "ExpressionGating", "autoactivation": 3.0, "cooperation": 0.0, "kinetics": {
            "mrna_decay": 1.0, "protein_decay": 0.5, "hill_coefficient": 4.0, "basal": 0.02}},
    }  # fmt: skip
    if network is not None:
        facts["network"] = network
    before = np.ones(total, bool)
    with TopologyHistory.create(path, layers, run=facts) as history:
        for update in range(1, updates + 1):
            share = 0.9 * update / updates
            noisy = rank + generator.normal(0, 0.01, total).astype(np.float32)
            live = noisy >= np.quantile(noisy[:: max(1, total // 10_000)], share)
            counts = [int(live[a:b].sum()) for a, b in itertools.pairwise(ends)]
            level = np.where(live, 0.6 + 0.4 * rank, 0.4 * rank * (1 - share)).astype(np.float32)
            snapshot = TopologySnapshot(
                step=10 * update, epoch=update, sparsity=1 - sum(counts) / total, target_sparsity=share,
                live=sum(counts), born=int((live & ~before).sum()), died=int((before & ~live).sum()),
                lifetime=None, threshold=0.5,
                layers=tuple(
                    LayerTopology(
                        name=one.name, outputs=one.outputs, inputs=one.inputs, groups=1, layout=one.layout,
                        live=count, total=one.total,
                    )
                    for one, count in zip(layers, counts, strict=True)
                ),
                sample_live=live[np.linspace(0, total - 1, min(64, total)).astype(int)],
                sample_expression=None, packed_masks=np.packbits(live),
            )  # fmt: skip
            histogram = [
                np.histogram(level[a:b], bins=32, range=(0, 1))[0] for a, b in itertools.pairwise(ends)
            ]
            history.append(
                snapshot,
                ExpressionSummary(
                    histogram=np.array(histogram, np.int64), live=live[sample],
                    protein=level[sample].astype(np.float16), mrna=level[sample].astype(np.float16),
                    importance=rank[sample],
                ),
            )  # fmt: skip
            before = live
    return path


def page_of(path, **options):
    analysis = analyse(read_run(path), **{"snapshots": 3, "null_samples": 2, **options})
    last = analysis.last
    around = neighbourhood(last.snapshot, "fc0", 0, wiring=analysis.run.wiring)
    sections = topology_sections(analysis, layout=layered_layout(last.links), around=around)
    return analysis, build_topology_page(analysis, sections)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    path = write_history(tmp_path_factory.mktemp("small") / "topology.grnt", (8, 12, 10, 4), 6)
    return (path, *page_of(path))


def test_verdicts_allow_for_the_number_of_measures():
    found = judge({"clear": against(9.0), "near": against(2.8), **{str(k): against(0.1) for k in range(18)}})
    assert found["clear"].kind == "apart"
    assert 0.01 < found["near"].p_student < 0.05  # alone it would pass
    assert found["near"].p_holm == pytest.approx(19 * found["near"].p_student)
    assert found["near"].kind == "same"
    exact = judge({"alone": against(3.0)})["alone"]
    assert exact.p_student == exact.p_holm
    assert judge({"fixed": against(None, p=1.0)})["fixed"].kind == "fixed"


def compared_with(value, null):
    return _compared(value, np.array(null, float))


def test_a_verdict_never_says_more_than_the_random_graphs():
    """Twenty graphs that all have 0 leave a rank p of 2 in 21; one of them that has 1 is as far as 1."""
    constant = compared_with(1.0, [0.0] * 20)
    assert (constant.z, constant.p) == (None, pytest.approx(2 / 21))
    told = judge({"other": constant, "near": against(0.4)})
    assert told["other"].kind == "same"
    assert told["other"].p_holm == pytest.approx(2 * 2 / 21)
    assert (
        "every random graph has 0: too few random graphs to tell it apart (corrected p\u00a0=\u00a00.19)"
        in (compared_text("links", told["other"]))
    )
    many = judge({"other": compared_with(1.0, [0.0] * 99)})["other"]
    assert (many.kind, many.p_holm) == ("apart", pytest.approx(0.02))
    tied = judge({"tied": compared_with(1.0, [0.0] * 19 + [1.0])})["tied"]
    assert tied.comparison.z > 4
    assert tied.p_holm < 0.001
    assert tied.kind == "same"
    assert "but a random graph goes as far" in compared_text("links", tied)
    assert judge({"near": compared_with(1.01, [*np.linspace(-0.1, 0.1, 20)])})["near"].kind == "apart"


def test_singular_values_of_single_blocks_are_not_judged():
    values = {f"singular value a{k} -> b{k}": against(9.0) for k in range(30)}
    found = judge({"clear": against(3.0), **values})
    assert found["clear"].p_holm == found["clear"].p_student
    last = found["singular value a0 -> b0"]
    assert (last.kind, last.p_holm) == ("not judged", None)
    assert last.p_student is not None
    assert overall_text(found, 20, 5).startswith("Of 1 measure that 20 random graphs")


def test_sentences_agree_with_the_numbers():
    found = judge({"modularity": against(-9.0, value=0.4, std=0.01), "mean distance": against(0.4)})
    below = compared_text("modularity", found["modularity"])
    assert below.startswith("Modularity: 0.4, below the null's 0.49 ± 0.01, by 18 % (z\u00a0=\u00a0−9.0")
    same = compared_text("mean distance", found["mean distance"])
    assert "not distinguishable from the null's 1.96 ± 0.1" in same
    assert "z\u00a0=\u00a0+0.4" in same
    assert overall_text(found, 20, 1200) == (
        "Of 2 measures that 20 random graphs with the same degrees can vary, 1 differs from them after step "
        "1,200 (modularity), and 1 cannot be told from them."
    )
    fixed = judge({"paths": against(None, value=32.0, note="all random graphs have its value", p=1.0)})
    assert compared_text("paths", fixed["paths"]) == (
        "Paths: 32, as in every random graph; the degrees fix it."
    )
    short = tails_text({("fc", "in"): power_law_tail([1, 2, 3, 4])})
    assert "too short to say anything" in short


def test_page_states_what_the_analysis_holds(small):
    _, analysis, page = small
    words = re.sub(r"\s+", " ", re.sub(r"<(script|style).*?</\1>|<[^>]+>", " ", page, flags=re.S))
    last = analysis.last
    assert (
        f"has {last.snapshot.live:,} of {last.snapshot.total:,} connections, on {len(last.links):,} links"
        in words
    )
    for name, verdict in judge(last.comparisons).items():
        if not name.startswith("singular value "):
            text = compared_text(name, verdict).replace("'", "&#x27;").replace("\u00a0", " ")
            assert text in words, name
    useless = count_paths(last.links).useless
    assert useless["fc0"] > 0
    said = ", ".join(f"{count} of {name}" for name, count in useless.items() if count)
    assert f"Units with no path to the output: {said}." in words
    headings = re.findall(r"<h2[^>]*>(.*?)</h2>", page)
    assert headings == [
        "The graph", "Density by layer", "Links of single units", "Hubs", "Measures against chance",
        "Births, deaths, lifetimes", "Expression", "How it was measured",
    ]  # fmt: skip
    assert not re.search(r"https?://(?!www\.w3\.org)", page)
    assert "default-src 'none'" in page


def test_humps_are_told_since_they_parted(small):
    path, _, page = small
    with TopologyHistory.open(path) as history:
        course = read_expression(history)
    humps = course.humps()
    words = humps_text(humps, course.steps.tolist())
    assert humps[-1].bimodal
    assert words in page
    first = next(k for k in range(len(humps)) if all(one.bimodal for one in humps[k:]))
    assert words.startswith("After step 60 expression has two humps")
    assert words.endswith(f"every update read since step {course.steps[first]:,}.")


def test_panels_show_values_and_bands():
    steps = [10, 20, 30]
    values = [{"a": 1.0, "b": 2.0}, {"a": 3.0, "b": math.nan}, {"a": 5.0, "b": 6.0}]
    nulls = [{"a": against(1.0, value=1.0, std=0.5)}, {}, {"a": against(-8.0, value=5.0, std=0.25)}]
    figure = measures_figure(steps, values, nulls, ["a", "b"])
    bars, own = figure.data[:2]
    assert list(own.x) == steps
    assert list(own.y) == [1.0, 3.0, 5.0]
    # Nothing is drawn at step 20, of which no random graph tells.
    assert bars.mode == "markers"
    assert list(bars.x) == [10, 30]
    assert list(bars.y) == [0.5, 7.0]
    assert list(bars.error_y.array) == [1.0, 0.5]
    assert not any(trace.fill for trace in figure.data)
    assert figure.data[3].y[1] is None
    every = [nulls[0], {"a": against(0.0, value=3.0, std=0.5)}, nulls[2]]
    band, mean = measures_figure(steps, values, every, ["a"]).data[:2]
    assert list(mean.y) == [0.5, 3.0, 7.0]
    assert list(band.y) == [1.5, 4.0, 7.5, 6.5, 2.0, -0.5]  # mean ± 2 s.d., there and back
    table = z_figure(steps, nulls, ["a", "b"]).data[0]
    assert list(table.x) == [10, 30]
    assert table.z[0][0] == 1.0
    assert table.z[0][1] == -8.0
    with pytest.raises(ValueError, match="needs names"):
        measures_figure(steps, values, nulls[:2], ["a"])
    with pytest.raises(ValueError, match="needs an update with random graphs"):
        z_figure(steps, [{}, {}, {}], ["a"])


def test_degrees_stand_beside_what_chance_expects():
    columns = (Column(name="a", units=2, first=0), Column(name="b", units=3, first=2))
    source, target = np.array([0, 0, 0, 1]), np.array([2, 3, 4, 4])
    order = np.lexsort((source, target))
    links = UnitLinks(columns=columns, source=source[order], target=target[order], gates=np.ones(4, int))
    figure = degree_figure(links)
    assert [heading.text for heading in figure.layout.annotations] == ["<b>b, in</b>", "<b>a, out</b>"]
    bars, line = figure.data[2], figure.data[3]  # of a, out: one unit of 1 link, one of 3
    assert list(bars.y) == [0, 1, 0, 1]
    # 4 links on 6 pairs, 3 of them of a unit: hypergeometric, of 2 units
    assert list(line.y) == pytest.approx([0, 2 * 3 / 15, 2 * 9 / 15, 2 * 3 / 15], abs=1e-3)


def test_lifetimes_are_compared_where_some_have_died_and_some_live():
    ended = np.zeros((4, 4), np.int64)
    ended[0, 1] = 90  # young ones die at once, the others stay
    ended[0, 3] = 1
    lives = Spells(
        steps=np.array([0, 10, 20, 30]), ended=ended, lasting=np.array([9, 0, 0, 0]),
        live=np.array([100, 10, 10, 9]), gates=200,
    )  # fmt: skip
    curves = survival_curves(lives)
    assert list(curves) == ["initial"]
    words = lifetimes_text("live at the first update", *curves["initial"])
    assert words.startswith(
        "Of the connections live at the first update, half are silenced within 10 steps; 9.0 %"
    )
    figure = lifetime_figure(curves)
    solid = figure.data[1]
    assert solid.y[-1] == 9.0
    assert solid.x[-1] == 30.0
    assert "9 still live when last seen" in solid.name
    with pytest.raises(ValueError, match="got none"):
        lifetime_figure({})


def test_lifetimes_end_where_the_longest_watch_does():
    """Of 40 steps watched, those born at step 20 can have been seen for 20 at most."""
    ended = np.zeros((5, 5), np.int64)
    ended[0, 1] = 50
    ended[2, 3] = 3
    lives = Spells(
        steps=np.arange(0, 50, 10), ended=ended, lasting=np.array([50, 0, 7, 0, 0]),
        live=np.array([100, 50, 60, 57, 57]), gates=200,
    )  # fmt: skip
    curves = survival_curves(lives)
    assert {cohort: found[2] for cohort, found in curves.items()} == {"initial": 40.0, "born": 20.0}
    figure = lifetime_figure(curves)
    ends = {trace.name.split(",")[0]: max(trace.x) for trace in figure.data if trace.name}
    assert ends == {"live at the first update": 40.0, "born later": 20.0}
    assert all(max(trace.x) == 20.0 for trace in figure.data[3:])  # interval and null as well
    words = lifetimes_text("born later", *curves["born"])
    assert "more than half outlive 20 steps, the longest that any was watched" in words


def test_chance_keeps_links_within_the_groups():
    """Four units to four in two groups: a unit has two partners, not four."""
    columns = (Column(name="a", units=4, first=0), Column(name="b", units=4, first=4))
    source, target = np.array([0, 1, 2, 3]), np.array([4, 4, 6, 7])
    links = UnitLinks(columns=columns, source=source, target=target, gates=np.ones(4, int))
    line = degree_figure(links, groups={"b": 2}).data[1]
    # 4 links on 8 pairs, 2 of them of a unit: hypergeometric, of 4 units
    assert list(line.y) == pytest.approx([4 * 15 / 70, 4 * 40 / 70, 4 * 15 / 70], abs=1e-3)
    free = degree_figure(links).data[1]
    assert free.y[0] != pytest.approx(4 * 15 / 70, abs=1e-2)


def test_what_mixtures_join_may_fail_and_the_wiring_stands(monkeypatch):
    shape = {"kind": "vit-tiny", "classes": 3, "image_size": 8, "width": 6, "patch_size": 4, "depth": 1}
    gates = Gates(NetworkShape(**shape).build(0))
    layers = layer_topologies(gates, [0] * len(gates.layers))

    def refused(model, gates, example, mixtures="one"):
        if mixtures == "all":
            raise ValueError("too wide to follow")
        return find_wiring(model, gates, example)

    monkeypatch.setattr("studies.topology_source.find_wiring", refused)
    wiring, joined, note = wire(layers, shape, "weight")
    assert joined is None
    assert "following a forward pass" in note
    assert "could not be followed (too wide to follow)" in note
    assert wiring.keys() == {layer.name for layer in layers}


def test_a_run_without_deaths_is_told_without_a_ratio(small):
    _, analysis, _ = small
    still = [{**update, "died": 0, "born": 2} for update in analysis.updates]
    assert turnover_blocks(replace(analysis, updates=still))[0] == (
        "<p>No connection was silenced, and 12 times one was restored.</p>"
    )
    empty = {**still[-1], "layer_density": {"fc0": 0.5, "fc1": 0.0}}
    said = density_blocks(replace(analysis, updates=[*still[:-1], empty]))[0]
    assert "thinnest fc1 with 0.0 %. Empty: fc1." in said.replace("\u202f", " ").replace("\u00a0", " ")


def test_births_and_hubs_refuse_nothing_to_draw():
    with pytest.raises(ValueError, match="at least one update"):
        births_figure([])
    with pytest.raises(ValueError, match="one overlap fewer"):
        hub_figure([1, 2], [])
    figure = births_figure([{"step": 5, "born": 3, "died": 8, "churn": 0.11}])
    assert (figure.data[0].y, figure.data[1].y) == ((3,), (-8,))


def test_zooms_draw_every_layer_and_neighbour(small):
    _, analysis, _ = small
    links = analysis.last.links
    figure = layer_graph_figure(layer_graph(links))
    assert [text.split("<br>")[0] for text in figure.layout.yaxis.ticktext] == ["input", "fc0", "fc1", "fc2"]
    around = neighbourhood(analysis.last.snapshot, "fc1", 3, wiring=analysis.run.wiring)
    node = links.columns[2].first + 3
    drawn = neighbourhood_figure(around)
    told = [note.text for note in drawn.layout.annotations]
    assert told == [f"{(links.target == node).sum()} links in", f"{(links.source == node).sum()} links out"]


def test_mixtures_are_joined_for_paths_alone():
    """Of a transformer: every pair that a normalisation joins is a path, though one of them is drawn."""
    shape = {"kind": "vit-tiny", "classes": 3, "image_size": 8, "width": 6, "patch_size": 4, "depth": 1}
    gates = Gates(NetworkShape(**shape).build(0))
    live = np.random.default_rng(0).random(gates.total) < 0.2
    ends = np.cumsum([0, *(layer.gates for layer in gates.layers)])
    counts = [int(live[a:b].sum()) for a, b in itertools.pairwise(ends)]
    layers = layer_topologies(gates, counts)
    wiring, joined, note = wire(layers, shape, "weight")
    assert joined is not None
    assert "a mixture joins" in note
    snapshot = TopologySnapshot(
        step=1, epoch=1, sparsity=0.8, target_sparsity=0.8, live=sum(counts), born=0, died=0, lifetime=None,
        threshold=None, layers=layers, sample_live=live[:1], sample_expression=None,
        packed_masks=np.packbits(live),
    )  # fmt: skip
    drawn, counted = unit_links(snapshot, wiring), unit_links(snapshot, joined)
    assert len(counted) > len(drawn)
    assert count_paths(counted).log_total > count_paths(drawn).log_total


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_large_history_makes_a_page_of_bounded_size(tmp_path):
    """Over 100,000 connections: most of the page is plotly itself, and what is drawn is a sample."""
    path = write_history(tmp_path / "topology.grnt", (250, 300, 120, 50), 40)
    _, page = page_of(path, snapshots=6, null_samples=2)
    assert len(page.encode()) < 4_000_000


def test_page_opens_offline_without_an_error(small, tmp_path):
    sync_api = pytest.importorskip("playwright.sync_api", reason="no playwright: make test installs it")
    if BROWSER is None:
        pytest.skip("no Chromium: set BROWSER_PATH to one")
    path = tmp_path / "report.html"
    path.write_text(small[2], encoding="utf-8")
    messages, requests = [], []
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=BROWSER, chromium_sandbox=False,
            args=["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
                  "--disable-component-update", "--disable-sync"],
        )  # fmt: skip
        for width in (1280, 400):
            page = browser.new_page(viewport={"width": width, "height": 900})
            page.on("console", lambda message: messages.append(message.text))
            page.on("pageerror", lambda error: messages.append(str(error)))
            page.on("request", lambda request: requests.append(request.url))
            page.goto(path.as_uri())
            page.wait_for_selector("html[data-figures=drawn]", timeout=60_000)
            assert page.locator('.plot[aria-busy="true"]').count() == 0
            assert page.locator(".plot .main-svg").count() >= 15
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            page.evaluate(PLAY)
            shown = page.locator("#graph-of-units").evaluate("plot => plot.data.at(-1).text[0]")
            assert "step 10:" in shown  # the slider's first stop
            page.close()
        browser.close()
    assert messages == []
    assert all(url.startswith(("file:", "data:", "blob:")) for url in requests)
