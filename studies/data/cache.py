"""Arrays on disk, memory-mapped: what a reader made once is there at once the next time."""

import contextlib
import hashlib
import json
import math
import mmap
import os
import re
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

PLACE_VARIABLE = "GRN_PRUNING_CACHE"
"""Environment variable that names the folder of the cache."""

_VERSION = 1
_MAGIC = b"grn-pruning arrays\n"
_SUFFIX = ".arrays"
_ALIGNMENT = 64
_LONGEST_HEADER = 1 << 20
_KINDS = "biufcUSmM"  # flat numbers and texts: nothing that would need a pickle
_FORGOTTEN_AFTER = 24 * 3600  # s: a part file this old was left by a process that was killed


def cached_arrays(
    name: str,
    sources: Sequence[Path],
    make: Callable[[], dict[str, np.ndarray]],
    *,
    settings: Mapping[str, object] = {},
    enabled: bool = True,
) -> dict[str, np.ndarray]:
    """Return what `make` makes from `sources`: from the cache while the sources stay as they were.

    An entry is one file, keyed by the paths of the sources (folders resolved), their sizes and modification
    times, `settings` and the version of the format. The sources are not opened: 100,000 files cost 100,000
    calls of ``os.stat``. The entry is written beside its place, flushed and renamed, so that a kill leaves
    none or a whole one and two processes do each other no harm; it replaces older entries of the same sources
    and settings. A damaged entry, by its header or size, is made anew; the values themselves carry no
    checksum.

    Nothing is kept, and nothing said, where the cache cannot be used: a folder that cannot be written, a full
    disk, no home folder, a source that is missing or that changed while it was read. The result is the same.

    Parameters
    ----------
    name : str
        What the arrays are, for the file's name: small letters, digits, ``_`` and ``-``.
    sources : sequence of path
        All files that `make` reads, in its order; without any, nothing is kept.
    make : callable
        Gives the arrays by name: numbers or fixed-length texts, of any shape.
    settings : mapping
        Everything else that the arrays depend on, as JSON: numbers, texts, booleans, lists of them.
    enabled : bool, default True
        False calls `make` and leaves the cache alone.

    Returns
    -------
    dict of str to ndarray
        Writable, and copied on write: changing them changes no file.

    Raises
    ------
    ValueError
        If `name` is not as above, or the cache's folder is set to a relative path.
    TypeError
        If the settings are not JSON, or an array is of another kind.

    Notes
    -----
    The folder is ``$GRN_PRUNING_CACHE``, else ``$XDG_CACHE_HOME/grn-pruning``, else ``~/.cache/grn-pruning``;
    it may be deleted at any time.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "numbers.txt").write_text("1 2 3")
    >>> def make():
    ...     print("made")
    ...     return {"numbers": np.fromstring((folder / "numbers.txt").read_text(), sep=" ")}
    >>> cached_arrays("numbers", [folder / "numbers.txt"], make, enabled=False)["numbers"]
    made
    array([1., 2., 3.])
    """
    if not re.fullmatch(r"[a-z0-9_-]{1,40}", name):
        raise ValueError(f"name must be 1-40 small letters, digits, '_' or '-', got {name!r}")
    if not enabled or not sources:
        return _checked(name, make())
    file_name = _file_name(name, sources, settings)
    place = _place()
    if file_name is None or place is None:
        return _checked(name, make())
    path = place / file_name
    found = _load(path)
    if found is not None:
        return found
    made = _checked(name, make())
    if _file_name(name, sources, settings) != file_name:
        return made
    try:
        _write(path, made)
    except OSError:
        return made
    _remove_older(path)
    written = _load(path)
    return made if written is None else written


def _place() -> Path | None:
    chosen = os.environ.get(PLACE_VARIABLE)
    if chosen:
        if not Path(chosen).is_absolute():
            raise ValueError(f"{PLACE_VARIABLE} must be an absolute path, got {chosen!r}")
        return Path(chosen)
    user = os.environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(user):  # the standard says to ignore a relative one
        return Path(user) / "grn-pruning"
    try:
        return Path.home() / ".cache" / "grn-pruning"
    except RuntimeError:
        return None


