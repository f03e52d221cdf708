"""GeneNetWeaver's convention: a model by hand, its contradictions, and the DREAM4 networks."""

from pathlib import Path

import pytest

from grn.networks.io.sbml import read_sbml
from grn.networks.io.text import FormatError
from grn.networks.network import GeneNetwork
from grn.networks.promoters import Constitutive

pytest.importorskip("libsbml", reason="python-libsbml is not installed")

DREAM4 = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "grn" / "dream4"

G2 = {
    "max": 0.5, "deltaProtein": 0.2, "maxTranslation": 0.3,
    "bindsAsComplex_1": 1, "numActivators_1": 1, "numDeactivators_1": 1,
    "bindsAsComplex_2": 0, "numActivators_2": 1, "numDeactivators_2": 0,
    "a_0": 0.2, "a_1": 0.0, "a_2": 1.0, "a_3": 0.7,
    "k_1": 0.6, "k_2": 0.5, "k_3": 0.4, "n_1": 2, "n_2": 3, "n_3": 1.5,
}  # fmt: skip


def reaction(name, parameters, *, label="", modifiers=()):
    listed = "".join(f'<parameter id="{key}" value="{value}"/>' for key, value in parameters.items())
    regulators = "".join(f'<modifierSpeciesReference species="{source}"/>' for source in modifiers)
    regulators = f"<listOfModifiers>{regulators}</listOfModifiers>" if regulators else ""
    made = name.endswith("synthesis")
    gene = name.partition("_")[0]
    sides = ("_void_", gene) if made else (gene, "_void_")
    return f"""<reaction id="{name}" name="{label or name}" reversible="false">
<listOfReactants><speciesReference species="{sides[0]}"/></listOfReactants>
<listOfProducts><speciesReference species="{sides[1]}"/></listOfProducts>{regulators}
<kineticLaw><listOfParameters>{listed}</listOfParameters></kineticLaw></reaction>"""


def write(path, *, numbers=None, label="G2_synthesis: ~(1~2) + (3)", modifiers=("G3", "G1", "G2"), drop=""):
    free = {"max": 0.5, "deltaProtein": 0.2, "maxTranslation": 0.3, "a_0": 0.8}
    parts = [
        reaction(f"{gene}_{what}", values, label=text, modifiers=sources)
        for gene in ("G1", "G2", "G3")
        for what, values, text, sources in (
            ("synthesis", G2 | (numbers or {}), label, modifiers)
            if gene == "G2"
            else ("synthesis", free, "", ()),
            ("degradation", {"delta": 0.1}, "", ()),
        )
    ]
    parts = [part for part in parts if not (drop and drop in part)]
    genes = "".join(f'<species id="G{k}" compartment="cell"/>' for k in (1, 2, 3))
    path.write_text(f"""<?xml version="1.0" encoding="UTF-8"?>
<sbml xmlns="http://www.sbml.org/sbml/level2" level="2" version="1"><model name="by hand">
<listOfCompartments><compartment id="cell" size="1"/></listOfCompartments>
<listOfSpecies>{genes}<species id="_void_" compartment="cell" boundaryCondition="true" constant="true"/>
</listOfSpecies><listOfReactions>
{"".join(parts)}
</listOfReactions></model></sbml>""")
    return path


