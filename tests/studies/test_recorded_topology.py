"""A run writes its topology while it trains, and goes on with it when it is resumed."""

import json
from functools import partial
from types import SimpleNamespace

import pytest

from pruning import CubicSchedule, ExpressionGating, MagnitudeGating, PruningController
from pruning.topology import TopologyHistory
from studies import runs, training
from studies.compare import Compare
from studies.compare import run as run_compare
from studies.networks import shape_for
from studies.progress import StudyProgress
from studies.recipe import Recipe
from studies.report.topology_figure import topology_figure
from studies.topology_store import graphs_to_draw, read_topology, recorded_topology
from studies.train import Train
from studies.train import run as run_train
from studies.training import train

RECIPE = Recipe(epochs=3, batch_size=64)


class StoppedError(Exception):
    pass


def attach(model, optimizer, total_steps, policy=None, **options):
    return PruningController(
        model,
        optimizer,
        policy=policy or ExpressionGating(backend="torch"),
        schedule=CubicSchedule(final_sparsity=0.8),
        total_steps=total_steps,
        update_every=2,
        **{"keep_masks": False, **options},
    )


@pytest.fixture
def go(digits, tmp_path):
    """Train and record under a name; the second call with a name resumes."""
    shape = shape_for("gene", digits, hidden=(16,))

    def trained(name, attach=attach, watch=recorded_topology, **options):
        path = tmp_path / f"{name}.grnt"
        result = train(
            shape.build(0),
            digits,
            RECIPE,
            seed=5,
            attach=attach,
            checkpoint=tmp_path / f"{name}.safetensors",
            watch=None if watch is None else partial(watch, path, run={"policy": "expression", "seed": 5}),
            **options,
        )
        result.controller.close()
        return path, result

    return trained


def stop(result):
    raise StoppedError


def stopped(go, name, **options):
    with pytest.raises(StoppedError):
        go(name, on_epoch=stop, **options)


def test_the_file_holds_every_update(go):
    path, result = go("whole")
    with TopologyHistory.open(path) as history:
        assert len(history) == len(result.controller.history) > 20
        assert [one.to_record() for one in history] == [one.to_record() for one in result.controller.history]
        assert all(
            int(sum(one.mask(layer.name).sum() for layer in one.layers)) == one.live for one in history
        )
        assert all(summary.histogram.sum() == history[0].total for _, summary in history.records(masks=False))
        facts = history.run
    assert (facts["policy"], facts["seed"], facts["update_every"]) == ("expression", 5, 2)
    assert facts["gating"]["name"] == "ExpressionGating"
    assert facts["gating"]["kinetics"]["protein_decay"] == 0.5
    assert result.controller.observers == []


def test_to_record_changes_no_bit_of_the_run(go):
    import torch

    recorded, plain = go("recorded")[1], go("plain", watch=None)[1]
    assert torch.equal(recorded.controller.mask, plain.controller.mask)
    assert recorded.curve == plain.curve


def test_stopped_after_an_epoch_and_resumed_is_the_same_file(go):
    expected = go("whole")[0].read_bytes()

    def stop(result):
        if result.epoch == 2:
            raise StoppedError

    with pytest.raises(StoppedError):
        go("stopped", on_epoch=stop)
    path, _ = go("stopped")
    assert path.read_bytes() == expected
    path, _ = go("stopped")  # finished already: nothing is added
    assert path.read_bytes() == expected


