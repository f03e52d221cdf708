import importlib.util
import sys
from pathlib import Path

# One module of graphs of units serves all tests here; the import mode of the tests leaves sys.path alone.
_NAME = "measured_graphs"
if _NAME not in sys.modules:
    _spec = importlib.util.spec_from_file_location(_NAME, Path(__file__).with_name(f"{_NAME}.py"))
    assert _spec is not None
    assert _spec.loader is not None
    sys.modules[_NAME] = importlib.util.module_from_spec(_spec)
    _spec.loader.exec_module(sys.modules[_NAME])