def test_a_network_by_hand_has_the_published_rate(tmp_path):
    import torch

    network = read_sbml(write(tmp_path / "net.xml"))
    assert isinstance(network, GeneNetwork)
    assert network.names == ("G1", "G2", "G3")
    assert network.name == "by hand"
    assert network["G1"].transcription == pytest.approx(0.5 * 0.8, rel=1e-15)
    assert isinstance(network["G1"].regulation, Constitutive)

    system = network.system
    p = {"G1": 0.3, "G2": 0.8, "G3": 0.9}
    y = torch.tensor([[p.get(name, 0.25)] for name in system.species], dtype=torch.float64)
    values = torch.tensor([[v] for v in system.parameters.values()], dtype=torch.float64)
    slope = system.derivatives(y, system.derivatives.prepare(values))[:, 0]
    x1, x2, x3 = (p["G3"] / 0.6) ** 2, (p["G1"] / 0.5) ** 3, (p["G2"] / 0.4) ** 1.5
    first, second = x1 / (1 + x1 + x1 * x2), x3 / (1 + x3)
    activity = 0.2 * (1 - first) * (1 - second) + 0.0 + 1.0 * (1 - first) * second + 0.7 * first * second
    place = system.species.index
    assert float(slope[place("G2_mrna")]) == pytest.approx(0.5 * activity - 0.1 * 0.25, rel=1e-13)
    assert float(slope[place("G2")]) == pytest.approx(0.3 * 0.25 - 0.2 * 0.8, rel=1e-13)
    assert set(network.edges) == {("G3", "G2", -1), ("G1", "G2", 1), ("G2", "G2", 1)}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"drop": "G2_degradation"}, "gene 'G2': expected a reaction 'G2_degradation', found none"),
        ({"modifiers": ("G3", "G1")}, "expected 2 parameters 'k_…', one a modifier, found 3"),
        ({"modifiers": ("G3", "G1", "_void_")}, "its modifier '_void_' is no gene"),
        ({"numbers": {"numActivators_2": 2}}, "add up to 4 regulators, but there are 3 modifiers"),
        ({"numbers": {"numActivators_2": 0.5}}, "'numActivators_2' must be a non-negative whole number"),
        ({"numbers": {"numDeactivators_3": 1}}, "2 parameters 'numDeactivators_…', one a module, found 3"),
        ({"numbers": {"bindsAsComplex_1": 2}}, "'bindsAsComplex_1' must be 0 or 1, got 2"),
        ({"numbers": {"a_4": 1}}, "expected 4 parameters 'a_…', one for each state of 2 modules, found 5"),
        ({"numbers": {"a_6": 1}}, "expected a parameter 'a_4', found none"),
        ({"numbers": {"speed": 1}}, "parameter 'speed' is unknown"),
        ({"numbers": {"k_2": "NaN"}}, "parameter 'k_2' has no finite value"),
        ({"numbers": {"k_2": -1}}, "threshold"),
        ({"label": "G2_synthesis: ~(1*2) + (3)"}, "which its parameters contradict"),
        ({"label": "G2_synthesis: (1~2) + (3)"}, "shows an activating module"),
        ({"label": "G2_synthesis: ~(1~2) + ~(3)"}, "shows an inhibitory module"),
    ],
)  # fmt: skip
def test_contradictions_are_named_with_their_line(tmp_path, options, message):
    path = write(tmp_path / "net.xml", **options)
    with pytest.raises(FormatError, match=message) as caught:
        read_sbml(path)
    assert str(caught.value).startswith(f"{path}:{caught.value.line}: ")


@pytest.mark.parametrize("name", ["k_2", "n_3", "a_3", "max", "numActivators_1"])
def test_a_missing_parameter_is_named(tmp_path, name):
    path = write(tmp_path / "net.xml")
    text = path.read_text()
    head, _, tail = text.partition('id="G2_synthesis"')
    start = tail.index(f'<parameter id="{name}"')
    path.write_text(head + 'id="G2_synthesis"' + tail[:start] + tail[tail.index("/>", start) + 2 :])
    with pytest.raises(FormatError, match=rf"{name}'|'{name[0]}_…'"):
        read_sbml(path)


@pytest.mark.parametrize("number", range(1, 6))
def test_dream4_networks_have_the_published_edges(number):
    path = DREAM4 / f"insilico_size10_{number}.xml"
    if not path.is_file():
        pytest.skip(
            f"the DREAM4 models are not here: no {path.name} in the data folder beside the repository"
        )
    network = read_sbml(path)
    assert isinstance(network, GeneNetwork)
    assert network.names == tuple(f"G{k}" for k in range(1, 11))
    rows = (line.split() for line in (DREAM4 / f"gold_edges_size10_{number}.tsv").read_text().splitlines())
    gold = {(source, target) for source, target, present in rows if present == "1"}
    assert {(source, target) for source, target, _ in network.edges} == gold
    assert all(gene.initial_mrna == gene.initial_protein == 0 for gene in network)
