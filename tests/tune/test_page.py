"""The tuning page in a browser, as a person uses it."""

import json
import signal
import socket
from urllib.parse import parse_qs, urlsplit

import pytest

from pruning import ExpressionGating
from studies.policy_config import read_policy_config
from studies.tune.settings import Settings

FIGURES = ("trajectories", "phase", "levels", "histogram")
# Some numbers of a figure's lines: what a person sees change.
SHOWN = """name => JSON.stringify(document.querySelector(`#${name} .js-plotly-plot`).data.map(
  trace => Array.from(trace.y || []).filter((_, k) => k % 7 === 0).map(y => y && Number(y.toFixed(4)))))"""
# Events of the pointer come with a frame; the request of each is counted as it comes.
FRAMES = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))"
SETTLED = "() => window.tune.quiet()"  # all that was wanted was answered and drawn, at rest in full


def figures(page):
    page.evaluate(FRAMES)
    page.wait_for_function(SETTLED)
    return {name: page.evaluate(SHOWN, name) for name in FIGURES}


def query(page):
    return {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}


def wait_for_address(page, name, value):
    page.wait_for_function(
        "([name, value]) => new URLSearchParams(location.search).get(name) === value", arg=[name, value]
    )


def test_a_slider_dragged_by_the_mouse_moves_every_figure(page):
    before = figures(page)
    slider = page.locator("#autoactivation-slider")
    box = slider.bounding_box()
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * 1 / 6, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.3, middle, steps=3)
    page.wait_for_function("before => document.getElementById('autoactivation').value !== before", arg="1")
    dragged = figures(page)
    assert all(dragged[name] != before[name] for name in FIGURES)  # the button is still held
    page.mouse.move(box["x"] + box["width"] * 0.6, middle, steps=3)
    page.mouse.up()
    after = figures(page)
    assert all(after[name] != dragged[name] for name in FIGURES)
    value = page.input_value("#autoactivation")
    assert 3.3 < float(value) < 3.9
    wait_for_address(page, "autoactivation", value)
    assert "turns on above" in page.inner_text("#levels-words")


def test_keys_move_a_slider_and_decay_rates_move_no_resting_level(page):
    before = figures(page)
    page.focus("#protein_decay-slider")
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    after = figures(page)
    assert float(page.input_value("#protein_decay")) > 0.5
    assert after["levels"] == before["levels"]
    assert after["trajectories"] != before["trajectories"]
    page.select_option("#parameter", "protein_decay")
    assert figures(page)["levels"] != before["levels"]
    assert "No resting level depends on decay rates" in page.inner_text("#levels-words")


def test_a_bad_number_is_marked_and_figures_keep_the_last_good_one(page):
    page.fill("#basal", "0.1")
    good = figures(page)
    address = query(page)
    for text, said in (
        ("2", "basal must be a fraction of full activity in [0, 1), got 2.0"),
        ("", "basal must be a number, and the field is empty"),
        ("much", "basal must be a number, got 'much'"),
    ):
        page.fill("#basal", text)
        page.wait_for_function(
            "said => document.getElementById('basal-error').textContent === said", arg=said
        )
        assert page.get_attribute("#basal", "aria-invalid") == "true"
        assert page.get_attribute("#basal-error", "role") == "alert"
        assert "basal-error" in page.get_attribute("#basal", "aria-describedby")
        assert figures(page) == good
    assert page.locator("[aria-invalid]").count() == 1
    page.click("#use-rates")
    page.wait_for_function("document.getElementById('use-message').textContent.includes('marked fields')")
    assert query(page) == address | {"basal": "0.1"}
    page.fill("#basal", "0.2")
    assert figures(page)["levels"] != good["levels"]
    assert page.locator("[aria-invalid]").count() == 0
    assert page.inner_text("#basal-error") == ""


