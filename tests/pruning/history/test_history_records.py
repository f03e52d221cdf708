"""A history on disk gives back what was put in."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from made_histories import LAYERS, expression_at, frames, layer, masks_at, read_all, same, snapshot, write

from pruning import ExpressionGating
from pruning.topology import TopologyHistory
from pruning.topology.history_frame import DIFFERENCE, WHOLE

POLICIES = ["magnitude", "random", "smoothed", "heuristic", "literal", "set", "rigl", "expression", "schmitt"]
WITH_EXPRESSION = {"smoothed", "expression", "schmitt"}


@pytest.mark.parametrize("granularity", ["weight", "connection", "unit"])
@pytest.mark.parametrize("policy", POLICIES)
def test_a_run_comes_back_as_it_was(start, path, policy, granularity):
    run = start(policy, granularity=granularity, sparsity=0.5)
    controller = run.controller
    shown = []
    with TopologyHistory.create(path, controller.layers, sample=40) as history:
        controller.observers += [
            history.record,
            lambda update: shown.append(
                [None if v is None else v.clone() for v in (update.live, update.protein, update.mrna)]
            ),
        ]
        run.step(60)
    with TopologyHistory.open(path) as history:
        assert len(history) == len(controller.history) > 10
        assert all(same(*pair) for pair in zip(history, controller.history, strict=True))
        assert history.steps.tolist() == [one.step for one in controller.history]
        assert [one.name for one in history.layers] == [one.name for one in controller.gates.layers]
        for (_, summary), (live, protein, mrna) in zip(history.records(), shown, strict=True):
            assert (summary is None) == (policy not in WITH_EXPRESSION)
            if summary is None:
                continue
            levels = protein.numpy()
            assert np.array_equal(summary.live, live.numpy()[history.sample])
            assert np.array_equal(summary.protein, levels[history.sample].astype(np.float16))
            assert np.array_equal(summary.mrna, mrna.numpy()[history.sample].astype(np.float16))
            assert summary.importance.shape == history.sample.shape
            for counts, own in zip(summary.histogram, controller.gates.layers, strict=True):
                expected, _ = np.histogram(levels[own.slice].astype(np.float64), 32, (0.0, 1.0))
                assert counts.tolist() == expected.tolist()


def test_importance_is_what_the_policy_decided_on(start, path):
    """Of the expression policy K is the importance at the budget's edge: as many are induced above 1."""
    run = start(ExpressionGating(backend="torch"))
    with TopologyHistory.create(path, run.controller.layers) as history:
        run.controller.observers.append(history.record)
        run.step(60)
        for record, summary in history.records(masks=False):
            assert len(history.sample) == run.controller.total_connections == 300
            # target_sparsity is measured over all gates, and the budget keeps so many
            assert (summary.induction(record.threshold) >= 1.0).sum() == record.live


def test_masks_lie_on_disk_alone(start, path):
    kept, bare = start("expression"), start("expression", keep_masks=False)
    with TopologyHistory.create(path, bare.controller.layers) as history:
        bare.controller.observers.append(history.record)
        kept.step(60), bare.step(60)
        assert all(one.packed_masks is None for one in bare.controller.history)
        assert all(same(*pair) for pair in zip(history, kept.controller.history, strict=True))
    assert torch.equal(kept.controller.mask, bare.controller.mask)  # to be observed changes nothing


class Clock:
    """Time that passes when it is told to."""

    def __init__(self):
        self.now = 0.0

    def perf_counter(self):
        return self.now


def test_observers_see_updates_alone_and_their_time_is_counted_apart(start, monkeypatch):
    run, clock = start("expression", keep_masks=False), Clock()
    monkeypatch.setattr("pruning.controller.time", clock)
    seen = []

    def slow(update):
        assert torch.equal(update.live, run.controller.mask)
        seen.append(update.snapshot.step)
        clock.now += 8.0

    run.controller.observers.append(slow)
    run.step(60)
    assert seen == [one.step for one in run.controller.history]
    assert run.controller.observer_seconds == 8.0 * len(seen) > 0
    assert run.controller.seconds == 0.0


