"""Ranges of a batch handed to compiled code that holds no lock, on as many threads as torch uses."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor, wait
from functools import lru_cache
from threading import Lock
from time import perf_counter
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable

SHORT, LONG = 0.03, 0.15  # seconds: shorter ranges are made larger, longer ones smaller


def run_in_chunks(work: Callable[[int, int], bool], batch: int, *, first: int = 1, least: int = 1) -> None:
    """Call ``work(begin, end)`` over ranges that cover the batch, until one returns False.

    Ranges are taken in order, so what a failing range leaves undone lies behind it. They are sized by the
    time that they take: Ctrl-C waits for a fraction of a second, or for one trajectory.

    Parameters
    ----------
    work : callable
        Compiled code on a range; True where all went well.
    batch : int
        Members of the batch.
    first : int
        Members of the first range that a thread takes; later ones hold a quarter or more.
    least : int
        Members for which a further thread is worth its start.

    Examples
    --------
    >>> done = []
    >>> run_in_chunks(lambda begin, end: done.extend(range(begin, end)) is None, 10)
    >>> sorted(done) == list(range(10))
    True
    """
    threads = max(1, min(torch.get_num_threads(), batch // least))
    smallest = max(1, first // 4)
    taken, stopped, lock = 0, False, Lock()

    def take(wanted: int) -> tuple[int, int]:
        nonlocal taken
        with lock:
            begin = taken
            if not stopped:
                share = (batch - begin) // (2 * threads)  # all threads end together
                taken = min(batch, begin + max(smallest, min(wanted, share)))
            return begin, taken

    def worker() -> None:
        nonlocal stopped
        wanted = first
        while True:
            begin, end = take(wanted)
            if begin == end:
                return
            started = perf_counter()
            if not work(begin, end):
                stopped = True
            seconds = perf_counter() - started
            wanted = 2 * wanted if seconds < SHORT else max(1, wanted // 2) if seconds > LONG else wanted

    if threads == 1:
        worker()
        return
    others = [_helpers(threads - 1).submit(worker) for _ in range(threads - 1)]
    try:
        worker()  # this thread does its share
    except BaseException:
        stopped = True
        wait(others)  # they write to memory that the caller may give back
        raise
    for future in others:
        future.result()


@lru_cache(maxsize=1)
def _helpers(threads: int) -> ThreadPoolExecutor:
    """Threads that stay: to start one takes as long as a hundred thousand genes."""
    return ThreadPoolExecutor(threads, thread_name_prefix="grn")


# A forked process inherits the pool without its threads.
os.register_at_fork(after_in_child=_helpers.cache_clear)
