import importlib.util
import sys
from pathlib import Path

import pytest

# One module of histories serves all tests here; the import mode of the tests leaves sys.path alone.
_NAME = "made_histories"
if _NAME not in sys.modules:
    _spec = importlib.util.spec_from_file_location(_NAME, Path(__file__).with_name(f"{_NAME}.py"))
    assert _spec is not None
    assert _spec.loader is not None
    sys.modules[_NAME] = importlib.util.module_from_spec(_spec)
    _spec.loader.exec_module(sys.modules[_NAME])


@pytest.fixture
def path(tmp_path):
    return tmp_path / "topology.grnt"
