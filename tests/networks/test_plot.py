"""Figures show the data that they should: every number on them is one of the model's own."""

import subprocess
import sys
from pathlib import Path

import networkx as nx
import numpy as np
import pytest
import torch

from grn import plot
from grn.networks import circuits
from grn.networks.equations import RateEquations
from grn.networks.logic.boolean import BooleanNetwork
from grn.networks.network import Gene, GeneNetwork
from grn.networks.promoters import Custom, HillProduct, Regulator
from grn.networks.simulate import Simulation, simulate
from grn.networks.states.continuation import continue_states
from grn.networks.states.steady import steady_states
from grn.plot.plane import Plane, nullcline


def named(figure, name):
    found = [trace for trace in figure.data if trace.name == name]
    assert found, f"{name} is not among {[trace.name for trace in figure.data]}"
    return found[0]


def points_of(trace):
    points = np.array([trace.x, trace.y], float).T
    return points[~np.isnan(points).any(1)]


def test_importing_grn_imports_no_plotly():
    program = "import sys, grn, grn.networks.simulate; print('plotly' in sys.modules)"
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"


class TestTrajectories:
    def test_lines_are_the_simulation(self):
        circuit = circuits.repressilator()
        path = simulate(circuit, 300.0)
        figure = plot.trajectories(path, model=circuit)
        lines = {}
        for trace in figure.data:
            lines.setdefault(trace.name, []).append(trace)
        assert set(lines) == {"lacI", "tetR", "cI"}
        for name, (protein, mrna) in lines.items():
            assert np.array_equal(protein.y, path[name][0].numpy())
            assert np.array_equal(mrna.y, path[f"{name}_mrna"][0].numpy())
            assert np.array_equal(protein.x, path.times.numpy())
            assert (protein.showlegend, mrna.showlegend) == (True, False)
        assert figure.layout.yaxis.title.text == "protein (molecules)"
        assert figure.layout.yaxis2.title.text == "mRNA (molecules)"
        assert figure.layout.xaxis2.title.text == "time (min)"
        assert len({(trace.line.color, trace.line.dash) for trace in figure.data}) == 3

    def test_an_ensemble_is_its_median_band_and_some_runs(self):
        path = simulate(circuits.toggle(), 5.0, method="langevin", ensemble=20, system_size=50.0)
        figure = plot.trajectories(path)
        values = path["lacI"].numpy()
        assert np.allclose(named(figure, "lacI").y, np.median(values, axis=0), rtol=0, atol=0)
        band = np.array(named(figure, "lacI, 10th to 90th percentile").y)
        assert np.array_equal(band[: len(path.times)], np.quantile(values, 0.9, axis=0))
        runs = np.array(named(figure, "lacI, single runs").y)
        assert np.isnan(runs).sum() == 5

    def test_of_many_genes_those_that_vary_most_have_a_colour(self):
        genes = tuple(
            Gene(name=f"G{k}", mrna_decay=None, transcription=float(k % 10), protein_decay=1.0)
            for k in range(30)
        )
        path = simulate(GeneNetwork(genes=genes), 5.0)
        figure = plot.trajectories(path, most=3)
        assert [trace.name for trace in figure.data[-3:]] == ["G9", "G19", "G29"]
        assert len(figure.data) == 30
        assert [trace.name for trace in figure.data if trace.showlegend] == ["27 others", "G9", "G19", "G29"]

    def test_many_species_of_an_ensemble_have_a_panel_each(self):
        network = GeneNetwork(genes=tuple(Gene(name=name) for name in "ABCDE"))
        figure = plot.trajectories(simulate(network, 5.0, method="langevin", ensemble=4))
        notes = figure.layout.annotations
        assert [note.text for note in notes] == [f"<b>{name}</b>" for name in "ABCDE"]
        assert [note.x > 0.5 for note in notes] == [False, True, False, True, False]
        assert {trace.name for trace in figure.data if trace.name in "ABCDE"} == set("ABCDE")

    def test_starts_of_rate_equations_are_single_lines_coloured_by_their_end(self):
        circuit = circuits.toggle()
        path = simulate(circuit, 50.0, start={"tetR": torch.tensor([0.0, 15.0, 16.0])})
        figure = plot.trajectories(path, ends=["state 1", "state 2", "state 2"], heavy=0)
        first, second = [[t for t in figure.data if t.name == f"state {k}"] for k in (1, 2)]
        assert np.array_equal(points_of(first[0])[:, 1], path["lacI"][0].numpy())
        assert np.array_equal(points_of(second[1])[:, 1], path["tetR"][1:].numpy().ravel())
        assert first[0].line.color == first[1].line.color != second[0].line.color
        assert first[0].line.width > second[0].line.width
        assert [trace.showlegend for trace in (*first, *second)] == [True, False, True, False]
        with pytest.raises(ValueError, match="ends must be one a trajectory, got 1 for 3"):
            plot.trajectories(path, ends=["state 1"])
        alone = named(plot.trajectories(path), "lacI")
        assert np.array_equal(points_of(alone)[:, 1], path["lacI"].numpy().ravel())

    def test_what_still_varies_late_has_a_colour(self):
        """A rises most, B goes on oscillating."""
        times = torch.linspace(0, 50, 501, dtype=torch.float64)
        levels = torch.stack([100 * (1 - torch.exp(-times)), 20 + 10 * torch.sin(times)], 1)[None]
        for share, name in ((1.0, "B"), (0.0, "A")):
            values = torch.stack([levels[..., 0], share * levels[..., 1]], 2)
            figure = plot.trajectories(Simulation(times, ("A", "B"), values, "ode"), most=1)
            assert figure.data[-1].name == name

    def test_the_reference_is_thin_and_faint(self):
        circuit = circuits.toggle()
        path = simulate(circuit, 5.0)
        figure = plot.trajectories(path, reference=simulate(circuit, 5.0, start={"tetR": 9.0}))
        plain, line = named(figure, "lacI, unperturbed"), named(figure, "lacI")
        assert plain.line.dash == line.line.dash
        assert plain.line.width < line.line.width
        assert plain.opacity < 1
        assert named(figure, "tetR, unperturbed").y[0] == 9.0

    def test_rules_are_a_map_of_on_and_off(self):
        network = BooleanNetwork({"A": "not C", "B": "A", "C": "B"})
        path = simulate(network, 6, method="boolean-synchronous")
        (heat,) = plot.trajectories(path).data
        assert list(heat.y) == ["A", "B", "C"]
        assert np.array_equal(heat.z, path.values[0].numpy().T)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"species": ["lacl"]}, "no species 'lacl' to draw: those are lacI, tetR"),
            ({"species": []}, "at least one species"),
            ({"most": 9}, "most must be 1 to 8"),
        ],
    )
    def test_refusals(self, options, message):
        with pytest.raises(ValueError, match=message):
            plot.trajectories(simulate(circuits.toggle(), 1.0), **options)


