"""Live runs without a browser: what the page can ask of them, and that nothing is lost."""

import itertools
import json
import os
import shutil
import signal
import time
from dataclasses import replace

import pytest
import torch

from grn.plot.style import figure_template
from pruning.checkpoint import load_tree, same_tree
from pruning.topology import TopologyHistory
from studies.tune.live import LiveOptions, LiveRuns
from studies.tune.live.curves import curves_figure
from studies.tune.live.folder import RunFolder
from studies.tune.live.graph import MOST_LINKS, graph_figure
from studies.tune.live.process import Spare
from studies.tune.live.progress import MOST_POINTS, Point, Progress, ProgressReader, ProgressWriter
from studies.tune.live.table import comparison_table
from studies.tune.live.training import LATER_RAMP, LiveTraining
from studies.tune.settings import Settings

FAST = LiveOptions(speed="fast")
OTHER = replace(Settings(), mrna_decay=4.0, protein_decay=3.0, autoactivation=0.0, threshold=1.5, density=0.4)
PATIENCE = 120.0  # s, on a busy machine


def until(condition, seconds=PATIENCE):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.02)
    return found


def trained(run, steps):
    """Wait until a run has done so many steps, and say where it is."""

    def reached():
        assert run.state != "failed", run.message
        last = run.progress().last
        return last is not None and last.step >= steps and last

    return until(reached)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """One server's runs; processes are warm between tests."""
    held = LiveRuns(tmp_path_factory.mktemp("live"), limit=3)
    held.prepare()
    yield held
    held.close()


@pytest.fixture
def begun(runs):
    """Begin runs that end with the test."""
    mine = []

    def begin(settings=None, options=FAST):
        mine.append(runs.start(settings or Settings(), options))
        return mine[-1]

    yield begin
    for run in mine:
        run.close()


# ---------------------------------------------------------------------- the network itself, in this process


def curves(folder):
    return [json.loads(line) for line in folder.progress.read_text().splitlines()]


def test_a_fork_that_is_not_steered_repeats_every_bit(tmp_path):
    first = RunFolder(tmp_path / "first")
    training = LiveTraining(first, Settings(), FAST)
    for _ in range(33):  # between two updates
        training.step()
    training.steer(OTHER)
    for _ in range(24):
        training.step()
    training.save()
    second = RunFolder(tmp_path / "second")
    second.path.mkdir()
    for file in ("checkpoint", "progress", "topology"):
        shutil.copyfile(getattr(first, file), getattr(second, file))
    with open(second.progress, "ab") as torn:
        torn.write(b'{"step": 60, "ep')
    for _ in range(30):
        training.step()
    training.save()
    training.close()

    fork = LiveTraining(second, Settings(), FAST)
    assert (fork.steps, fork.settings) == (57, OTHER)
    for _ in range(30):
        fork.step()
    fork.save()
    fork.close()
    trees = [load_tree(folder.checkpoint) for folder in (first, second)]
    for tree in trees:
        tree["controller"].pop("seconds")
    assert same_tree(*trees)
    assert curves(first) == curves(second)
    assert first.topology.read_bytes() == second.topology.read_bytes()


def test_density_falls_and_rises_after_a_short_ramp(tmp_path):
    training = LiveTraining(RunFolder(tmp_path), Settings(density=0.9), LiveOptions())
    for density in (0.2, 0.6, 1.0):
        training.steer(Settings(density=density))
        for _ in range(LATER_RAMP + 10):
            training.step()
        assert training.controller.density == pytest.approx(density, abs=1e-3)
    targets = [point["target"] for point in curves(training.folder)]
    assert targets[:11] == sorted(targets[:11], reverse=True)
    assert targets[11:] == sorted(targets[11:])
    training.close()


def test_rates_change_what_follows_and_nothing_before(tmp_path):
    plain, steered = (
        LiveTraining(RunFolder(tmp_path / name), Settings(), LiveOptions()) for name in ("plain", "steered")
    )
    for step in range(80):
        if step == 40:
            steered.steer(replace(OTHER, density=Settings().density))
        plain.step()
        steered.step()
    plain.close(), steered.close()
    left, right = (curves(training.folder) for training in (plain, steered))
    assert left[:4] == right[:4]
    assert [point["target"] for point in left] == [point["target"] for point in right]
    assert [point["churn"] for point in left[4:]] != [point["churn"] for point in right[4:]]
    assert not torch.equal(plain.controller.expression, steered.controller.expression)


