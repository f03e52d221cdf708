"""Snapshots, graphs and paths."""

import json
from collections import OrderedDict

import networkx as nx
import numpy as np
import pytest
import torch
from torch import nn

from pruning import CubicSchedule, GatingDecision, PruningController, TopologySnapshot
from pruning.gates import Gates
from pruning.topology import Feed, chain_wiring, find_wiring, unit_links
from pruning.topology.measures import count_paths


class Fixed:
    needs_gradient = False

    def __init__(self, mask):
        self.mask = mask

    def decide(self, context, state):
        return GatingDecision(mask=self.mask)


def snapshot_of(model, masks, granularity="weight"):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    flat = torch.cat([torch.as_tensor(mask, dtype=torch.bool).flatten() for mask in masks])
    controller = PruningController(
        model,
        optimizer,
        policy=Fixed(flat),
        schedule=CubicSchedule(final_sparsity=0.0),
        total_steps=1,
        update_every=1,
        granularity=granularity,
        minimum_layer_density=0.0,
    )
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    return controller.history[-1]


def test_graph_of_a_chain_by_hand():
    model = nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 1))
    snapshot = snapshot_of(model, [[[1, 0, 0], [0, 1, 1]], [[0, 1]]])
    graph = snapshot.to_digraph()
    assert sorted(graph.edges) == [((0, 0), (1, 0)), ((0, 1), (1, 1)), ((0, 2), (1, 1)), ((1, 1), (2, 0))]
    assert graph.nodes[0, 2] == {"layer": "input", "unit": 2}
    assert graph.nodes[1, 1] == {"layer": "0", "unit": 1}
    assert graph.nodes[2, 0] == {"layer": "2", "unit": 0}
    assert len(graph) == 6
    assert snapshot.dead_ends() == {"0": 1, "2": 0}  # input 0 feeds a unit that nothing reads
    assert not nx.has_path(graph, (0, 0), (2, 0))


def test_dead_ends_agree_with_a_search_of_the_graph():
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        model = nn.Sequential(
            nn.Conv2d(2, 4, 3), nn.Conv2d(4, 6, 3, groups=2), nn.Flatten(), nn.Linear(24, 3)
        )
        masks = [
            torch.rand(module.weight.shape, generator=generator) < 0.08
            for module in model
            if hasattr(module, "weight")
        ]
        snapshot = snapshot_of(model, masks)
        graph = snapshot.to_digraph()
        reached = set().union(*(nx.descendants(graph, (0, unit)) | {(0, unit)} for unit in range(2)))
        useful = set().union(*(nx.ancestors(graph, (3, unit)) | {(3, unit)} for unit in range(3)))
        dead = {"0": 0, "1": 0, "3": 0}
        names = {1: "0", 2: "1", 3: "3"}
        for source, target, weight in graph.edges(data="weight"):
            if source not in reached or target not in useful:
                dead[names[target[0]]] += weight
        assert snapshot.dead_ends() == dead


def test_reachability_is_what_the_network_computes():
    """A dead connection's weight cannot move the output of a network without biases; a live path's can."""
    torch.manual_seed(1)
    for trial in range(10):
        model = nn.Sequential(
            nn.Linear(5, 6, bias=False), nn.Linear(6, 5, bias=False), nn.Linear(5, 2, bias=False)
        ).double()
        generator = torch.Generator().manual_seed(trial)
        masks = [torch.rand(layer.weight.shape, generator=generator) < 0.3 for layer in model]
        snapshot = snapshot_of(model, masks)
        with torch.no_grad():
            for layer in model:
                layer.weight.abs_()
        model(torch.ones(1, 5, dtype=torch.float64)).sum().backward()
        for layer, mask, dead in zip(model, masks, snapshot.dead_ends().values(), strict=True):
            silent_paths = (mask & (layer.weight.grad == 0)).sum() if layer.weight.grad is not None else 0
            assert int(silent_paths) == dead


def test_graph_weights_count_kernel_elements_groups_and_flattened_maps():
    model = nn.Sequential(nn.Conv2d(2, 4, 2, groups=2), nn.Flatten(), nn.Linear(16, 3))
    first = torch.zeros(4, 1, 2, 2)
    first[3, 0, 0] = 1  # two weights from input 1 to channel 3
    last = torch.zeros(3, 16)
    last[1, 12:15] = 1  # three weights from the map of channel 3
    graph = snapshot_of(model, [first, last]).to_digraph()
    assert dict(graph.edges[(0, 1), (1, 3)]) == {"weight": 2}
    assert dict(graph.edges[(1, 3), (2, 1)]) == {"weight": 3}
    assert graph.number_of_edges() == 2


@pytest.mark.parametrize("groups", [1, 4])
def test_unit_gates_give_every_edge_of_a_live_unit(groups):
    model = nn.Sequential(nn.Conv2d(4, 4, 3, groups=groups))
    graph = snapshot_of(model, [[1, 0, 0, 1]], "unit").to_digraph()
    targets = [target[1] for _, target in graph.edges]
    assert sorted(set(targets)) == [0, 3]
    assert len(targets) == 2 * 4 // groups
    if groups == 4:
        assert sorted(graph.edges) == [((0, 0), (1, 0)), ((0, 3), (1, 3))]


