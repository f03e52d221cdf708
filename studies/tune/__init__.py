"""Tune decay rates by hand: figures that follow the sliders, and live training under the same rates."""

from collections.abc import Sequence


def main(arguments: Sequence[str]) -> None:
    """Run the study from the command line.

    Raises
    ------
    ImportError
        If the ``app`` extra is not installed.
    """
    try:
        import dash  # noqa: F401
    except ModuleNotFoundError as error:
        if error.name != "dash":
            raise
        raise ImportError(
            'the tuning page needs dash, which is not installed: pip install "grn-pruning[app]"'
        ) from None
    from studies.tune.command import main as serve

    serve(arguments)
