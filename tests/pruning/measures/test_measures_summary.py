"""The table of one snapshot."""

import math
import time

import numpy as np
import pytest
import torch
from measured_graphs import links_of, random_links
from torch import nn

from pruning import ConstantSchedule, PruningController, RandomGating
from pruning.topology import unit_links
from pruning.topology.measures import against_null, square_clustering, summary


def test_the_table_holds_what_the_measures_say():
    links = random_links((12, 15, 8), 0.3, 0)
    found = summary(links, samples=5, seed=2)
    assert (found.nodes, found.links) == (35, len(links))
    assert found.measures["square clustering"] == against_null(square_clustering, links, samples=5, seed=2)
    assert found.measures["effective depth"].value == pytest.approx(2)
    assert {tail.verdict for tail in found.tails.values()} == {"too short"}
    assert set(found.tails) == {("c0", "out"), ("c1", "in"), ("c1", "out"), ("c2", "in")}
    clustering, distance = found.measures["square clustering"], found.measures["mean distance"]
    ratio = (clustering.value / clustering.null_mean) / (distance.value / distance.null_mean)
    assert found.sigma == pytest.approx(ratio)
    lines = found.table().splitlines()
    assert len(lines) == 1 + len(found.measures)
    assert lines[0].split() == ["measure", "value", "null", "mean", "null", "std", "z", "p"]
    assert any(line.startswith("singular value c0 -> c1") for line in lines)
    assert found.table() == summary(links, samples=5, seed=2).table()


def test_complete_columns_have_a_table_without_z():
    found = summary(random_links((5, 6, 4), 1.0, 0), samples=3)
    assert all(each.z is None and each.note for each in found.measures.values())
    assert found.measures["log10 of paths"].value == pytest.approx(math.log10(5 * 6 * 4))
    assert found.measures["assortativity out-in"].value == pytest.approx(-1)  # of two pairs of columns
    alone = summary(random_links((5, 6), 1.0, 0), samples=3)
    assert math.isnan(alone.measures["assortativity out-in"].value)
    assert alone.measures["assortativity out-in"].note == "undefined for this graph"
    assert "no other graph has these degrees" in found.table()


def test_silent_networks_have_a_table_too():
    found = summary(links_of((3, 2, 2), []), samples=3)
    assert found.links == 0
    assert found.measures["unreachable units"].value == 4
    assert found.measures["log10 of paths"].value == -math.inf
    assert found.tails == {}
    found.table()


def test_a_grouped_convolution_is_held_in_its_groups():
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(2, 8, 3), nn.Conv2d(8, 8, 3, groups=2), nn.Flatten(), nn.Linear(8 * 16, 5)
    )
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    controller = PruningController(
        model,
        optimizer,
        policy=RandomGating(),
        schedule=ConstantSchedule(final_sparsity=0.95),
        total_steps=1,
        update_every=1,
    )
    model(torch.randn(2, 2, 8, 8)).square().mean().backward()
    optimizer.step()
    snapshot = controller.history[-1]
    links = unit_links(snapshot)
    found = summary(links, layers=snapshot.layers, samples=3)
    grouped = next(each for each in found.densities if each.target == "1")
    assert grouped.pairs == 32  # 8 x 8 in two groups
    assert grouped.gate_density == next(layer.density for layer in snapshot.layers if layer.name == "1")
    assert sum(each.gates for each in found.densities) >= snapshot.live


def test_a_hundred_thousand_links_take_seconds():
    links = random_links((400, 500, 400, 300, 100), 0.18, 0)
    assert len(links) > 90_000
    begun = time.process_time()
    found = summary(links, samples=2)
    assert time.process_time() - begun < 10  # 1 s on an idle core; processor time, as others may run
    assert np.isfinite([each.value for each in found.measures.values()]).all()
