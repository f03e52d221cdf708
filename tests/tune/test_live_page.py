"""Live training as a person meets it: begun, steered, forked, compared, finished, and found again."""

import json
import re
from urllib.parse import parse_qs, urlsplit

import pytest

SLOW = 90_000  # ms: a process gets ready once a server, on a busy machine

GROWN = """([slot, steps]) => {
  const plot = document.querySelector('#live-curves .js-plotly-plot');
  const curve = plot && plot.data && plot.data.find((trace) => trace.name === slot);
  return curve && curve.x.length > 0 && curve.x[curve.x.length - 1] >= steps && curve.x[curve.x.length - 1];
}"""


def begin(page, slot="a", **options):
    """Start a run that is quick."""
    page.locator("#live-speed").get_by_text("fast").click()
    page.fill("#live-epochs", options.get("epochs", ""))
    page.click(f"#live-start-{slot}")


def grown(page, slot, steps):
    """Wait until the curve of a run has come so far, and return where it ends."""
    return page.wait_for_function(GROWN, arg=[slot.upper(), steps], timeout=SLOW).json_value()


def told(page, slot, words):
    """Wait until the line of a run holds some words."""
    page.locator(f"#live-state-{slot}", has_text=words).wait_for(timeout=SLOW)
    return page.inner_text(f"#live-state-{slot}")


def wait_for_address(page, name, value):
    page.wait_for_function(
        "([name, value]) => new URLSearchParams(location.search).get(name) === value", arg=[name, value]
    )


def runs_in(page):
    query = parse_qs(urlsplit(page.url).query)
    return {slot: query[slot][0] for slot in ("a", "b") if slot in query}


def curve(page, name):
    return page.evaluate(
        """(name) => {
          const plot = document.querySelector('#live-curves .js-plotly-plot');
          return [...plot.data.find((trace) => trace.name === name).x];
        }""",
        name,
    )


def put_away(page):
    for slot in runs_in(page):
        page.click(f"#live-close-{slot}")
        told(page, slot, "not begun")


def test_start_pause_steer_fork_and_stop(page):
    assert not page.is_visible("#live-results")
    begin(page)
    first = grown(page, "a", 20)
    assert grown(page, "a", first + 20) > first
    assert page.is_visible("#live-graph .js-plotly-plot")

    page.click("#live-pause-a")
    held = told(page, "a", "paused, saved")
    page.wait_for_timeout(1500)
    assert page.inner_text("#live-state-a") == held
    assert page.is_disabled("#live-pause-a")
    at = grown(page, "a", first)

    page.fill("#density", "0.4")
    page.fill("#mrna_decay", "4")
    page.wait_for_function("new URLSearchParams(location.search).get('mrna_decay') === '4'")
    page.click("#live-apply-a")
    page.click("#live-resume-a")
    told(page, "a", "training")
    at = grown(page, "a", at + 40)
    assert len(curve(page, "A: rates changed")) == 1

    page.click("#live-fork-a")
    assert "forked at step" in told(page, "b", "training")
    page.fill("#density", "0.05")
    page.wait_for_function("new URLSearchParams(location.search).get('density') === '0.05'")
    page.click("#live-apply-b")
    grown(page, "b", at + 60)
    page.wait_for_function("document.querySelectorAll('#live-table tr.differs').length === 1")
    row = page.locator("#live-table tr.differs").inner_text().split("\t")
    assert row == ["density asked for", "0.4", "0.05"]

    page.locator("#live-graph-run").get_by_text("run B").click()
    page.locator("#live-graph-words", has_text="Run B after step").wait_for()
    page.click("#live-stop-a")
    told(page, "a", "stopped, saved")
    assert page.is_enabled("#live-resume-a")
    put_away(page)
    assert not page.is_visible("#live-results")


@pytest.mark.slow
def test_a_run_follows_the_sliders_where_it_is_told_to(page):
    begin(page)
    grown(page, "a", 10)
    page.locator("#live-auto-a").get_by_text("follow").click()
    page.fill("#protein_decay", "2")
    page.wait_for_function(
        """() => document.querySelector('#live-curves .js-plotly-plot').data
             .find((trace) => trace.name === 'A: rates changed').x.length === 1""",
        timeout=SLOW,
    )
    put_away(page)