NULLCLINES = [
    ("repressilator", "lacI", "tetR", 2500.0),
    ("toggle", "lacI", "tetR", 170.0),
    ("goodwin", "enzyme", "product", 3.0),
    ("p53", "p53", "MDM2", 1.5),
]


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda wrong: plot.trajectories(wrong), "simulation must be a Simulation .*, got GeneNetwork"),
        (lambda wrong: plot.bifurcation(wrong, "lacI"), "diagram must be a Diagram .*, got GeneNetwork"),
        (
            lambda wrong: plot.phase_plane(wrong, "lacI", "tetR", states=wrong),
            "states must be a SteadyStates .*, got GeneNetwork",
        ),
        (lambda wrong: plot.phase_plane(3, "lacI", "tetR"), "model must be a GeneNetwork .*, got int"),
        (lambda wrong: plot.regulatory_graph(3), "network must be a GeneNetwork or .*, got int"),
    ],
)
def test_the_wrong_thing_is_named(draw, message):
    with pytest.raises(TypeError, match=message):
        draw(circuits.toggle())


class TestPhasePlane:
    @pytest.mark.parametrize(("name", "x", "y", "high"), NULLCLINES)
    def test_every_point_of_a_nullcline_solves_its_equation(self, name, x, y, high):
        """The residual is rounding: of slopes up to some thousands, 1e-9 is 1e-13 of them."""
        circuit = circuits.CIRCUITS[name]()
        figure = plot.phase_plane(circuit, x, y, bounds=((0, high), (0, high)))
        plane = Plane(circuit, x, y)
        equations = RateEquations(circuit.system)
        for axis, species in enumerate((x, y)):
            points = points_of(named(figure, f"nullcline of {species}"))
            assert len(points) > 50
            state = plane.state(points[:, 0], points[:, 1])
            slopes = equations(0.0, state)
            assert float(slopes[circuit.species.index(species)].abs().max()) < 1e-9
            rest = [circuit.species.index(name) for name in plane.following]
            assert float(slopes[rest].abs().max() if rest else 0) < 1e-9
            assert np.array_equal(state[circuit.species.index((x, y)[axis])].numpy(), points[:, axis])

    def test_nullclines_of_two_species_cross_at_the_steady_states(self):
        """Each state lies within a cell of the grid (0.7 of 170, 0.07 of 16) of both curves."""
        circuit = circuits.toggle()
        states = steady_states(circuit, starts=16)
        figure = plot.phase_plane(circuit, "lacI", "tetR", bounds=((0, 170), (0, 16)), states=states)
        for state in states:
            for species in ("lacI", "tetR"):
                points = points_of(named(figure, f"nullcline of {species}"))
                away = np.abs(points - [state["lacI"], state["tetR"]]) / [170 / 240, 16 / 240]
                assert away.max(1).min() < 1

    def test_states_are_marked_by_their_verdicts(self):
        circuit = circuits.toggle()
        states = steady_states(circuit, starts=16)
        figure = plot.phase_plane(circuit, "lacI", "tetR", states=states)
        stable, unstable = named(figure, "stable steady state"), named(figure, "unstable steady state")
        assert sorted(stable.x) == sorted(state["lacI"] for state in states.of("stable"))
        assert list(unstable.y) == [state["tetR"] for state in states.of("unstable")]
        assert (stable.marker.symbol, unstable.marker.symbol) == ("circle", "circle-open")
        assert figure.layout.xaxis.type == figure.layout.yaxis.type == "log"

    def test_a_limit_cycle_and_trajectories_are_drawn(self):
        circuit = circuits.goodwin()
        states = steady_states(circuit, starts=4)
        path = simulate(circuit, 10.0, start={"product": torch.tensor([0.5, 2.0])})
        figure = plot.phase_plane(circuit, "enzyme", "product", states=states, simulation=path)
        cycle = named(figure, "limit cycle")
        assert np.array_equal(cycle.x, states[0].cycle.values[:, 1].numpy())
        assert list(named(figure, "start").y) == [0.5, 2.0]
        assert np.array_equal(points_of(named(figure, "trajectories"))[:201, 0], path["enzyme"][0].numpy())

    def test_what_feeds_back_aside_of_the_two_is_held(self):
        circuit = circuits.repressilator()
        assert Plane(circuit, "lacI", "tetR").held == {}
        switch = GeneNetwork(
            genes=tuple(
                Gene(
                    name=a,
                    regulation=HillProduct(regulators=(Regulator(source=b, activates=False),)),
                    mrna_decay=None,
                )
                for a, b in (("A", "B"), ("B", "A"), ("C", "D"), ("D", "C"))
            )
        )
        plane = Plane(switch, "A", "B", held={"C": 0.25})
        assert plane.following == ("D",)
        assert plane.held == {"C": 0.25}

    def test_perturbations_move_the_nullclines(self):
        circuit = circuits.toggle()
        bounds = ((0, 170), (0, 16))
        figure = plot.phase_plane(
            circuit, "lacI", "tetR", parameters={"lacI.expression_scale": 0.0}, bounds=bounds
        )
        assert np.abs(points_of(named(figure, "nullcline of lacI"))[:, 0]).max(initial=0) < 1e-12
        clamped = Plane(circuits.repressilator(), "lacI", "tetR", clamped={"cI": 100.0})
        assert clamped.held == {"cI": 100.0, "cI_mrna": 0.0} or "cI_mrna" in clamped.following

    def test_callables_and_delays_can_be_drawn(self):
        gene = Gene(
            name="A", regulation=Custom(function=lambda b: 2 / (1 + b * b), sources=("B",)), mrna_decay=None
        )
        slow = Regulator(source="A", delay=3.0)
        other = Gene(name="B", regulation=HillProduct(regulators=(slow,)), mrna_decay=None)
        figure = plot.phase_plane(GeneNetwork(genes=(gene, other)), "A", "B", bounds=((0, 3), (0, 3)))
        points = points_of(named(figure, "nullcline of A"))
        assert np.abs(2 / (1 + points[:, 1] ** 2) - points[:, 0]).max() < 1e-12

    @pytest.mark.parametrize(
        ("x", "y", "more", "message"),
        [
            ("lacI", "lacI", {}, "two different species"),
            ("lacI", "tetr", {}, "no species 'tetr'"),
            ("lacI", "tetR", {"clamped": {"tetR": 1.0}}, "'tetR' is clamped"),
            ("lacI", "tetR", {"bounds": ((2, 1), (0, 1))}, "must increase"),
        ],
    )
    def test_refusals(self, x, y, more, message):
        with pytest.raises(ValueError, match=message):
            plot.phase_plane(circuits.toggle(), x, y, **more)

    def test_a_nullcline_of_several_pieces(self):
        lines = np.linspace(-2, 2, 60)
        curves = nullcline(lambda x, y: x * y - 0.5, lines, lines)
        assert len(curves) == 2
        for curve in curves:
            assert np.abs(curve.prod(1) - 0.5).max() < 1e-14

    def test_a_jump_is_no_nullcline(self):
        lines = np.linspace(-2, 2, 60)
        assert nullcline(lambda x, y: np.where(x > 0.1, 1.0, -1.0) + 0 * y, lines, lines) == []


