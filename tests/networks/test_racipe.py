import csv
from pathlib import Path

import numpy as np
import pytest
import torch

from grn.networks import circuits
from grn.networks.equations import RateEquations
from grn.networks.io.racipe import (
    read_racipe_initial,
    read_racipe_parameters,
    read_topo,
    sample_racipe,
    write_topo,
)
from grn.networks.io.text import FormatError
from grn.networks.network import Gene, GeneNetwork
from grn.networks.promoters import Constitutive, ShiftedHill
from grn.networks.simulate import simulate

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "grn" / "racipe"


def published(name):
    path = DATA / name
    if not path.is_file():
        pytest.skip(f"RACIPE's toggle switch is not here: no {name} in the data folder beside the repository")
    return path


def topo(folder, *edges, name="a.topo"):
    path = folder / name
    path.write_text("\n".join(["Source Target Type", *edges, ""]))
    return path


def table(folder, *lines, name="a.csv"):
    path = folder / name
    path.write_text("\n".join([*lines, ""]))
    return path


@pytest.mark.parametrize("method", ["ode", "compiled"])
def test_the_published_toggle_switch_is_reproduced(method):
    """All parameter sets from all starts, at steady state, against the peer's own solution."""
    network = read_topo(published("TS.topo"))
    parameters = read_racipe_parameters(published("TS_params.csv"), network)
    starts = read_racipe_initial(published("TS_initconds.csv"), network)
    with published("TS_solution.csv").open() as file:
        rows = list(csv.DictReader(file))
    sets, begins = len(parameters["A.transcription"]), len(starts["A"])
    assert [(float(row["InitCondNum"]), float(row["ParamNum"])) for row in rows] == [
        (begin + 1, k + 1) for begin in range(begins) for k in range(sets)
    ]
    path = simulate(
        network,
        [0.0, 500.0],
        parameters={name: values.repeat(begins) for name, values in parameters.items()},
        start={name: values.repeat_interleave(sets) for name, values in starts.items()},
        method=method,
    )
    for gene in network.names:
        expected = torch.tensor([float(row[gene]) for row in rows], dtype=torch.float64)
        # they stop in float32 at a slope of about 1e-4 and print 4 decimals: ours differ by up to 2.7e-4
        torch.testing.assert_close(path[gene][:, -1], expected, rtol=3e-4, atol=0)


def test_a_toggle_switch_has_the_middle_of_the_ranges(tmp_path):
    network = read_topo(topo(tmp_path, "A B 2", "B A 1", name="switch.topo"))
    assert network.name == "switch"
    assert network.names == ("A", "B")
    assert network.edges == (("B", "A", 1), ("A", "B", -1))
    assert dict(network.parameters) == pytest.approx(
        {
            "A.expression_scale": 1.0, "A.forced_expression": 0.0, "A.transcription": 50.5,
            "A.protein_decay": 0.55, "A.fold.B": 50.5, "A.threshold.B": 50.5 / 0.55 / 2,
            "A.coefficient.B": 3.0, "B.expression_scale": 1.0, "B.forced_expression": 0.0,
            "B.transcription": 50.5, "B.protein_decay": 0.55, "B.fold.A": 1 / 50.5,
            "B.threshold.A": 50.5 / 0.55 / 2, "B.coefficient.A": 3.0,
        }
    )  # fmt: skip


def test_the_right_hand_side_is_racipes(tmp_path):
    network = read_topo(topo(tmp_path, "A B 2", "C B 1", "B B 1", "B A 2"))
    drawn = sample_racipe(network, 50, seed=4)
    p = np.random.default_rng(0).uniform(0, 200, (3, 50))
    a, b, c = (p[network.species.index(name)] for name in "ABC")
    value = {name: tensor.numpy() for name, tensor in drawn.items()}

    def shifted(level, source):
        fold, n = value[f"B.fold.{source}"], value[f"B.coefficient.{source}"]
        return fold + (1 - fold) / (1 + (level / value[f"B.threshold.{source}"]) ** n)

    factors = shifted(a, "A") * shifted(c, "C") / value["B.fold.C"] * shifted(b, "B") / value["B.fold.B"]
    expected = value["B.transcription"] * factors - value["B.protein_decay"] * b
    found = RateEquations(network.system, parameters=drawn)(0.0, torch.from_numpy(p))
    # a difference of production and degradation, each of up to 1e2
    np.testing.assert_allclose(found[network.species.index("B")].numpy(), expected, rtol=1e-10, atol=1e-11)
    assert network["C"].regulation == Constitutive()


