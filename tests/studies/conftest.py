"""A small study on digits, and the state that a study leaves in the process put back."""

import pytest
import torch

from studies.data import load_dataset


@pytest.fixture(autouse=True)
def same_threads():
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True)
def same_commit(monkeypatch):
    """A developer may commit or save a file between two studies of one test."""
    monkeypatch.setattr("studies.workbench.commit", lambda: "0123456789abcdef")


@pytest.fixture(scope="session")
def digits():
    return load_dataset("digits")


@pytest.fixture
def tiny(tmp_path):
    """Options that train in a fraction of a second."""
    return {
        "data": "digits",
        "fraction": 0.3,
        "epochs": 2,
        "batch_size": 32,
        "hidden": "16",
        "threads": 1,
        "out": tmp_path / "out",
    }