@pytest.fixture(scope="module")
def bistable():
    return continue_states(circuits.toggle(), "lacI.transcription", 15.0, 300.0, starts=8)


class TestBifurcation:
    def test_markers_sit_at_the_points_of_the_diagram(self, bistable):
        figure = plot.bifurcation(bistable, "tetR", current=156.25)
        marks = named(figure, "saddle-node")
        assert list(marks.x) == [point.parameter for point in bistable.saddle_nodes]
        assert list(marks.y) == [float(point.values[1]) for point in bistable.saddle_nodes]
        assert [note.text for note in figure.layout.annotations][:2] == [
            "saddle-node 28.88",
            "saddle-node 179.4",
        ]
        (line,) = figure.layout.shapes
        assert line.x0 == line.x1 == 156.25

    def test_lines_are_the_branches(self, bistable):
        figure = plot.bifurcation(bistable, "lacI")
        stable, unstable = named(figure, "stable"), named(figure, "unstable")
        assert (stable.line.dash, unstable.line.dash) == ("solid", "dash")
        drawn = {tuple(point) for point in points_of(stable)}
        for branch in bistable.branches:
            levels = branch.values[:, 0].numpy()
            wanted = set(zip(branch.parameter.numpy()[branch.stable], levels[branch.stable], strict=True))
            assert wanted <= drawn
        assert len(drawn) == sum(int(branch.stable.sum()) for branch in bistable.branches)

    def test_a_hopf_point_tells_its_period_and_an_oscillation_its_range(self):
        circuit = circuits.goodwin()
        diagram = continue_states(circuit, "enzyme.transcription", 4.0, 13.0, starts=4)
        states = steady_states(circuit, starts=4)
        figure = plot.bifurcation(diagram, "enzyme", current=11.486984, states=states)
        assert "period at onset 3.6276" in named(figure, "Hopf point").text[0]
        bar = named(figure, "oscillation, lowest to highest")
        assert list(bar.y) == [float(states[0].minimum[1]), float(states[0].maximum[1])]

    def test_lines_keep_all_their_points(self, bistable):
        """Plotly would leave some out, and a fold would have corners."""
        figure = plot.bifurcation(bistable, "lacI")
        assert named(figure, "stable").line.simplify is False

    def test_unknown_species(self, bistable):
        with pytest.raises(ValueError, match="no species 'lacl' in the diagram: those are lacI, tetR"):
            plot.bifurcation(bistable, "lacl")