def test_undo_redo_reset_and_presets(page):
    start = figures(page)
    assert page.is_disabled("#undo")
    page.select_option("#preset", "memory")
    memory = figures(page)
    assert page.input_value("#autoactivation") == "3"
    assert "a above 1.88" in page.inner_text("#preset-source")
    page.fill("#window", "2")
    page.keyboard.press("Tab")
    later = figures(page)
    page.click("#undo")
    assert figures(page) == memory
    page.focus("#reset")
    page.keyboard.press("Control+z")
    assert figures(page) == start
    assert page.is_disabled("#undo")
    page.click("#redo")
    page.keyboard.press("Control+Shift+z")
    assert figures(page) == later
    assert page.is_disabled("#redo")
    page.click("#reset")
    assert figures(page) == start
    page.click("#undo")
    assert figures(page) == later


def test_half_lives_are_the_same_rates(page):
    before = figures(page)
    page.check("input[name=unit][value=half-life]")
    assert page.input_value("#mrna_decay") == "0.693147"
    assert page.inner_text("#mrna_decay-unit") == "h"
    assert figures(page) == before
    page.fill("#mrna_decay", "-3")
    page.wait_for_function(
        "document.getElementById('mrna_decay-error').textContent.includes('mrna_half_life')"
    )
    page.fill("#mrna_decay", "9")
    page.wait_for_function("!new URLSearchParams(location.search).get('mrna_decay').startsWith('1')")
    assert query(page)["unit"] == "half-life"
    assert float(query(page)["mrna_decay"]) == pytest.approx(0.0770163533955495)
    page.check("input[name=unit][value=rate]")
    assert page.input_value("#mrna_decay") == "0.0770164"


def test_the_address_brings_the_view_back_and_keeps_what_is_not_ours(visitor, tune_server):
    page = visitor.open(tune_server.address + "?other=kept&autoactivation=3&parameter=basal&unit=half-life")
    page.fill("#window", "1.5")
    shown = figures(page)
    wait_for_address(page, "window", "1.5")
    assert query(page)["other"] == "kept"
    page.reload()
    page.wait_for_selector("html[data-figures=drawn]")
    assert figures(page) == shown
    assert page.input_value("#parameter") == "basal"
    assert page.is_checked("input[value=half-life]")
    elsewhere = visitor.open(page.url)
    assert figures(elsewhere) == shown


def test_a_bad_value_of_the_address_is_told_at_its_field(visitor, tune_server):
    page = visitor.open(tune_server.address + "?basal=7&window=soon&parameter=size&unit=weeks&density=0.2")
    assert page.inner_text("#basal-error") == "basal must be a fraction of full activity in [0, 1), got 7.0"
    assert page.inner_text("#window-error") == "window must be a number, got 'soon'"
    assert page.inner_text("#unit-error").startswith("unit must be one of rate, half-life, got 'weeks'")
    assert page.inner_text("#parameter-error").startswith("parameter must be one of induction")
    assert page.input_value("#basal") == "7"
    assert "default value" in page.inner_text("#rough")
    assert "mask density of 0.2" in page.inner_text("#density-words")  # the good ones hold
    page.fill("#basal", "0.02")
    page.fill("#window", "0.5")
    figures(page)
    assert page.locator("[aria-invalid]").count() == 0
    assert page.inner_text("#rough") == ""


def test_two_people_do_not_disturb_each_other(visitor, tune_server):
    one, two = visitor.open(tune_server.address), visitor.open(tune_server.address)
    start = figures(two)
    one.select_option("#preset", "mammal")
    first = figures(one)
    assert figures(two) == start
    two.fill("#threshold", "3")
    second = figures(two)
    assert second != start
    assert figures(one) == first
    assert one.input_value("#threshold") == "1"


