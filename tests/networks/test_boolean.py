"""Boolean networks: published fixed points, and attractors against a brute-force search with networkx."""

from __future__ import annotations

import itertools
import pickle
from pathlib import Path

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grn.networks.io.boolode import read_boolode
from grn.networks.logic import attractors as attractors_module
from grn.networks.logic.boolean import BooleanNetwork
from grn.networks.logic.rules import parse_rule

MODELS = Path(__file__).resolve().parents[3] / "shared" / "data" / "grn" / "boolode"


def random_network(seed, genes=5):
    rng = np.random.default_rng(seed)
    names = [f"g{i}" for i in range(genes)]

    def literal():
        return ("not " if rng.random() < 0.5 else "") + names[rng.integers(genes)]

    def rule():
        first, second = rng.choice(["and", "or"], 2)
        return f"{literal()} {first} ({literal()} {second} {literal()})"

    return BooleanNetwork({name: rule() for name in names})


def brute_force_graph(network, update):
    graph = nx.DiGraph()
    for state in itertools.product((False, True), repeat=len(network.genes)):
        values = dict(zip(network.genes, state, strict=True))
        image = tuple(rule.evaluate(values) for rule in network.rules.values())
        graph.add_node(state)
        if update == "synchronous":
            graph.add_edge(state, image)
        else:
            for gene, level in enumerate(image):
                graph.add_edge(state, (*state[:gene], level, *state[gene + 1 :]))
    return graph


def brute_force_attractors(network, update):
    graph = brute_force_graph(network, update)
    return {
        (frozenset(states), len(states | set().union(*(nx.ancestors(graph, state) for state in states))))
        for states in nx.attracting_components(graph)
    }


def as_sets(attractors):
    return {(frozenset(map(tuple, a.states.tolist())), a.basin) for a in attractors}


@pytest.mark.parametrize("update", ["synchronous", "asynchronous"])
@given(seed=st.integers(0, 10_000), genes=st.integers(1, 6))
@settings(max_examples=60, deadline=None)
def test_attractors_and_basins_agree_with_brute_force(update, seed, genes):
    network = random_network(seed, genes)
    found = network.attractors(update=update)
    assert as_sets(found) == brute_force_attractors(network, update)
    assert all(a.update == update for a in found)
    first = [tuple(a.states[0]) for a in found]
    assert first == sorted(first)


@pytest.mark.parametrize(("name", "count"), [("mCAD", 2), ("VSC", 5), ("HSC", 6), ("GSD", 3)])
def test_published_models_have_their_known_fixed_points_and_no_other_asynchronous_attractor(name, count):
    path = MODELS / f"{name}.txt"
    if not path.is_file():
        pytest.skip(f"BoolODE's models are not here: no {path.name} in the data folder beside the repository")
    network = read_boolode(path)
    fixed = network.fixed_points()
    assert fixed.shape == (count, len(network.genes))
    np.testing.assert_array_equal(network.step(fixed), fixed)
    found = network.attractors(update="asynchronous")
    assert all(attractor.is_fixed_point for attractor in found)
    np.testing.assert_array_equal(np.concatenate([attractor.states for attractor in found]), fixed)
    together = [a.states[0] for a in network.attractors(update="synchronous") if a.is_fixed_point]
    np.testing.assert_array_equal(together, fixed)


def test_synchronous_cycle_is_in_the_order_of_its_visits_and_basins_fill_the_space():
    network = random_network(7, 9)
    found = network.attractors(update="synchronous")
    for attractor in found:
        np.testing.assert_array_equal(network.step(attractor.states), np.roll(attractor.states, -1, axis=0))
    assert sum(attractor.basin for attractor in found) == 2**9


def test_a_long_asynchronous_attractor_is_found_whole():
    # Every gene forgets what it was: from any state any other can be reached.
    (attractor,) = BooleanNetwork({f"g{i}": f"not g{i}" for i in range(10)}).attractors(update="asynchronous")
    assert attractor.states.shape == (1024, 10)
    assert attractor.basin == 1024
    assert not attractor.is_fixed_point