def test_stopped_between_two_checkpoints_and_resumed_is_the_same_file(go, monkeypatch):
    """The updates after the last checkpoint are in the file, and are taken again."""
    expected = go("whole")[0].read_bytes()
    step, taken = training._take_step, []

    def stopping(*arguments):
        taken.append(1)
        if len(taken) == 33:  # of 17 in an epoch
            raise StoppedError
        return step(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(training, "_take_step", stopping)
        with pytest.raises(StoppedError):
            go("stopped")
    path, _ = go("stopped")
    assert path.read_bytes() == expected


def test_a_stop_before_the_first_checkpoint_begins_the_file_anew(go, monkeypatch):
    expected = go("whole")[0].read_bytes()
    step, taken = training._take_step, []

    def stopping(*arguments):
        taken.append(1)
        if len(taken) == 10:
            raise StoppedError
        return step(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(training, "_take_step", stopping)
        with pytest.raises(StoppedError):
            go("stopped")
    assert go("stopped")[0].read_bytes() == expected


@pytest.mark.parametrize("keep_masks", [False, True])
def test_a_checkpoint_without_a_file_begins_with_what_it_knows(go, keep_masks):
    whole, _ = go("whole")
    kept = partial(attach, keep_masks=keep_masks)
    stopped(go, "old", attach=kept, watch=None)
    path, _ = go("old")
    with TopologyHistory.open(path) as history, TopologyHistory.open(whole) as expected:
        assert [one.to_record() for one in history] == [one.to_record() for one in expected]
        early = sum(one.epoch == 0 for one in history)
        assert [history.has_masks(k) for k in range(len(history))] == [
            keep_masks or k >= early for k in range(len(history))
        ]
        assert [summary is None for _, summary in history.records(masks=False)] == [
            k < early for k in range(len(history))
        ]
        graphs = graphs_to_draw(history, 4)
        assert len(graphs) == 4
        assert all(graph.packed_masks is not None for graph in graphs)


def test_a_file_that_lacks_updates_is_refused(go):
    stopped(go, "one")
    path = go("one")[0]
    stopped(go, "two")
    with TopologyHistory.resume(path.with_name("two.grnt"), 2):
        pass
    with pytest.raises(
        ValueError, match=r"two\.grnt holds 1 records up to step .* and the checkpoint counts"
    ):
        go("two")


def test_a_file_of_another_run_is_refused_though_it_holds_as_many_updates(go, tmp_path):
    def of(seed, **options):
        return partial(recorded_topology, run={"policy": "expression", "seed": seed, **options})

    def going(watch, attach=attach):
        return go("own", attach=attach, watch=lambda path, controller, run: watch(path, controller))

    with pytest.raises(StoppedError):
        go("own", watch=lambda path, controller, run: of(5, model="gene")(path, controller), on_epoch=stop)
    own = tmp_path / "own.grnt"
    before = own.read_bytes()
    for other, told in (
        (of(6, model="gene"), "its seed is 5, this one's is 6"),
        (of(5, model="cnn"), "its model is 'gene', this one's is 'cnn'"),
    ):
        with pytest.raises(ValueError, match=rf"own\.grnt is the history of another run: {told}"):
            going(other)
        assert own.read_bytes() == before
    going(of(5, model="gene", target_sparsity=0.5))  # what may be steered is not compared


def test_train_writes_into_the_folder_of_its_run(tiny):
    (record,) = run_train(Train(**tiny, policy="expression-schmitt"))
    path = tiny["out"] / "runs" / record.key / "topology.grnt"
    with TopologyHistory.open(path) as history:
        assert [one.to_record() for one in history] == record.updates
        assert history.run["study"] == "train"
        assert (history.run["policy"], history.run["dataset"]) == ("expression-schmitt", "digits")
        assert history.run["gating"]["gate"] == "schmitt"
        last = history[-1]
        facts, stored = read_topology(tiny["out"])
        assert facts["policy"] == "expression-schmitt"
        assert stored[-1].step == last.step
        assert topology_figure(stored[-1].to_digraph())


def test_compare_records_the_pruned_runs_of_its_first_seed(tiny):
    options = {**tiny, "policies": "dense,small-dense,magnitude,expression", "seeds": 2, "epochs": 1}
    records = run_compare(Compare(**options))
    expected = {one.key for one in records if one.seed == 0 and one.policy in ("magnitude", "expression")}
    assert {path.parent.name for path in tiny["out"].glob("runs/*/topology.grnt")} == expected
    before = {path: path.read_bytes() for path in tiny["out"].glob("runs/*/*")}
    run_compare(Compare(**{**options, "seeds": 3}, resume=True))
    assert {path: path.read_bytes() for path in tiny["out"].glob("runs/*/*")} == before


def test_a_file_lost_after_the_last_update_costs_its_masks_but_not_the_record(tiny, monkeypatch):
    """Nothing is left to draw then: the run is recorded, and reported without its graph."""
    options = {**tiny, "epochs": 4}
    (whole,) = run_train(Train(**options))
    out = options["out"] = tiny["out"].with_name("lost")

    def stopping(self, result):
        if result.epoch == 4:
            raise StoppedError

    with monkeypatch.context() as patch:
        patch.setattr(StudyProgress, "epoch", stopping)
        with pytest.raises(StoppedError):
            run_train(Train(**options))
    (path,) = out.glob("runs/*/topology.grnt")
    path.unlink()
    (record,) = run_train(Train(**options, resume=True))
    assert record.state_digest == whole.state_digest
    assert record.updates == whole.updates
    with TopologyHistory.open(path) as history:
        assert [one.to_record() for one in history] == record.updates
        assert not any(history.has_masks(number) for number in range(len(history)))
    assert read_topology(out) is None
    assert (out / "report.html").exists()


def test_topology_is_recorded_on_request_alone(tiny):
    """And whether it is does not make another study."""
    options = {**tiny, "policies": "magnitude", "seeds": 1, "epochs": 1}
    run_compare(Compare(**options, topology=False))
    assert not list(tiny["out"].rglob("topology.*"))
    assert "topology" not in json.loads((tiny["out"] / "config.json").read_text())
    run_compare(Compare(**{**options, "policies": "magnitude,random"}, resume=True))
    (path,) = tiny["out"].rglob("topology.grnt")
    assert "random" in path.parent.name


def test_a_failed_run_leaves_no_topology(tiny, monkeypatch):
    def fail(self, context, state):
        raise FloatingPointError("the weights are not finite")

    rehearse = runs.rehearse

    def rehearse_and_break(*arguments):
        rehearse(*arguments)
        monkeypatch.setattr(MagnitudeGating, "decide", fail)

    monkeypatch.setattr(runs, "rehearse", rehearse_and_break)
    with pytest.raises(FloatingPointError, match="the weights are not finite"):
        run_train(Train(**tiny, policy="magnitude"))
    assert not list(tiny["out"].rglob("*.grnt"))


def test_time_in_observers_is_not_training(go, monkeypatch):
    """By a clock on which a training step takes 1 s and an observer 100 s."""
    record, take, clock = TopologyHistory.record, training._take_step, SimpleNamespace(now=0.0)

    def step(*arguments):
        clock.now += 1.0
        return take(*arguments)

    def slow(self, update):
        clock.now += 100.0
        record(self, update)

    fake = SimpleNamespace(perf_counter=lambda: clock.now, monotonic=lambda: clock.now)
    monkeypatch.setattr(training, "time", fake)
    monkeypatch.setattr("pruning.controller.time", fake)
    monkeypatch.setattr(training, "_take_step", step)
    monkeypatch.setattr(TopologyHistory, "record", slow)
    _, result = go("slow")
    assert result.controller.observer_seconds == 100.0 * len(result.controller.history) > 0
    assert result.train_seconds == result.controller.steps > 0
    assert result.controller.seconds == 0.0