def test_a_checkpoint_of_other_data_is_refused(tmp_path):
    training = LiveTraining(RunFolder(tmp_path), Settings(), LiveOptions())
    training.save()
    training.close()
    with pytest.raises(ValueError, match="is of another run"):
        LiveTraining(RunFolder(tmp_path), Settings(), LiveOptions(seed=3))


# ---------------------------------------------------------------------- what is drawn of it


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """A run that was steered once, read back: its curves, and its graph then and some updates earlier."""
    folder = RunFolder(tmp_path_factory.mktemp("drawn"))
    training = LiveTraining(folder, Settings(), LiveOptions())
    for step in range(60):
        if step == 40:
            training.steer(OTHER)
        training.step()
    training.close()
    with TopologyHistory.open(folder.topology) as history:
        return ProgressReader(folder.progress).read(), history[1], history[-1]


def test_curves_tell_when_and_how_rates_changed(drawn):
    progress, _, _ = drawn
    figure = curves_figure({"a": progress, "b": Progress()}, dark=True)
    traces = {trace.name: trace for trace in figure.data}
    assert list(traces["A"].x) == [10, 20, 30, 40, 50, 60]
    assert list(traces["A density"].y) == [round(point.density, 4) for point in progress.points]
    mark = traces["A: rates changed"]
    assert (list(mark.x), "mRNA decay γm, 1/h: 1 → 4" in mark.text[0]) == ([40], True)
    assert not traces["B: rates changed"].x
    assert figure.layout.template.layout.font.color == figure_template(dark=True).layout.font.color


def test_the_table_marks_what_differs(drawn):
    progress, _, _ = drawn
    table = comparison_table({"a": progress, "b": Progress()}, {"a": OTHER, "b": replace(OTHER, window=2.0)})
    rows = table.children[1].children
    assert [row.children[0].children for row in rows if row.className == "differs"] == ["window, h"]
    assert rows[-1].children[2].children == "–"