@pytest.mark.parametrize("keep_masks", [False, True])
@pytest.mark.parametrize("observed", [False, True])
def test_the_controllers_time_is_the_same_observed_or_not(start, monkeypatch, keep_masks, observed):
    """Masks packed for observers alone are their time, those that the controller keeps are its own."""
    run, clock = start("expression", keep_masks=keep_masks), Clock()
    monkeypatch.setattr("pruning.controller.time", clock)
    pack = np.packbits

    def slow(*arguments):
        clock.now += 2.0
        return pack(*arguments)

    monkeypatch.setattr(np, "packbits", slow)
    if observed:
        run.controller.observers.append(lambda update: update.snapshot.mask("0"))
    run.step(60)
    updates = len(run.controller.history)
    assert run.controller.seconds == 2.0 * updates * keep_masks
    assert run.controller.observer_seconds == 2.0 * updates * (observed and not keep_masks)


def test_random_access_and_slices(path):
    write(path, 40)
    expected = [snapshot(step, masks_at(step), LAYERS) for step in range(1, 41)]
    with TopologyHistory.open(path) as history:
        for number in (39, 0, 17, 16, 15, 31, 32, 33, 1, -1, -40):
            assert same(history[number], expected[number]), number
        assert [one.step for one in history[5:20:7]] == [6, 13, 20]
        assert same(history.read(20)[1], expression_at(21))
        bare, summary = history.read(20, masks=False)
        assert bare.packed_masks is None
        assert same(summary, expression_at(21))
        assert same(replace(bare, packed_masks=expected[20].packed_masks), expected[20])
        for outside in (40, -41):
            with pytest.raises(IndexError):
                history[outside]
        first = history[3]
        first.packed_masks[:] = 255  # the reader's own copy
        assert same(history[3], expected[3])
        assert history.run == {"seed": 3}
        assert "40 records" in repr(history)


def test_an_empty_history(path):
    with TopologyHistory.create(path, LAYERS) as history:
        assert (len(history), list(history), history.steps.tolist()) == (0, [], [])
        with TopologyHistory.open(path) as reader:
            assert reader.refresh() == 0
            with pytest.raises(IndexError):
                reader[0]
    with TopologyHistory.resume(path, 0, updates=0) as history:
        history.append(snapshot(1, masks_at(1), LAYERS))
    assert len(read_all(path)) == 1


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_masks(tmp_path_factory, data):
    """Whatever flips, also without masks in between, each record has its own."""
    sizes = data.draw(st.lists(st.tuples(st.integers(1, 20), st.integers(1, 40)), min_size=1, max_size=3))
    layers = tuple(layer(str(number), *size) for number, size in enumerate(sizes))
    total = sum(one.total for one in layers)
    change = st.none() | st.just("all anew") | st.lists(st.integers(0, total - 1), max_size=4)
    changes = data.draw(st.lists(change, min_size=1, max_size=40))
    random = np.random.default_rng(data.draw(st.integers(0, 99)))
    flat = random.random(total) < 0.5
    expected = []
    for step, flips in enumerate(changes):
        if flips == "all anew":
            flat = random.random(total) < 0.5
        elif flips is not None:
            flat = flat.copy()
            flat[flips] ^= True
        masks = np.split(flat, np.cumsum([one.total for one in layers])[:-1])
        expected.append(snapshot(step, None if flips is None else masks, layers))
    path = tmp_path_factory.mktemp("any") / "topology.grnt"
    with TopologyHistory.create(path, layers) as history:
        for one in expected:
            history.append(one)
        assert all(same(*pair) for pair in zip(history, expected, strict=True))
    order = data.draw(st.lists(st.integers(0, len(expected) - 1), max_size=20))
    with TopologyHistory.open(path) as history:
        assert all(same(history[number], expected[number]) for number in order)
        assert [history.has_masks(k) for k in range(len(history))] == [one is not None for one in changes]


def test_every_sixteenth_holds_whole_masks_and_others_what_has_changed(path):
    kinds = [one.kind for one in frames(write(path, 40))]
    assert [number for number, kind in enumerate(kinds) if kind == WHOLE] == [0, 16, 32]
    assert set(kinds) == {WHOLE, DIFFERENCE}
