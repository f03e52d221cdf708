"""Saving and resuming changes no bit."""

import copy

import pytest
import torch

from pruning import ExpressionGating
from pruning.checkpoint import load_tree, same_tree, save_tree

POLICIES = ["magnitude", "random", "smoothed", "heuristic", "literal", "set", "rigl", "expression", "schmitt"]


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
@pytest.mark.parametrize("policy", POLICIES)
def test_resume_is_bit_exact(start, tmp_path, policy, optimizer):
    whole = start(policy, optimizer)
    whole.step(20)  # between two updates, so that half-observed gradients must be saved too
    whole.controller.end_epoch(0.5)
    save_tree(
        tmp_path / "c.safetensors",
        {
            "model": whole.model.state_dict(),
            "optimizer": whole.optimizer.state_dict(),
            "controller": whole.controller.state_dict(),
        },
    )
    whole.step(40)

    resumed = start(policy, optimizer, seed=0)
    resumed.step(5)  # a resumed controller must not care what it did before
    saved = load_tree(tmp_path / "c.safetensors")
    resumed.model.load_state_dict(saved["model"])
    resumed.optimizer.load_state_dict(saved["optimizer"])
    resumed.controller.load_state_dict(saved["controller"])
    resumed.step(40)

    assert same_tree(whole.model.state_dict(), resumed.model.state_dict())
    left, right = (run.controller.state_dict() for run in (whole, resumed))
    left.pop("seconds"), right.pop("seconds")
    assert same_tree(left, right)
    assert len(resumed.controller.history) == len(whole.controller.history) > 10


def test_save_and_load_one_file(start, tmp_path):
    run = start("expression")
    run.step(30)
    run.controller.save(tmp_path / "controller.safetensors")
    other = start("expression")
    other.controller.load(tmp_path / "controller.safetensors")
    assert torch.equal(other.controller.mask, run.controller.mask)
    assert other.controller.history[-1].to_record() == run.controller.history[-1].to_record()


def test_truncated_checkpoint_is_refused_and_changes_nothing(start, tmp_path):
    run = start("expression")
    run.step(30)
    path = tmp_path / "controller.safetensors"
    run.controller.save(path)
    whole = path.read_bytes()
    before = copy.deepcopy(run.controller.state_dict())
    for length in (0, 5, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match="truncated or damaged"):
            run.controller.load(path)
    assert same_tree(before, run.controller.state_dict())


def test_checkpoint_of_another_model_is_refused(start, tmp_path):
    run, path = start("expression"), tmp_path / "controller.safetensors"
    run.controller.save(path)
    with pytest.raises(ValueError, match="the checkpoint is of another run: its gates"):
        start("expression", granularity="connection").controller.load(path)
    with pytest.raises(
        ValueError, match=r"its policy is ExpressionGating\(.*this controller's is RigLGating"
    ):
        start("rigl").controller.load(path)
    other = ExpressionGating(window=2.0, margin=0.0, backend="torch", autoactivation=3.0)
    with pytest.raises(
        ValueError, match=r"is ExpressionGating\(… autoactivation=1.0, .*\(… autoactivation=3.0,"
    ):
        start(other).controller.load(path)
    for options, named in (
        ({"protection": 7}, "protection"),
        ({"allocation": "uniform"}, "allocation"),
        ({"sparsity": 0.6}, "schedule"),
        ({"update_every": 5}, "update_every"),
    ):
        with pytest.raises(ValueError, match=f"its {named} is"):
            start("expression", **options).controller.load(path)
    with pytest.raises(ValueError, match="its seed is 0, this controller's is 4"):
        start("expression", seed=4).controller.load(path)
    with pytest.raises(FileNotFoundError, match="no checkpoint at"):
        run.controller.load(tmp_path / "absent.safetensors")


def test_incomplete_state_is_refused_and_changes_nothing(start):
    run = start("expression")
    run.step(30)
    before = copy.deepcopy(run.controller.state_dict())
    later = start("expression")
    later.step(45)
    for missing in ("history", "live", "gradients", "steps"):
        state = later.controller.state_dict()
        del state[missing]
        with pytest.raises(ValueError, match=missing):
            run.controller.load_state_dict(state)
    state = later.controller.state_dict()
    state["live"] = state["live"][1:]
    with pytest.raises(ValueError, match="must hold masks of 300 gates"):
        run.controller.load_state_dict(state)
    assert same_tree(before, run.controller.state_dict())


def test_foreign_safetensors_file_is_refused(start, tmp_path):
    from safetensors.torch import save_file

    save_file({"x": torch.zeros(1)}, tmp_path / "foreign.safetensors")
    with pytest.raises(ValueError, match="no checkpoint of this project"):
        load_tree(tmp_path / "foreign.safetensors")


def test_tree_keeps_every_bit_and_type(tmp_path):
    shared = torch.arange(6.0)
    tree = {
        "state": {0: {"step": torch.tensor(3.0), "view": shared[::2]}, 1: None},
        "same": shared,
        "numbers": [0.1, float("inf"), -0.0, 1e-320, 7, True, "text", {"tensor": "not one"}],
        "pair": (1, (2.5, torch.zeros(0, 3, dtype=torch.float64))),
        "bits": torch.tensor([True, False]),
        "half": torch.ones(2, dtype=torch.bfloat16),
        "a/b": torch.zeros(1),
        "a": {"b": torch.ones(1), 0: torch.full((1,), 2.0), "0": torch.full((1,), 3.0)},
    }
    save_tree(tmp_path / "tree.safetensors", tree)
    assert same_tree(load_tree(tmp_path / "tree.safetensors"), tree)
    with pytest.raises(TypeError, match="got set at /a"):
        save_tree(tmp_path / "tree.safetensors", {"a": {1}})
    assert same_tree(load_tree(tmp_path / "tree.safetensors"), tree)
    assert list(tmp_path.iterdir()) == [tmp_path / "tree.safetensors"]