def test_named_sources_draw_a_skip_and_bad_ones_are_refused():
    model = nn.ModuleDict({"a": nn.Linear(3, 4), "b": nn.Linear(4, 4), "skip": nn.Linear(3, 4)})
    snapshot = snapshot_of(model, [torch.ones(4, 3), torch.ones(4, 4), torch.ones(4, 3)])
    graph = snapshot.to_digraph(sources={"a": None, "b": "a", "skip": None})
    assert {data["layer"] for _, data in graph.nodes(data=True)} == {
        "input",
        "a",
        "b",
        "skip",
        "input of skip",
    }
    with pytest.raises(ValueError, match=r"source of layer 'skip' must be an earlier gated layer .* got 'b'"):
        snapshot.to_digraph(sources={"a": None, "b": "a", "skip": "b"})
    sources = [feed.source for (feed,) in chain_wiring(snapshot.layers).values()]
    assert sources == ["input", "a", "input of skip"]


def test_expression_on_edges_is_the_mean_over_live_gates(start):
    run = start("expression", granularity="weight")
    run.step(30)
    snapshot, expression = run.controller.history[-1], run.controller.expression
    graph = snapshot.to_digraph(expression=expression)
    layer = run.controller.gates.layers[0]
    mask = torch.from_numpy(snapshot.mask("0"))[0]
    values = expression[layer.slice].view(4, 1, 9)
    for (_, _), (_, target), data in graph.edges(data=True):
        if data["weight"] and (1, target) in graph and graph.has_edge((0, 0), (1, target)):
            live = mask[target, 0]
            expected = values[target, 0][live].mean().item()
            assert graph.edges[(0, 0), (1, target)]["expression"] == pytest.approx(expected, rel=1e-5)
    assert any(0 < data["expression"] < 1 for *_, data in graph.edges(data=True))


def test_history_counts_births_deaths_and_churn(start):
    for policy in ("expression", "rigl", "heuristic", "literal"):
        run = start(policy)
        previous = run.controller.mask
        for _ in range(60):
            run.step()
            mask = run.controller.mask
            if run.controller.history and run.controller.history[-1].step == run.controller.steps:
                snapshot = run.controller.history[-1]
                assert snapshot.born == int((mask & ~previous).sum())
                assert snapshot.died == int((previous & ~mask).sum())
                assert snapshot.churn == pytest.approx(float((mask ^ previous).float().mean()))
                assert snapshot.live == int(mask.sum()) == sum(layer.live for layer in snapshot.layers)
                joined = np.concatenate([snapshot.mask(layer.name).ravel() for layer in snapshot.layers])
                assert np.array_equal(joined, mask.numpy())
            previous = mask


def test_record_is_json_and_snapshot_survives_its_state(start):
    run = start("expression")
    run.step(30)
    run.controller.end_epoch(0.4)
    run.step(3)
    snapshot = run.controller.history[-1]
    record = json.loads(json.dumps(snapshot.to_record()))
    assert record["epoch"] == 1
    assert record["layer_density"]["6"] == snapshot.layers[2].live / snapshot.layers[2].total
    assert len(record["sample_live"]) == len(record["sample_expression"]) == 64
    copy = TopologySnapshot.from_state_dict(snapshot.state_dict(), run.controller.gates)
    assert copy.to_record() == snapshot.to_record()
    assert np.array_equal(copy.mask("3"), snapshot.mask("3"))
    with pytest.raises(KeyError, match="no gated layer 'conv9'"):
        snapshot.mask("conv9")