def _file_name(name: str, sources: Sequence[Path], settings: Mapping[str, object]) -> str | None:
    """``<name>-<which sources and settings>-<their state>.arrays``; None if a source cannot be looked at."""
    try:
        which = json.dumps(dict(settings), sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise TypeError(f"cache of {name!r}: settings must be plain JSON values, {error}") from error
    identity = hashlib.blake2b(which.encode(), digest_size=8)
    state = hashlib.blake2b(str(_VERSION).encode(), digest_size=8)
    folders: dict[str, str] = {}
    try:
        for source in sources:
            folder, base = os.path.split(os.path.abspath(source))
            if folder not in folders:
                folders[folder] = os.path.realpath(folder)
            facts = os.stat(source)
            identity.update(os.fsencode(f"\0{folders[folder]}\0{base}"))
            state.update(b"%d %d\n" % (facts.st_size, facts.st_mtime_ns))
    except OSError:
        return None
    return f"{name}-{identity.hexdigest()}-{state.hexdigest()}{_SUFFIX}"


def _checked(name: str, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    for key, array in arrays.items():
        if not isinstance(array, np.ndarray) or array.dtype.kind not in _KINDS:
            kind = array.dtype if isinstance(array, np.ndarray) else type(array).__name__
            raise TypeError(f"cache of {name!r}: {key!r} must be an array of numbers or texts, got {kind}")
    return arrays


def _write(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write one entry: magic, the header's digest, its length, the header (JSON), the arrays, aligned."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    entries, end = [], 0
    for name, array in arrays.items():
        start = -(-end // _ALIGNMENT) * _ALIGNMENT
        end = start + array.nbytes
        entries.append({"name": name, "dtype": array.dtype.str, "shape": list(array.shape), "start": start})
    header = json.dumps({"arrays": entries, "bytes": end}).encode()
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    try:
        with open(descriptor, "wb") as file:
            file.write(_MAGIC + hashlib.blake2b(header, digest_size=16).digest())
            file.write(len(header).to_bytes(8, "little") + header)
            base = _aligned(file)
            for entry, array in zip(entries, arrays.values(), strict=True):
                file.seek(base + int(str(entry["start"])))
                if array.nbytes:
                    file.write(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
            file.truncate(base + end)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    if os.name == "posix":
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _aligned(file: BinaryIO) -> int:
    return -(-file.tell() // _ALIGNMENT) * _ALIGNMENT


def _load(path: Path) -> dict[str, np.ndarray] | None:
    """Map an entry; None if there is none or it is damaged."""
    try:
        with path.open("rb") as file:
            return _map(file)
    except (OSError, ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return None


def _map(file: BinaryIO) -> dict[str, np.ndarray]:
    if file.read(len(_MAGIC)) != _MAGIC:
        raise ValueError("no magic")
    digest = file.read(16)
    length = int.from_bytes(file.read(8), "little")
    if length > _LONGEST_HEADER:
        raise ValueError("header too long")
    text = file.read(length)
    if hashlib.blake2b(text, digest_size=16).digest() != digest:
        raise ValueError("header damaged")
    header: dict[str, Any] = json.loads(text)
    base = _aligned(file)
    if os.fstat(file.fileno()).st_size != base + header["bytes"]:
        raise ValueError("wrong size")
    content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    arrays = {}
    for entry in header["arrays"]:
        dtype, shape = np.dtype(entry["dtype"]), tuple(entry["shape"])
        count = math.prod(shape)
        if dtype.kind not in _KINDS or min(shape, default=0) < 0 or entry["start"] < 0:
            raise ValueError("header malformed")
        if count * dtype.itemsize == 0:
            arrays[entry["name"]] = np.zeros(shape, dtype)
        else:
            flat = np.frombuffer(content, dtype, count, base + entry["start"])
            arrays[entry["name"]] = flat.reshape(shape)
    return arrays


def _remove_older(path: Path) -> None:
    """Remove entries of the same sources in an earlier state, and parts that a kill left behind."""
    same = path.name.rpartition("-")[0] + "-"
    oldest = time.time() - _FORGOTTEN_AFTER
    with contextlib.suppress(OSError):
        for other in list(path.parent.iterdir()):
            earlier = other.name.startswith(same) and other.suffix == _SUFFIX and other.name != path.name
            part = other.name.startswith(".") and f"{_SUFFIX}." in other.name and other.suffix == ".part"
            with contextlib.suppress(OSError):
                if earlier or (part and other.stat().st_mtime < oldest):
                    other.unlink()
