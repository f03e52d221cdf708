"""What is asked of live runs, with processes that only listen: limits, refusals, and what is sent to whom."""

import json
import queue
import threading
from dataclasses import asdict, replace

import pytest

pytest.importorskip("dash", reason="the tuning page needs the app extra")

from studies.tune.live import LiveOptions, LiveRuns, watch, worker
from studies.tune.live.actions import act, follow, read_settings
from studies.tune.live.folder import LiveConfig, RunFolder, Status
from studies.tune.live.training import LiveTraining
from studies.tune.settings import Settings

FAST = LiveOptions(speed="fast")


class Listener:
    """A process that trains nothing: it remembers what it is told, and answers in the status file."""

    def __init__(self, folder):
        self.folder, self.told, self.exit_status = RunFolder(folder), [], None
        self.may_end = threading.Event()
        self.may_end.set()

    def send(self, line):
        command = json.loads(line)
        self.told.append(command)
        self.folder.write_status(Status(state="training", answered=command["number"]))
        return True

    def wait(self, seconds):
        return self.exit_status is not None

    def end(self, seconds):
        self.may_end.wait(30)
        self.exit_status = 0


class Listeners:
    """Where they come from, or do not."""

    def __init__(self):
        self.broken = False

    def prepare(self):
        pass

    def take(self, folder):
        if self.broken:
            raise OSError("no process can be made")
        return Listener(folder)

    def close(self):
        pass