def test_a_layer_may_read_a_sum_and_a_concatenation():
    """c reads a + b, d reads a beside b: each unit of a and b feeds one input of c and its own of d."""
    model = nn.ModuleDict(
        {"a": nn.Linear(3, 2), "b": nn.Linear(3, 2), "c": nn.Linear(2, 1), "d": nn.Linear(4, 1)}
    )
    masks = [
        torch.ones(2, 3),
        torch.tensor([[1, 1, 1], [0, 0, 0]]),
        torch.tensor([1, 0]),
        torch.tensor([0, 1, 0, 1]),
    ]
    snapshot = snapshot_of(model, masks)
    image, same, none = np.arange(3), np.arange(2), np.full(2, -1)
    wiring = {
        "a": (Feed(source="input", units=image),),
        "b": (Feed(source="input", units=image),),
        "c": (Feed(source="a", units=same), Feed(source="b", units=same)),
        "d": (
            Feed(source="a", units=np.concatenate([same, none])),
            Feed(source="b", units=np.concatenate([none, same])),
        ),
    }
    graph = snapshot.to_digraph(wiring)
    columns = {data["layer"]: node[0] for node, data in graph.nodes(data=True)}
    assert columns == {"input": 0, "a": 1, "b": 2, "c": 3, "d": 4}
    assert set(graph.in_edges((3, 0))) == {((1, 0), (3, 0)), ((2, 0), (3, 0))}
    assert set(graph.in_edges((4, 0))) == {((1, 1), (4, 0)), ((2, 1), (4, 0))}
    # Unit 1 of b has no input left, so d's gate on it computes nothing; unit 1 of a feeds d alone.
    assert snapshot.dead_ends(wiring) == {"a": 0, "b": 0, "c": 0, "d": 1}
    with pytest.raises(ValueError, match="'d' is missing"):
        snapshot.to_digraph({name: feeds for name, feeds in wiring.items() if name != "d"})
    with pytest.raises(ValueError, match=r"a unit for each of its 2 inputs, got shape \(4,\)"):
        snapshot.to_digraph(wiring | {"c": wiring["d"]})
    with pytest.raises(ValueError, match="must be fed by an earlier layer or an input, got 'd'"):
        snapshot.to_digraph(wiring | {"c": (Feed(source="d", units=same),)})
    with pytest.raises(ValueError, match="must name units from -1 to 1, got 0 to 2"):
        snapshot.to_digraph(wiring | {"c": (Feed(source="a", units=2 * same),)})


def test_names_and_feeds_are_not_mixed():
    model = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1))
    snapshot = snapshot_of(model, [torch.ones(2, 3), torch.ones(1, 2)])
    mixed = {"0": None, "1": (Feed(source="0", units=np.arange(2)),)}
    for method in (snapshot.to_digraph, snapshot.dead_ends):
        with pytest.raises(ValueError, match="feeds for '1' and a name for '0'"):
            method(mixed)


@pytest.mark.parametrize("draw", ["chain", "found"])
def test_a_layer_may_be_called_input(draw):
    """Its units and those of the network's input are told apart."""
    model = nn.Sequential(OrderedDict(input=nn.Linear(2, 2), head=nn.Linear(2, 1)))
    snapshot = snapshot_of(model, [[[0, 1], [0, 0]], [[1, 1]]])
    gates = Gates(model)
    wiring = chain_wiring(snapshot.layers) if draw == "chain" else find_wiring(model, gates, torch.rand(1, 2))
    assert [feed.source for feeds in wiring.values() for feed in feeds] == ["network's input", "input"]
    graph = snapshot.to_digraph(wiring)
    assert graph.nodes[0, 1] == {"layer": "network's input", "unit": 1}
    assert sorted(graph.edges) == [((0, 1), (1, 0)), ((1, 0), (2, 0)), ((1, 1), (2, 0))]
    assert snapshot.dead_ends(wiring) == {"input": 0, "head": 1}  # unit 1 of input reads nothing
    assert count_paths(unit_links(snapshot, wiring)).log_total == 0.0
    own = {"input": (Feed(source="input", units=np.arange(2)),), "head": wiring["head"]}
    with pytest.raises(ValueError, match="got 'input', which is a layer that comes later or itself"):
        snapshot.dead_ends(own)


def test_several_inputs_found_are_all_where_paths_begin():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.left, self.right, self.head = nn.Linear(2, 2), nn.Linear(3, 2), nn.Linear(2, 1)

        def forward(self, one, other):
            return self.head(self.left(one) + self.right(other))

    model = Two()
    snapshot = snapshot_of(model, [torch.ones(2, 2), torch.ones(2, 3), torch.ones(1, 2)])
    links = unit_links(snapshot, find_wiring(model, Gates(model), (torch.rand(1, 2), torch.rand(1, 3))))
    assert [column.name for column in links.columns if column.is_input] == ["input 1", "input 2"]
    assert np.exp(count_paths(links).log_total) == pytest.approx(2 * 2 + 3 * 2)


@pytest.mark.parametrize(
    ("first", "second", "dead"),
    [
        ([1, 1, 0], [0, 0, 0, 0], {"0": 2, "2": 0}),
        ([0, 0, 0], [1, 0, 1, 1], {"0": 0, "2": 3}),
        ([1, 0, 0], [1, 0, 0, 1], {"0": 0, "2": 0}),
    ],
)
def test_dead_units_are_counted_once(first, second, dead):
    """A unit's gate is dead where nothing arrives at the unit or nothing reads it, however much it reads."""
    model = nn.Sequential(nn.Linear(5, 3), nn.ReLU(), nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    assert snapshot_of(model, [first, second], "unit").dead_ends() == dead


def test_a_grouped_unit_needs_what_its_own_group_reads():
    model = nn.Sequential(nn.Conv2d(1, 4, 1), nn.Conv2d(4, 4, 1, groups=2), nn.Conv2d(4, 1, 1))
    snapshot = snapshot_of(model, [[1, 0, 0, 0], [1, 1, 1, 0]], "unit")
    # Units 2 and 3 of the first are silent, so unit 2 of the second, in their group, reads nothing.
    assert snapshot.dead_ends() == {"0": 0, "1": 1}
