"""What the fields and the address hold, read as settings."""

import math
from dataclasses import asdict

import pytest

from grn import PRESETS
from studies.tune.controls import CONTROLS, HALF_LIVES, presets
from studies.tune.request import PARAMETERS, read_request
from studies.tune.settings import NAMES, Settings


def test_an_empty_request_is_the_default():
    asked = read_request({})
    assert asked.settings == Settings()
    assert (asked.unit, asked.parameter, asked.dragging, dict(asked.errors)) == (
        "rate",
        "induction",
        False,
        {},
    )


def test_text_and_numbers_are_read_alike():
    values = dict.fromkeys(NAMES, 0.5)
    as_text = dict.fromkeys(NAMES, " 0.5 ")
    assert read_request({"values": values}).settings == read_request({"values": as_text}).settings
    assert asdict(read_request({"values": values}).settings) == values


def test_a_half_life_is_ln2_over_its_rate():
    settings = read_request(
        {"values": {"mrna_decay": "2", "protein_decay": 5.0, "window": 3}, "unit": "half-life"}
    ).settings
    assert settings.mrna_decay == math.log(2) / 2
    assert settings.protein_decay == math.log(2) / 5
    assert settings.window == 3.0


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("mrna_decay", "-1", "mrna_decay must be a positive finite rate in 1/h, got -1.0"),
        ("protein_decay", "", "protein_decay must be a number, and the field is empty"),
        ("protein_decay", "fast", "protein_decay must be a number, got 'fast'"),
        ("hill_coefficient", "0", "hill_coefficient must be a positive finite number, got 0.0"),
        ("hill_coefficient", "1e3", "hill_coefficient must lie in 0.5 to 20 on this page, got 1000"),
        ("basal", "1", "basal must be a fraction of full activity in [0, 1), got 1.0"),
        ("threshold", "nan", "threshold must be a number, got 'nan'"),
        ("threshold", "inf", "threshold must be a positive finite multiple"),
        ("autoactivation", "-0.1", "autoactivation must be a finite strength of at least 0, got -0.1"),
        ("window", True, "window must be a number, got 'True'"),
        ("window", "0", "window must be"),
        ("window", "1,000", "window must be a number with a decimal point, as 0.5 or 1000, got '1,000'"),
        ("window", "1,000.5", "window must be a number with a decimal point"),
        ("window", "1,000,000", "window must be a number with a decimal point"),
        ("density", "1.5", "density must lie in (0, 1], got 1.5"),
    ],
)
def test_a_bad_value_is_told_at_its_field_alone(name, text, said):
    asked = read_request({"values": {name: text, **({"basal": 0.1} if name != "basal" else {})}})
    assert asked.settings is None
    assert list(asked.errors) == [name]
    assert asked.errors[name].startswith(said)


@pytest.mark.parametrize(("text", "value"), [("0,5", 0.5), (",125", 0.125), ("0,125", 0.125), ("1,5", 1.5)])
def test_a_decimal_comma_that_can_mean_one_number_alone_is_taken(text, value):
    assert read_request({"values": {"window": text}}).settings.window == value


def test_every_bad_field_is_told():
    errors = read_request({"values": {"basal": 2, "density": 0, "window": "x"}, "parameter": "size"}).errors
    assert set(errors) == {"basal", "density", "window", "parameter"}


def test_a_bad_half_life_is_told_as_one():
    errors = read_request({"values": {"mrna_decay": "0", "protein_decay": "1e6"}, "unit": "half-life"}).errors
    assert errors["mrna_decay"] == "mrna_half_life must be a positive finite time in h, got 0.0"
    assert errors["protein_decay"].startswith("protein_half_life must lie in 0.01386 to 69.31 h on this page")


def test_unit_and_diagram_fall_back_and_say_so():
    asked = read_request({"unit": "minutes", "parameter": ["a"]})
    assert asked.settings == Settings()
    assert set(asked.errors) == {"unit", "parameter"}


@pytest.mark.parametrize("asked", [None, 3, [], {"values": 1}])
def test_what_no_page_sends_is_refused(asked):
    with pytest.raises(ValueError, match="a request must be"):
        read_request(asked)


@pytest.mark.parametrize("control", CONTROLS, ids=lambda control: control.name)
def test_both_ends_of_a_slider_are_taken(control):
    for end in (control.low, control.high):
        assert read_request({"values": {control.name: end}}).settings is not None
        if control.name in HALF_LIVES:
            half_life = math.log(2) / end
            assert read_request({"values": {control.name: half_life}, "unit": "half-life"}).settings


def test_presets_are_taken_by_the_page_and_hold_the_library_s():
    found = presets()
    assert set(PRESETS) < set(found)
    for name, preset in found.items():
        asked = read_request({"values": preset["settings"]})
        assert asked.errors == {}, name
        assert preset["source"]
    for name, preset in PRESETS.items():
        assert Settings(**found[name]["settings"]).kinetics == preset.kinetics


def test_the_diagram_runs_over_settings_and_induction():
    assert set(PARAMETERS) - {"induction"} <= set(NAMES)