@pytest.fixture
def runs(tmp_path):
    held = LiveRuns(tmp_path / "live", limit=2)
    held._workers = Listeners()
    yield held
    held.close()


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Folder of a run that has saved itself."""
    folder = RunFolder(tmp_path_factory.mktemp("trained"))
    training = LiveTraining(folder, Settings(), FAST)
    for _ in range(10):
        training.step()
    training.save()
    training.close()
    return folder


@pytest.fixture
def savable(runs, trained):
    """Begin a run that can be forked."""

    def begin():
        run = runs.start(Settings(), FAST)
        for name in ("checkpoint", "progress", "topology"):
            getattr(run.folder, name).write_bytes(getattr(trained, name).read_bytes())
        return run

    return begin


def commands(run):
    return [told["do"] for told in run._process.told]


def test_a_run_that_follows_is_sent_every_change_also_back_to_what_is_recorded(runs):
    run = runs.start(Settings(density=0.1), FAST)
    follow(run, Settings(density=0.4))
    follow(run, Settings(density=0.4))
    assert run.asked == Settings(density=0.4)
    follow(run, Settings(density=0.1))  # which the curves still tell
    assert [told["settings"]["density"] for told in run._process.told] == [0.4, 0.1]
    run.folder.write_status(Status(state="training", answered=2, refused=2))
    assert run.asked is None
    follow(run, Settings(density=0.1))
    assert len(run._process.told) == 3


def test_a_fork_takes_the_place_of_one_s_other_run_at_the_limit(runs, savable):
    run, other = savable(), savable()
    now = act(runs, "fork", "a", {"a": run.id, "b": other.id}, Settings, LiveOptions)
    assert now["a"] == run.id
    assert runs.get(now["b"]).config.forked_from == run.id
    assert runs.get(now["b"]).config.forked_at == 10
    assert commands(other) == ["stop"]


def test_a_start_takes_the_place_of_the_run_before_at_the_limit(runs):
    run, other = runs.start(Settings(), FAST), runs.start(Settings(), FAST)
    now = act(runs, "start", "b", {"a": run.id, "b": other.id}, Settings, LiveOptions)
    assert now["b"] not in (run.id, other.id)
    assert commands(other) == ["stop"]


@pytest.mark.parametrize("action", ["start", "fork"])
def test_what_cannot_be_begun_ends_nothing_and_leaves_no_folder(runs, savable, action):
    run, other = savable(), savable()
    runs._workers.broken = True
    with pytest.raises(OSError, match="no process can be made"):
        act(
            runs,
            action,
            "a" if action == "fork" else "b",
            {"a": run.id, "b": other.id},
            Settings,
            LiveOptions,
        )
    assert "stop" not in commands(other)
    assert {path.name for path in runs.directory.iterdir()} == {run.id, other.id} == set(runs._runs)


def test_a_full_directory_is_told(runs):
    runs.most = 1
    run = runs.start(Settings(), FAST)
    with pytest.raises(ValueError, match=r"live holds 1 live runs, the most that it may: remove folders"):
        runs.start(Settings(), FAST, replacing=run.id)
    assert commands(run) == []


def test_others_are_served_while_an_abandoned_run_saves_itself(runs):
    run, seen = runs.start(Settings(), FAST), runs.start(Settings(), FAST)
    run.seen -= 1000.0
    run._process.may_end.clear()
    starting = threading.Thread(target=runs.start, args=(Settings(), FAST), daemon=True)
    starting.start()
    while len(runs.live) < 3:
        assert starting.is_alive()
    assert runs.get(seen.id) is seen  # nobody waits for the lock
    with pytest.raises(ValueError, match="being saved to make room"):
        runs.resume(run.id)
    run._process.may_end.set()
    starting.join(30)
    assert not run.is_live


def test_a_run_that_nobody_looks_at_is_paused_and_says_so(runs):
    run, seen = runs.start(Settings(), FAST), runs.start(Settings(), FAST)
    for each in (run, seen):
        each.folder.write_status(Status(state="training"))
    run.seen -= 60.0 * watch.UNSEEN_MINUTES
    watch.pause_unseen(runs.live)
    (told,) = run._process.told
    assert (told["do"], told["why"]) == ("pause", "nobody looked at it for 15 minutes")
    assert seen._process.told == []


def test_a_run_that_has_just_ended_is_told_as_it_ended(runs):
    run = runs.start(Settings(), FAST)
    run.folder.write_status(Status(state="failed", message="the density cannot be met"))
    assert run.is_live  # its process is about to end
    assert (run.state, run.message) == ("failed", "the density cannot be met")
    with pytest.raises(ValueError, match="the run is not training, so that it cannot pause"):
        run.pause()


def test_two_that_ask_whether_a_run_is_held_do_not_disturb_each_other(tmp_path):
    folder = RunFolder(tmp_path)
    folder.lock.touch()
    found = []

    def ask():
        found.extend(folder.is_held for _ in range(300))

    asking = [threading.Thread(target=ask) for _ in range(4)]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    assert len(found) == 1200
    assert not any(found)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (None, "correct the marked fields"),
        ({"window": 1e12}, "window must lie in 0.01 to 48 h on this page, got 1e\\+12"),
        ({"hill_coefficient": 1e6}, "hill_coefficient must lie in 0.5 to 20 on this page"),
        ({"size": 3}, "not complete"),
    ],
)
def test_live_training_takes_what_the_page_takes(values, said):
    with pytest.raises(ValueError, match=said):
        read_settings(values and {**asdict(Settings()), **values})
    assert read_settings(asdict(Settings())) == Settings()


# ---------------------------------------------------------------------- the worker, in this process


def test_a_pause_says_why_until_the_next_command(trained, tmp_path):
    at_work = worker.Worker(RunFolder(tmp_path), queue.SimpleQueue())
    training = LiveTraining(RunFolder(tmp_path), Settings(), FAST)
    at_work._obey(training, {"do": "pause", "number": 1, "why": "nobody looked"})
    assert (at_work.status.state, at_work.status.message) == ("paused", "nobody looked")
    at_work._obey(training, {"do": "steer", "number": 2, "settings": asdict(Settings(density=1e-4))})
    assert "the new rates were refused" in at_work.status.message
    assert (at_work.status.answered, at_work.status.refused) == (2, 2)
    at_work._obey(training, {"do": "resume", "number": 3})
    assert (at_work.status.state, at_work.status.message) == ("training", "")
    training.close()


def test_a_run_ends_with_a_word_where_its_steps_are_over(tmp_path, monkeypatch):
    monkeypatch.setattr(worker, "TOTAL_STEPS", 20)
    folder = RunFolder(tmp_path)
    folder.write_config(LiveConfig(settings=Settings(), options=replace(FAST, epochs=None)))
    worker.Worker(folder, queue.SimpleQueue()).run()
    said = folder.read_status()
    assert (said.state, said.step) == ("finished", 20)
    assert said.message == "20 steps are the most of a live run"