def test_the_rates_are_taken_along(visitor, tune_server):
    page = visitor.open(tune_server.address + "?autoactivation=2.5&protein_decay=0.3&density=0.25")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.click("#use-rates")
    page.wait_for_selector("#use-text:not([hidden])")
    page.wait_for_function("document.getElementById('use-message').textContent.includes('copied')")
    wanted = Settings(autoactivation=2.5, protein_decay=0.3, density=0.25)
    code = page.inner_text("#snippet")
    assert page.evaluate("navigator.clipboard.readText()").strip() == code.strip()
    scope = {}
    exec(code, scope)
    assert scope["policy"] == wanted.gating()
    assert isinstance(scope["controller"].policy, ExpressionGating)
    assert scope["controller"].schedule.final_sparsity == 0.75
    (written,) = (tune_server.out / "rates").glob("*.json")
    config = read_policy_config(written)
    assert (config.gating(), config.density) == (wanted.gating(), 0.25)
    assert page.inner_text("#use-command").endswith(f"compare --policy-config {written}")
    with page.expect_download() as loading:
        page.click("#download")
    assert json.loads(loading.value.path().read_text()) == json.loads(written.read_text())
    assert loading.value.suggested_filename == written.name
    page.fill("#basal", "0.1")
    page.wait_for_selector("#use-text", state="hidden")  # it would be of other settings


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_narrow_screen_holds_the_page_in_either_scheme(visitor, tune_server, scheme):
    page = visitor.open(tune_server.address, viewport={"width": 400, "height": 800}, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    wide = page.evaluate(
        "Array.from(document.querySelectorAll('#figures .js-plotly-plot')).map(e => e.offsetWidth)"
    )
    assert len(wide) == 4
    assert max(wide) <= 400
    ink = page.evaluate("document.querySelector('#phase .js-plotly-plot')._fullLayout.font.color")
    assert ink == {"light": "#22272e", "dark": "#dfe3e8"}[scheme]
    page.emulate_media(color_scheme="dark" if scheme == "light" else "light")
    page.wait_for_function(
        "ink => document.querySelector('#phase .js-plotly-plot')._fullLayout.font.color !== ink", arg=ink
    )
    page.wait_for_timeout(500)  # in which Dash would draw the figures anew, empty, on an event of theirs
    points = page.evaluate(
        "Array.from(document.querySelectorAll('#figures .js-plotly-plot')).map(e => e.data.at(-2).x.length)"
    )
    assert min(points) > 0
    page.click("#settings-panel > summary")
    assert not page.is_visible("#basal")


def test_every_input_has_a_name_and_every_control_an_explanation(page):
    nameless = page.evaluate(
        """() => Array.from(document.querySelectorAll('#controls input, #controls select, #figures select'))
        .filter(e => !(e.labels.length || e.getAttribute('aria-label'))).map(e => e.id)"""
    )
    assert nameless == []
    assert page.locator("button.question").count() == 9
    page.get_by_role("button", name="What is Leak?").press("Enter")
    assert "without induction" in page.inner_text("#basal-help")


def test_a_server_that_gives_no_figures_is_told(visitor, tune_server):
    page = visitor.open(tune_server.address)
    page.route("**/tune/figures", lambda route: route.fulfill(status=200, json={"error": "gone"}))
    page.fill("#basal", "0.3")
    page.wait_for_function("document.getElementById('server-message').textContent.includes('gone')")
    page.unroute("**/tune/figures")
    page.fill("#basal", "0.31")
    page.wait_for_function("document.getElementById('server-message').textContent === ''")


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_a_signal_ends_the_command_cleanly(run_tune, kind, tmp_path):
    with run_tune(tmp_path, "--genes", "100") as server:
        status, printed = server.stop(kind)
    assert status == 0
    assert "Traceback" not in printed
    assert printed.strip() == f"stopped; what was saved is in {tmp_path}"


def test_a_taken_port_and_bad_options_are_one_line(refused_tune, tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        told = refused_tune("--port", str(port), "--out", str(tmp_path))
    assert told.startswith(f"error: port {port} of 127.0.0.1 cannot be listened on (Address already in use)")
    assert told.endswith("choose another --port (0: any that is free)")
    assert refused_tune("--genes", "3") == "error: genes must be from 100 to 2,000,000, got 3"