def network_of(graph):
    return GeneNetwork.from_networkx(graph)


def random_network(genes, edges):
    graph = nx.DiGraph()
    graph.add_nodes_from(f"G{k}" for k in range(genes))
    random = nx.gnm_random_graph(genes, edges, seed=3, directed=True)
    graph.add_edges_from((f"G{a}", f"G{b}", {"sign": (-1) ** (a + b)}) for a, b in random.edges)
    graph.add_edge("G0", "G0", sign=1)
    return network_of(graph)


class TestRegulatoryGraph:
    @pytest.mark.parametrize(
        "network",
        [
            circuits.repressilator(),
            circuits.p53(),
            circuits.positive_autoregulation(),
            random_network(40, 90),
        ],
        ids=["repressilator", "p53", "loop", "forty"],
    )
    def test_every_edge_is_drawn_with_its_sign(self, network):
        figure = plot.regulatory_graph(network)
        genes = named(figure, "genes")
        place = {name: (x, y) for name, x, y in zip(genes.text, genes.x, genes.y, strict=True)}
        assert set(place) == set(network.names)
        for sign, kind, symbol in ((1, "activation", "arrow"), (-1, "repression", "line-ew-open")):
            wanted = sorted((a, b) for a, b, s in network.edges if s == sign)
            if not wanted:
                continue
            heads, lines = named(figure, kind), named(figure, plot.graph.LEGEND[sign])
            assert heads.marker.symbol == symbol
            ends = np.array([heads.x, heads.y], float).T[1::3]
            targets = [min(place, key=lambda n, e=end: np.hypot(*(np.array(place[n]) - e))) for end in ends]
            assert sorted(targets) == sorted(b for _, b in wanted)
            points = np.array([lines.x, lines.y], float).T
            starts = points[np.r_[True, np.isnan(points[:-1, 0])]]
            sources = [min(place, key=lambda n, s=s: np.hypot(*(np.array(place[n]) - s))) for s in starts]
            assert sorted(zip(sources, targets, strict=True)) == wanted

    def test_the_layout_repeats_and_keeps_genes_apart(self):
        network = random_network(100, 220)
        first, second = (plot.regulatory_graph(network).to_json() for _ in range(2))
        assert first == second
        genes = named(plot.regulatory_graph(network), "genes")
        points = np.array([genes.x, genes.y]).T
        apart = np.hypot(*(points[:, None] - points).transpose(2, 0, 1)) + 9 * np.eye(100)
        assert apart.min() > 0.05

    def test_the_pointer_tells_promoter_and_parameters(self):
        genes = named(plot.regulatory_graph(circuits.repressilator()), "genes")
        told = dict(zip(genes.text, genes.hovertext, strict=True))["lacI"]
        assert "HillProduct: repression by cI" in told
        assert "threshold.cI = 40" in told
        rules = named(plot.regulatory_graph(BooleanNetwork({"A": "not B", "B": "A"})), "genes")
        assert rules.hovertext[0] == "<b>A</b><br>on if not B"

    def test_a_gene_that_is_knocked_out_is_grey_and_crossed(self):
        figure = plot.regulatory_graph(circuits.repressilator(), removed=["lacI"])
        genes = named(figure, "genes")
        colors = dict(zip(genes.text, genes.marker.color, strict=True))
        assert colors["lacI"] != colors["tetR"] == colors["cI"]
        assert "(knocked out)" in genes.hovertext[genes.text.index("lacI")]
        cross = named(figure, "✕ knocked out")
        place = genes.text.index("lacI")
        assert (cross.x[0], cross.y[0]) == (genes.x[place], genes.y[place])
        assert named(figure, "⊣ repression, without effect").line.dash == "dash"
        assert len(named(figure, "repression").x) == 3  # the one edge left
        assert sum("lacI knocked out" in text for text in named(figure, "effects").text) == 2
        with pytest.raises(ValueError, match="no gene 'x' to remove"):
            plot.regulatory_graph(circuits.repressilator(), removed=["x"])

    def test_both_and_unknown_signs(self):
        gene = Gene(name="A", regulation=Custom(function=lambda a: a, sources=("A",)))
        figure = plot.regulatory_graph(GeneNetwork(genes=(gene,)))
        assert named(figure, "regulation").marker.symbol == "circle-open"

    def test_names_are_escaped(self):
        figure = plot.regulatory_graph(GeneNetwork(genes=(Gene(name="<b>x"),)))
        assert named(figure, "genes").text == ("&lt;b&gt;x",)