def test_many_cyclic_attractors_behind_free_inputs_are_all_found():
    # 2^9 settings of the inputs, more than one batch of walkers; each has the ring's one attractor.
    inputs = {f"i{i}": f"i{i}" for i in range(9)}
    ring = {"A": "not C", "B": "A", "C": "B"}
    found = BooleanNetwork({**inputs, **ring}).attractors(update="asynchronous")
    assert len(found) == 512
    assert {(len(a.states), a.basin) for a in found} == {(6, 8)}


def test_too_many_attractors_are_refused(monkeypatch):
    monkeypatch.setattr(attractors_module, "MAX_ATTRACTORS", 15)
    network = BooleanNetwork({name: name for name in "ABCD"})
    for update in ("synchronous", "asynchronous"):
        with pytest.raises(
            ValueError, match="more than 15 attractors, the limit; make its free inputs constant"
        ):
            network.attractors(update=update)
    rings = {**{name: name for name in "ABCD"}, "E": "not F", "F": "E"}
    with pytest.raises(ValueError, match="more than 15 attractors"):
        BooleanNetwork(rings).attractors(update="asynchronous")


def test_a_state_graph_too_large_for_memory_is_refused(monkeypatch):
    monkeypatch.setattr(attractors_module, "MAX_TRANSITIONS", 100)
    network = BooleanNetwork({f"g{i}": f"not g{i}" for i in range(6)})
    with pytest.raises(ValueError, match="64 states and 384 transitions, the limit is 100"):
        network.attractors(update="asynchronous")


def test_more_genes_than_can_be_searched_are_refused():
    network = BooleanNetwork({f"g{i}": "1" for i in range(25)})
    for search in (
        network.fixed_points,
        lambda: network.attractors(update="synchronous"),
        lambda: network.attractors(update="asynchronous"),
    ):
        with pytest.raises(ValueError, match="limited to 24 genes, this network has 25; sample instead"):
            search()
    with pytest.raises(ValueError, match="update must be one of synchronous, asynchronous, got 'random'"):
        BooleanNetwork({"A": "A"}).attractors(update="random")


def test_fixed_points_across_blocks_of_states():
    # 18 genes are four blocks; a chain of copies is on or off as a whole.
    chain = BooleanNetwork({f"g{i}": f"g{max(i - 1, 0)}" for i in range(18)})
    fixed = chain.fixed_points()
    assert fixed.sum(axis=1).tolist() == [0, 18]
    assert [a.basin for a in chain.attractors(update="synchronous")] == [2**17, 2**17]


def test_knock_out_and_over_expression_replace_the_rule():
    switch = BooleanNetwork({"A": "not B", "B": "not A"})
    assert switch.with_fixed({"A": False}).fixed_points().tolist() == [[False, True]]
    assert switch.with_fixed({"A": True}).rules["A"] == parse_rule("1")
    assert switch.rules["A"] == parse_rule("not B")
    with pytest.raises(ValueError, match="'C' is not a gene of the network"):
        switch.with_fixed({"C": True})
    with pytest.raises(TypeError, match="the level of 'A' must be True or False, got 1"):
        switch.with_fixed({"A": 1})


@pytest.mark.parametrize(
    ("rules", "error", "message"),
    [
        ({}, ValueError, "at least one gene, got no rules"),
        ([("A", "A")], TypeError, "rules must be a mapping of gene to rule, got list"),
        ({"A": "B"}, ValueError, "rule of 'A': 'B' is not a gene of the network$"),
        ({"Gata1": "Gata"}, ValueError, "rule of 'Gata1': 'Gata' is not a gene .*; did you mean 'Gata1'?"),
        ({"A": "A and"}, ValueError, "rule of 'A': position 6: expected a gene"),
        ({"A": True}, TypeError, "rule of 'A' must be a str, got bool"),
        ({"not": "1"}, ValueError, "a gene's name must be .* got 'not'"),
        ({"A B": "1"}, ValueError, "got 'A B'"),
        ({1: "1"}, ValueError, "got 1"),
    ],
)
def test_bad_networks_are_refused(rules, error, message):
    with pytest.raises(error, match=message):
        BooleanNetwork(rules)


def test_networks_are_values():
    network = BooleanNetwork({"A": "A & B", "B": parse_rule("not A")})
    same = BooleanNetwork({"A": "A and B", "B": "!A"})
    assert network == same
    assert hash(network) == hash(same)
    assert network != BooleanNetwork({"B": "!A", "A": "A and B"})  # the columns of its states are exchanged
    assert network != "network"
    assert pickle.loads(pickle.dumps(network)) == network
    with pytest.raises(TypeError):
        network.rules["A"] = parse_rule("1")