def test_a_run_of_some_epochs_finishes_and_a_reload_shows_it(page):
    begin(page, epochs="3")
    line = told(page, "a", "finished, saved, step 60, epoch 3.0")
    page.locator("#live-graph-words", has_text="after step 60").wait_for()
    held = runs_in(page)
    page.reload()
    page.wait_for_selector("html[data-figures=drawn]")
    assert told(page, "a", "finished") == line
    assert grown(page, "a", 60) == 60
    assert runs_in(page) == held
    page.click("#live-resume-a")
    told(page, "a", "step 120, epoch 6.0")
    put_away(page)


@pytest.mark.slow
def test_two_people_do_not_disturb_each_other(visitor, tune_server):
    one, other = visitor.open(tune_server.address), visitor.open(tune_server.address)
    begin(one)
    grown(one, "a", 10)
    assert other.inner_text("#live-state-a") == "not begun"
    begin(other)
    grown(other, "a", 10)
    assert runs_in(one)["a"] != runs_in(other)["a"]
    other.click("#live-stop-a")
    told(other, "a", "stopped")
    at = grown(one, "a", 10)
    assert grown(one, "a", at + 40) > at
    shared = visitor.open(one.url)  # who has the address sees the run
    assert grown(shared, "a", at) >= at
    put_away(one), put_away(other)


@pytest.mark.parametrize("name", ["nobody-knows-this-one", "../../../etc/passwd"])
def test_an_unknown_run_in_the_address_is_told_in_place(visitor, tune_server, name):
    page = visitor.open(f"{tune_server.address}?a={name}")
    assert "no live run is called" in told(page, "a", "no live run")
    page.click("#live-close-a")
    told(page, "a", "not begun")
    assert "a" not in runs_in(page)


def test_a_wrong_option_is_told_in_place(page):
    begin(page, epochs="many")
    page.locator("#live-error-a", has_text="epochs must be an integer from 1 to 10000").wait_for()
    assert runs_in(page) == {}


@pytest.mark.slow
def test_no_run_begins_or_changes_under_other_values_than_the_fields_show(visitor, tune_server):
    page = visitor.open(tune_server.address + "?autoactivation=3&basal=7")
    begin(page)
    page.locator("#live-error-a", has_text="correct the marked fields").wait_for()
    assert runs_in(page) == {}
    page.fill("#basal", "0.05")
    wait_for_address(page, "basal", "0.05")
    begin(page)
    grown(page, "a", 10)
    name = runs_in(page)["a"]
    config = json.loads((tune_server.out / "live" / name / "config.json").read_text())
    assert (config["settings"]["autoactivation"], config["settings"]["basal"]) == (3.0, 0.05)

    page.fill("#basal", "8")
    page.wait_for_selector("#basal[aria-invalid]")
    page.click("#live-apply-a")
    page.locator("#live-error-a", has_text="correct the marked fields").wait_for()
    page.fill("#basal", "0.05")  # as before: given to live training again
    page.wait_for_function(
        """() => {
          if (document.getElementById('live-error-a').textContent === '') return true;
          document.getElementById('live-apply-a').click();
          return false;
        }""",
        polling=500,
    )
    put_away(page)


@pytest.mark.slow
def test_a_density_that_no_network_can_have_is_told(page):
    page.fill("#density", "0.001")
    page.wait_for_function("new URLSearchParams(location.search).get('density') === '0.001'")
    begin(page)
    assert re.search("density|sparsity", told(page, "a", "failed"))
    put_away(page)


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_narrow_page_holds_the_panel(visitor, tune_server, scheme):
    page = visitor.open(tune_server.address, viewport={"width": 400, "height": 800}, color_scheme=scheme)
    begin(page)
    grown(page, "a", 20)
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    ink = page.evaluate("getComputedStyle(document.body).color")
    assert page.evaluate("getComputedStyle(document.querySelector('#live-speed label')).color") == ink
    put_away(page)


@pytest.mark.slow
def test_ctrl_c_saves_the_run_and_the_next_server_goes_on(visitor, serve, tmp_path):
    with serve(tmp_path, "--genes", "1000") as server:
        page = visitor.open(server.address)
        begin(page)
        grown(page, "a", 30)
        query, name = urlsplit(page.url).query, runs_in(page)["a"]
        page.close()
        status, printed = server.stop()
    assert status == 0
    assert f"live run saved: {tmp_path / 'live' / name}" in printed
    with serve(tmp_path, "--genes", "1000") as server:
        page = visitor.open(f"{server.address}?{query}")
        told(page, "a", "stopped, saved")
        at = grown(page, "a", 30)
        page.click("#live-resume-a")
        assert grown(page, "a", at + 20) > at
        page.close()