def test_parameters_are_read_by_name_whatever_their_order(tmp_path):
    network = read_topo(topo(tmp_path, "A_1 B 1", "B A_1 2"))
    path = table(
        tmp_path,
        "ParamNum,Hill_A_1_B,Thr_A_1_B,ActFld_A_1_B,Hill_B_A_1,Thr_B_A_1,InhFld_B_A_1,Deg_B,Deg_A_1,Prod_B,Prod_A_1",
        "1,1,2,3,4,5,0.6,0.7,0.8,9,10",
        "",
        "2,1,2,3,4,5,1,0.7,0.8,9,11",
    )
    found = read_racipe_parameters(path, network)
    assert {name: values[0].item() for name, values in found.items()} == {
        "A_1.transcription": 10.0, "A_1.protein_decay": 0.8, "B.transcription": 9.0, "B.protein_decay": 0.7,
        "A_1.fold.B": 0.6, "A_1.threshold.B": 5.0, "A_1.coefficient.B": 4.0,
        "B.fold.A_1": 3.0, "B.threshold.A_1": 2.0, "B.coefficient.A_1": 1.0,
    }  # fmt: skip
    assert found["A_1.transcription"].dtype == torch.float64
    assert found["A_1.transcription"].tolist() == [10.0, 11.0]
    assert set(found) <= set(network.parameters)


HEADER = "Prod_A,Deg_A,InhFld_A_A,Thr_A_A,Hill_A_A"


@pytest.mark.parametrize(
    ("lines", "line", "message"),
    [
        ([HEADER], 1, "expected a row below the header, found none"),
        (
            [HEADER.replace("Thr", "Tr"), "1,1,0.1,1,1"],
            1,
            "'Tr_A_A' is no parameter .* did you mean 'Thr_A_A'",
        ),
        ([HEADER.replace("Inh", "Act"), "1,1,2,1,1"], 1, "'ActFld_A_A' is no parameter"),
        ([HEADER[7:], "1,0.1,1,1"], 1, "expected a column 'Prod_A', found none"),
        ([HEADER + ",Deg_A", "1,1,0.1,1,1,1"], 1, "column 'Deg_A' is given twice"),
        ([HEADER, "1,1,0.1,1"], 2, "expected 5 fields, as in the header, found 4"),
        ([HEADER, "1,1,0.1,1,1", "1,x,0.1,1,1"], 3, "Deg_A must be a finite number, found 'x'"),
        ([HEADER, "1,nan,0.1,1,1"], 2, "Deg_A must be a finite number, found 'nan'"),
        ([HEADER, "1,1,0.1,1,1", "-1,1,0.1,1,1"], 3, "Prod_A must be positive, got -1"),
        ([HEADER, "1,1,21.8,1,1"], 2, "InhFld_A_A must be above 0 and at most 1, got 21.8"),
        ([HEADER, "1,1,0,1,1"], 2, "InhFld_A_A must be above 0 and at most 1, got 0"),
    ],
)
def test_malformed_parameters_name_file_and_line(tmp_path, lines, line, message):
    network = read_topo(topo(tmp_path, "A A 2"))
    path = table(tmp_path, *lines)
    with pytest.raises(FormatError, match=message) as caught:
        read_racipe_parameters(path, network)
    assert str(caught.value).startswith(f"{path}:{line}: ")