def test_synchronous_trajectories_follow_step():
    network = random_network(3, 6)
    start = np.random.default_rng(0).random((4, 6)) < 0.5
    path = network.simulate(start, 5)
    assert path.shape == (4, 6, 6)
    for time in range(5):
        np.testing.assert_array_equal(path[:, time + 1], network.step(path[:, time]))


def test_asynchronous_steps_set_one_gene_to_its_rule_and_choose_evenly():
    network = BooleanNetwork({f"g{i}": f"not g{i}" for i in range(4)})  # every update shows
    path = network.simulate(np.zeros((50, 4), dtype=bool), 200, update="asynchronous", seed=1)
    changed = path[:, 1:] != path[:, :-1]
    assert (changed.sum(axis=2) == 1).all()
    # 10,000 choices among 4: a standard deviation of 0.0043; 0.02 is more than four.
    np.testing.assert_allclose(changed.mean(axis=(0, 1)), 0.25, atol=0.02)


def test_a_trajectory_depends_on_its_seed_and_number_alone():
    network = random_network(11, 6)
    start = np.random.default_rng(0).random((5, 6)) < 0.5
    five = network.simulate(start, 40, update="asynchronous", seed=3)
    np.testing.assert_array_equal(network.simulate(start[:2], 40, update="asynchronous", seed=3), five[:2])
    np.testing.assert_array_equal(network.simulate(start, 15, update="asynchronous", seed=3), five[:, :16])
    assert (network.simulate(start, 40, update="asynchronous", seed=4) != five).any()
    same = network.simulate(np.repeat(start[:1], 2, axis=0), 40, update="asynchronous", seed=3)
    assert (same[0] != same[1]).any()


def test_asynchronous_walks_end_in_the_attractors():
    network = random_network(5, 6)
    inside = set().union(*(states for states, _ in as_sets(network.attractors(update="asynchronous"))))
    start = np.random.default_rng(1).random((64, 6)) < 0.5
    # From each of 64 states some path of a few right choices of 6 leads in; 2,000 steps miss none.
    ends = network.simulate(start, 2_000, update="asynchronous")[:, -1]
    assert {tuple(end) for end in ends.tolist()} <= inside


def test_starts_in_every_form():
    network = BooleanNetwork({"A": "B", "B": "A"})
    by_name = network.simulate({"B": True}, 1)
    np.testing.assert_array_equal(by_name, network.simulate(np.array([False, True]), 1))
    assert by_name.tolist() == [[[False, True], [True, False]]]
    assert network.simulate({}, 0).shape == (1, 1, 2)
    assert network.simulate(np.zeros((0, 2), dtype=bool), 3, update="asynchronous").shape == (0, 4, 2)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (({"C": True}, 1), ValueError, "'C' is not a gene of the network"),
        (({"A": 1}, 1), TypeError, "the level of 'A' must be True or False, got 1"),
        ((np.zeros(2), 1), TypeError, "start must be Boolean, got float64"),
        ((np.zeros(3, dtype=bool), 1), ValueError, r"one column for each of the 2 genes, got shape \(1, 3\)"),
        ((np.zeros((1, 1, 2), dtype=bool), 1), ValueError, r"got shape \(1, 1, 2\)"),
        (({}, -1), ValueError, "steps must not be negative, got -1"),
        (({}, 1.5), TypeError, "steps must be an integer, got 1.5"),
        (({}, True), TypeError, "steps must be an integer, got True"),
    ],
)
def test_bad_simulations_are_refused(arguments, error, message):
    network = BooleanNetwork({"A": "B", "B": "A"})
    with pytest.raises(error, match=message):
        network.simulate(*arguments)


def test_bad_update_and_seed_are_refused():
    network = BooleanNetwork({"A": "A"})
    with pytest.raises(ValueError, match="update must be one of synchronous, asynchronous, got 'both'"):
        network.simulate({}, 1, update="both")
    with pytest.raises(ValueError, match="seed must not be negative, got -1"):
        network.simulate({}, 1, update="asynchronous", seed=-1)
