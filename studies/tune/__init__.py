"""Tune decay rates by hand: figures that follow the sliders, and live training under the same rates."""

from collections.abc import Sequence
from importlib.util import find_spec


def main(arguments: Sequence[str]) -> None:
    """Run the study from the command line.

    Raises
    ------
    ImportError
        If the ``app`` extra is not installed.
    """
    if find_spec("dash") is None:
        raise ImportError(
            'the tuning page needs dash, which is not installed: pip install "grn-pruning[app]"'
        )
    from studies.tune.command import main as serve

    serve(arguments)