def test_an_activation_below_one_is_refused(tmp_path):
    network = read_topo(topo(tmp_path, "A A 1"))
    path = table(tmp_path, HEADER.replace("Inh", "Act"), "1,1,0.5,1,1")
    with pytest.raises(FormatError, match=r"ActFld_A_A must be at least 1, got 0.5"):
        read_racipe_parameters(path, network)


@pytest.mark.parametrize(
    ("lines", "line", "message"),
    [
        (["A,InitCondNum", "1,1"], 1, "expected a column 'B', found none"),
        (["A,B,C", "1,1,1"], 1, "column 'C' is no gene of the network"),
        (["A,B", "1,2", "1,-2"], 3, "B must be a level of at least 0, got -2"),
        (["A,B", "1,"], 2, "B must be a finite number, found ''"),
    ],
)
def test_malformed_starts_name_file_and_line(tmp_path, lines, line, message):
    network = read_topo(topo(tmp_path, "A B 2"))
    path = table(tmp_path, *lines)
    with pytest.raises(FormatError, match=message) as caught:
        read_racipe_initial(path, network)
    assert str(caught.value).startswith(f"{path}:{line}: ")


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("A B 1\n", 1, "expected the header 'Source Target Type', found"),
        ("Source Target Type\n", 1, "expected an edge below the header, found none"),
        ("Source Target Type\nA B\n", 2, "expected a source, a target and a type, found"),
        ("Source Target Type\nA B 1 1\n", 2, "expected a source, a target and a type"),
        (
            "Source Target Type\n\nA B 3\n",
            3,
            r"expected the type 1 \(activation\) or 2 \(inhibition\), found '3'",
        ),
        ("Source Target Type\nA B +\n", 2, r"found '\+'"),
        ("Source Target Type\nA B 1\nB A 2\nA B 2\n", 4, "'A' -> 'B' is given twice; the first is in line 2"),
        ("", 1, "the file is empty"),
    ],
)
def test_malformed_topologies_name_file_and_line(tmp_path, text, line, message):
    path = tmp_path / "bad.topo"
    path.write_text(text)
    with pytest.raises(FormatError, match=message) as caught:
        read_topo(path)
    assert str(caught.value).startswith(f"{path}:{line}: ")


def test_topologies_of_tabs_and_any_case_of_the_header(tmp_path):
    path = tmp_path / "a.topo"
    path.write_bytes(b"\xef\xbb\xbfSOURCE\tTarget\ttype\r\nA\tB\t1\r\n")
    assert read_topo(path).edges == (("A", "B", 1),)


def test_a_topology_survives_being_written(tmp_path):
    network = read_topo(topo(tmp_path, "A B 2", "B A 1", "C B 1", "B B 2"))
    write_topo(network, tmp_path / "again.topo")
    assert set(read_topo(tmp_path / "again.topo").edges) == set(network.edges)
    write_topo(circuits.repressilator(), tmp_path / "ring.topo")
    assert set(read_topo(tmp_path / "ring.topo").edges) == set(circuits.repressilator().edges)


def test_what_a_topology_cannot_hold_is_refused(tmp_path):
    path = tmp_path / "out.topo"
    alone = GeneNetwork(genes=(Gene(name="A"),))
    with pytest.raises(ValueError, match="cannot hold the gene 'A', which has no edge; write GraphML"):
        write_topo(alone, path)
    spaced = read_topo(topo(tmp_path, "A A 1")).to_networkx()
    spaced.nodes["A"].pop("gene")
    spaced.add_edge("A", "my gene", sign=1)
    with pytest.raises(ValueError, match="separates names by blanks: rename the gene 'my gene'"):
        write_topo(GeneNetwork.from_networkx(spaced), path)
    assert not path.exists()