def test_the_graph_keeps_its_places_and_marks_what_came_and_went(drawn):
    _, before, now = drawn
    first, second = graph_figure(None, before), graph_figure(before, now)
    units = [next(trace for trace in figure.data if trace.name == "units") for figure in (first, second)]
    assert units[0].x == units[1].x
    assert units[0].y == units[1].y
    names = {trace.name: trace for trace in second.data}
    assert set(names["born in the last 40 steps"].x) - {None}
    lines = [trace for trace in second.data if trace.mode == "lines" and "died" not in trace.name]
    drawn_links = sum(sum(x is not None for x in trace.x) // 2 for trace in lines)
    assert 0 < drawn_links <= min(now.live, MOST_LINKS)
    assert not second.frames
    assert not second.layout.sliders


def test_long_curves_are_thinned_and_their_end_is_kept(tmp_path):
    point = Point(
        step=0, epoch=0.0, loss=1.0, accuracy=0.5, density=0.5, target=0.5, churn=0.1, settings=Settings()
    )
    with ProgressWriter(tmp_path / "p.jsonl", 0) as writer:
        reader = ProgressReader(tmp_path / "p.jsonl")
        for number in range(1, 4001):
            settings = Settings(window=2.0) if number > 3000 else Settings()
            writer.append(replace(point, step=10 * number, settings=settings))
            if number % 500 == 0:
                assert len(reader.read().points) <= MOST_POINTS + 1
    progress = reader.read()
    steps = [each.step for each in progress.points]
    assert steps[-1] == 40_000
    assert len({late - early for early, late in itertools.pairwise(steps[:-1])}) == 1
    assert [mark.step for mark in progress.marks] == [30_000]
    assert ProgressReader(tmp_path / "p.jsonl").read().points == progress.points


# ---------------------------------------------------------------------- in processes of their own


def test_start_pause_steer_and_finish(begun, runs):
    run = begun(Settings(density=0.3), LiveOptions(speed="fast", epochs=8))
    point = trained(run, 20)
    assert run.state == "training"
    assert point.settings == Settings(density=0.3)
    assert runs.get(run.id) is run
    assert run.snapshot().step >= 20

    run.pause()
    until(lambda: run.state == "paused")
    held = run.progress().last.step
    time.sleep(0.5)
    assert run.progress().last.step == held

    run.steer(OTHER)
    run.resume()
    until(lambda: run.state == "finished")
    progress = run.progress()
    assert [(mark.before, mark.after) for mark in progress.marks] == [(Settings(density=0.3), OTHER)]
    assert abs(progress.marks[0].step - held) <= 10
    assert progress.last.step == 160
    assert progress.last.epoch == 8.0
    assert run.progress(since=150).points == progress.points[-1:]
    with pytest.raises(ValueError, match="the run is not training, so that it cannot steer"):
        run.steer(Settings())

    runs.resume(run.id)  # for as many epochs again
    assert trained(run, 200).settings == OTHER


def test_a_fork_goes_on_at_the_very_step(begun, runs):
    run = begun()
    trained(run, 30)
    fork = runs.fork(run.id)
    at = fork.config.forked_at
    assert (fork.config.forked_from, at >= 30) == (run.id, True)
    trained(fork, at + 60), trained(run, at + 60)
    fork.close(), run.close()
    mine = {point["step"]: point for point in curves(run.folder)}
    theirs = {point["step"]: point for point in curves(fork.folder)}
    both = mine.keys() & theirs.keys()
    assert max(both) >= at + 60
    assert all(mine[step] == theirs[step] for step in both)


def test_a_density_that_cannot_be_met_is_told_and_training_goes_on(begun):
    run = begun()
    trained(run, 10)
    run.steer(Settings(density=1e-4))
    until(lambda: "the new rates were refused" in run.message)
    assert run.state == "training"
    before = run.progress().last.step
    assert trained(run, before + 20).settings == Settings()


def test_a_run_that_cannot_begin_says_why(begun):
    run = begun(Settings(density=1e-4))
    until(lambda: run.state == "failed")
    assert "density" in run.message or "sparsity" in run.message


def test_a_process_that_is_killed_is_told_and_its_run_goes_on(begun, runs):
    run = begun()
    trained(run, 20)
    run.checkpoint()
    os.kill(run._process.number, signal.SIGKILL)
    until(lambda: run.state == "failed")
    assert "the training process ended" in run.message
    runs.resume(run.id)
    trained(run, 40)
    steps = [point["step"] for point in curves(run.folder)]
    assert steps == sorted(set(steps))


@pytest.mark.slow
def test_no_more_than_the_limit_train_at_once(runs, begun):
    run = begun()
    begun(), begun()
    with pytest.raises(ValueError, match="3 runs train on this server, as many as it lets"):
        runs.start(Settings(), FAST)
    trained(run, 10)
    with pytest.raises(ValueError, match="3 runs train"):
        runs.fork(run.id)
    run.seen -= 1000.0  # nobody looks at it any more: it is saved, and makes room
    begun()
    assert (run.state, run.is_live) == ("stopped", False)


@pytest.mark.parametrize("name", ["", "..", "../../etc/passwd", "a" * 16, "x" * 500, "a/b" * 6])
def test_a_name_that_is_no_run_is_refused(runs, name):
    with pytest.raises(ValueError, match="no live run is called"):
        runs.get(name)


@pytest.mark.slow
def test_closing_saves_all_and_another_server_goes_on(tmp_path, capsys, runs):
    first = LiveRuns(tmp_path)
    run, waiting = first.start(Settings(), FAST), first.start(Settings(), FAST)
    trained(run, 30), trained(waiting, 10)
    waiting.pause()
    until(lambda: waiting.state == "paused")
    first.close()
    told = capsys.readouterr().out
    assert f"live run saved: {run.folder.path}" in told
    assert f"live run saved: {waiting.folder.path}" in told
    with pytest.raises(ValueError, match="the server is ending"):
        first.start(Settings(), FAST)

    second = LiveRuns(tmp_path)
    second._workers = runs._workers  # warm already
    found = second.get(run.id)
    assert found.state == "stopped"
    whole = found.progress()
    at = load_tree(found.folder.checkpoint)["controller"]["steps"]
    assert whole.last.step == at // 10 * 10
    assert found.snapshot().step == whole.last.step
    second.resume(run.id)
    trained(found, at + 20)
    assert found.progress().points[: len(whole.points)] == whole.points
    found.close()


@pytest.mark.slow
def test_a_worker_whose_server_dies_saves_and_ends(begun):
    run = begun()
    trained(run, 20)
    os.close(run._process._commands)  # as the system does when the server is killed
    run._process._commands = None
    until(lambda: not run.is_live)
    assert run.state == "stopped"
    at = load_tree(run.folder.checkpoint)["controller"]["steps"]
    assert at >= run.progress().last.step


@pytest.mark.slow
def test_without_forks_each_run_has_a_process_that_is_started_for_it(tmp_path):
    """As on systems other than Linux."""
    runs = LiveRuns(tmp_path)
    runs._workers = Spare()
    run = runs.start(Settings(), FAST)
    trained(run, 20)
    run.pause()
    until(lambda: run.state == "paused")
    run._process._process.stdin.close()  # as the system does when the server is killed
    until(lambda: not run.is_live)
    assert run.state == "stopped"
    runs.close()
