"""Lists the studies and runs one: ``python -m studies [STUDY] [OPTIONS]``."""

import os
import re
import shlex
import signal
import sys
import warnings
from collections.abc import Collection, Sequence
from contextlib import nullcontext, redirect_stdout
from dataclasses import fields, is_dataclass
from functools import partial
from importlib import import_module
from io import StringIO
from types import FrameType

# OpenMP threads that spin while they wait stall a busy machine. Read when torch is imported.
os.environ.setdefault("GOMP_SPINCOUNT", "0")

STUDIES = {
    "compare": "accuracy of pruning policies at equal sparsity, over seeds",
    "train": "train and prune one network, and keep its weights",
    "topology": "the graph of a network over training: pictures, measures against chance, files",
    "audit": "leaks between the parts of a data set, and what simple models score on it",
    "simulate": "simulate a gene network, and find its steady states",
    "tune": "tune decay rates by hand, on a page whose figures follow",
    "bench": "speed and memory of the gene engine, and its share of training",
}
AT_ONCE = (
    "audit",
    "simulate",
    "tune",
    "bench",
)  # not continued: short, or to be left alone throughout
JOINED = ("compare", "train")  # studies whose training torchrun can share out among processes

USER_ERROR, FAILED, INTERRUPTED = 2, 1, 130


class _Terminated(KeyboardInterrupt):
    """SIGTERM: ends a study like Ctrl-C."""


def _terminate(signum: int, frame: FrameType | None) -> None:
    raise _Terminated


def _one_line(
    study: str,
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    line: str | None = None,
) -> str:
    return f"warning: {_as_options(str(message), _options_of(study))}\n"


def _options_of(study: str) -> set[str]:
    """Names of a study's options, none before its module is there."""
    module = sys.modules.get(f"studies.{study}")
    found = [] if module is None else [own for own in vars(module).values() if isinstance(own, type)]
    return {
        field.name
        for own in found
        if is_dataclass(own) and own.__module__ == f"studies.{study}"
        for field in fields(own)
    }


def _launcher() -> list[str]:
    """Give the command that started this process, short of its module."""
    processes = os.environ.get("WORLD_SIZE", "1")
    return ["python"] if processes == "1" else ["torchrun", "--nproc-per-node", processes]


def _as_options(message: str, options: Collection[str]) -> str:
    """Arguments that a message of the library names, as options where the command has these.

    Examples
    --------
    >>> names = {"skip_unreadable", "split"}
    >>> _as_options("pass over them with skip_unreadable=True, or ask for split='source'", names)
    'pass over them with --skip-unreadable, or ask for --split source'
    >>> _as_options("Conv2d(3, 8, kernel_size=3, bias=False) has no input", names)
    'Conv2d(3, 8, kernel_size=3, bias=False) has no input'
    """

    def option(found: re.Match[str]) -> str:
        name, _, value = found[0].partition("=")
        if name not in options:
            return found[0]
        flag = f"--{name.replace('_', '-')}"
        if value in ("True", "False"):
            return flag if value == "True" else f"--no-{flag[2:]}"
        return f"{flag} {found[1] or value}"

    return re.sub(r"\b[a-z]\w*=(?:True|False|\d+|'([\w-]+)')", option, message)


def _reads_a_run(options: Sequence[str]) -> bool:
    """Whether a topology study trains no network, so that there is nothing to continue."""
    return any(option.partition("=")[0] == "--run" for option in options)


def _run_joined(study: str, options: Sequence[str]) -> None:
    """Run a study in the processes that torchrun started."""
    if study not in JOINED:
        raise ValueError(f"{study} runs in one process: torchrun is for {' and '.join(JOINED)}")
    from studies.joined import joined_processes  # imports torch, which --help does not wait for

    # The first process speaks for all, but for errors.
    with joined_processes() as workers, nullcontext() if workers.first else redirect_stdout(StringIO()):
        import_module(f"studies.{study}").main(options)


def main(arguments: Sequence[str]) -> int:
    """Run a study and return the exit status.

    0: done. 1: training or a solver failed, or a file could not be read or written. 2: the options or the
    data were refused. 130: interrupted.
    """
    if not arguments or arguments[0] in ("-h", "--help"):
        print("usage: python -m studies STUDY [OPTIONS]\n")
        for name, summary in STUDIES.items():
            print(f"  {name:<10} {summary}")
        print("\npython -m studies STUDY --help lists the options of a study.")
        return 0
    study, *options = arguments
    if study not in STUDIES:
        print(f"error: unknown study {study!r}: the known ones are {', '.join(STUDIES)}", file=sys.stderr)
        return USER_ERROR
    warnings.formatwarning = partial(_one_line, study)
    signal.signal(signal.SIGTERM, _terminate)
    try:
        if int(os.environ.get("WORLD_SIZE", "1")) > 1:
            _run_joined(study, options)
        else:
            import_module(f"studies.{study}").main(options)
    except ValueError as error:
        print(f"error: {_as_options(str(error), _options_of(study))}", file=sys.stderr)
        return USER_ERROR
    except ModuleNotFoundError as error:
        print(
            f"error: {sys.executable} has no {error.name}: after `make study` use .venv/bin/python, "
            "or pip install the project",
            file=sys.stderr,
        )
        return USER_ERROR
    except ImportError as error:  # a package of an extra that is not installed, told by name
        print(f"error: {error}", file=sys.stderr)
        return USER_ERROR
    except (FloatingPointError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        if study in AT_ONCE or (study == "topology" and _reads_a_run(options)):
            print("stopped; nothing was written that is not whole", file=sys.stderr)
            return INTERRUPTED
        again = [*options, *([] if "--resume" in options else ["--resume"])]
        print(
            f"stopped; finished runs and the last checkpoint are kept. Continue with:\n"
            f"  {shlex.join([*_launcher(), '-m', 'studies', study, *again])}",
            file=sys.stderr,
        )
        return INTERRUPTED
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