def test_samples_lie_in_racipes_ranges(tmp_path):
    network = read_topo(topo(tmp_path, "A B 2", "B A 1"))
    drawn = sample_racipe(network, 20_000, seed=1)

    def ends(name):
        values = drawn[name].numpy()
        return values.min(), values.max(), values.mean()

    # of 20,000 uniform draws the extremes lie within 1e-3 of the ends, the mean within 4 standard errors
    for name, low, high in [("A.transcription", 1, 100), ("B.protein_decay", 0.1, 1), ("A.fold.B", 1, 100)]:
        least, most, mean = ends(name)
        span = high - low
        assert low <= least < low + 1e-3 * span
        assert high - 1e-3 * span < most <= high
        assert mean == pytest.approx((low + high) / 2, abs=4 * span / np.sqrt(12 * 20_000))
    inverse = 1 / drawn["B.fold.A"].numpy()
    assert 1 <= inverse.min() < inverse.max() <= 100
    counts = np.bincount(drawn["A.coefficient.B"].numpy().astype(int))
    assert counts[0] == 0
    assert len(counts) == 7
    assert np.ptp(counts[1:]) < 6 * np.sqrt(20_000 / 6)


def test_thresholds_follow_the_half_functional_rule(tmp_path):
    """About half of all levels of a free regulator lie above its threshold; B's are lowered by A."""
    network = read_topo(topo(tmp_path, "A B 2", "B C 1"))
    drawn = sample_racipe(network, 20_000, seed=2)
    of_a = (drawn["A.transcription"] / drawn["A.protein_decay"]).numpy()
    thresholds = drawn["B.threshold.A"].numpy()
    median = np.median(of_a)
    assert thresholds.max() / thresholds.min() == pytest.approx(99, rel=0.1)
    assert thresholds.max() == pytest.approx(1.98 * median, rel=0.05)
    assert np.mean(of_a > thresholds) == pytest.approx(0.5, abs=0.06)
    final = simulate(network, [0.0, 400.0], parameters=drawn, method="compiled")["B"][:, -1].numpy()
    assert np.mean(final > drawn["C.threshold.B"].numpy()) == pytest.approx(0.5, abs=0.1)
    assert drawn["C.threshold.B"].max() < thresholds.max() / 1.2


def test_samples_depend_on_the_seed_alone(tmp_path):
    network = read_topo(topo(tmp_path, "A B 2", "B A 1"))
    many, few, other = (sample_racipe(network, *of) for of in [(1000, 7), (3, 7), (3, 8)])
    for name in many:
        assert torch.equal(many[name][:3], few[name])
        assert not torch.equal(few[name], other[name]) or name.endswith((".coefficient.A", ".coefficient.B"))


def test_networks_that_are_not_racipes_are_refused(tmp_path):
    with pytest.raises(ValueError, match="gene 'lacI' has mRNA, which RACIPE's models do not"):
        sample_racipe(circuits.repressilator(), 3, seed=0)
    with pytest.raises(ValueError, match=r"'lacI' is no gene of RACIPE's: .* got HillProduct"):
        sample_racipe(circuits.toggle(), 3, seed=0)
    network = read_topo(topo(tmp_path, "A_B C 2", "A B_C 2"))
    with pytest.raises(ValueError, match=r"column 'InhFld_A_B_C' would mean both .* rename a gene"):
        sample_racipe(network, 3, seed=0)
    good = read_topo(topo(tmp_path, "A B 2"))
    for sets, seed, message in [(0, 0, "sets"), (2.0, 0, "sets"), (True, 0, "sets"), (1, -1, "seed")]:
        with pytest.raises(ValueError, match=f"{message} must be an integer of at least"):
            sample_racipe(good, sets, seed)


def test_samples_fit_the_promoters_that_are_checked(tmp_path):
    network = read_topo(topo(tmp_path, "A B 2", "B A 1"))
    drawn = sample_racipe(network, 100, seed=5)
    for gene in network:
        assert isinstance(gene.regulation, ShiftedHill)
        for regulator in gene.regulation.regulators:
            for fold in drawn[f"{gene.name}.fold.{regulator.source}"].tolist():
                ShiftedHill(regulators=(regulator,), folds=(fold,))
