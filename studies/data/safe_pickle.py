"""Reading the plain data out of a pickle without unpickling: nothing in the file is ever called."""

import io
import math
import pickletools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

_MOST_BYTES = 1 << 29  # CIFAR-100's training file has 155 MB
_MOST_OPERATIONS = 2_000_000  # CIFAR-100's training file has about 400,000; bounds the objects in memory

_RECONSTRUCT = frozenset({"numpy.core.multiarray _reconstruct", "numpy._core.multiarray _reconstruct"})
_FROM_BUFFER = frozenset({"numpy.core.numeric _frombuffer", "numpy._core.numeric _frombuffer"})
_NDARRAY, _DTYPE, _ENCODE = "numpy ndarray", "numpy dtype", "_codecs encode"
_KNOWN = _RECONSTRUCT | _FROM_BUFFER | {_NDARRAY, _DTYPE, _ENCODE}

_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_NUMBERS = frozenset({"BININT", "BININT1", "BININT2", "LONG1"})
_STRINGS = frozenset({"BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"})
_OLD_STRINGS = frozenset({"BINSTRING", "SHORT_BINSTRING"})  # of Python 2: bytes or text, nobody knows
_BYTES = frozenset({"BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"})
_TUPLES = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_STORES = frozenset({"BINPUT", "LONG_BINPUT"})
_FETCHES = frozenset({"BINGET", "LONG_BINGET"})
_COLLECTS = frozenset({"TUPLE", "LIST", "APPENDS", "SETITEMS", "DICT"})
_OTHERS = frozenset(
    {"PROTO", "FRAME", "STOP", "BINFLOAT", "MARK", "APPEND", "SETITEM", "EMPTY_LIST", "EMPTY_DICT", "MEMOIZE"}
    | {"GLOBAL", "STACK_GLOBAL", "REDUCE", "BUILD"}
)
_ALLOWED = _OTHERS.union(
    _CONSTANTS, _NUMBERS, _STRINGS, _OLD_STRINGS, _BYTES, _TUPLES, _STORES, _FETCHES, _COLLECTS
)
_OPERATIONS = {operation.code.encode("latin-1"): operation for operation in pickletools.opcodes}


class _RefusedError(ValueError):
    """The pickle is malformed, or asks for more than plain data."""


@dataclass(slots=True)
class _Name:
    """One of the few global names that numpy's own pickles contain; a word here, never an object."""

    name: str


@dataclass(slots=True)
class _Dtype:
    code: str


@dataclass(slots=True)
class _Text:
    """A text that stands for the bytes with these code points: how protocol 2 of Python 3 writes bytes."""

    text: str


@dataclass(slots=True)
class PickledArray:
    """What a pickle says of an array; nothing is allocated before `array`.

    Parameters
    ----------
    state : tuple
        Shape, type code, whether the order is Fortran's, content.
    """

    state: tuple[Any, ...] = ()

    def array(self) -> np.ndarray:
        """Make the array, uint8, of the content's own size, as a read-only view where possible.

        Raises
        ------
        ValueError
            If it is not uint8 in C order, or its shape and content disagree.
        """
        if len(self.state) != 4:
            raise ValueError("its array has no content")
        shape, code, fortran, content = self.state
        sizes = isinstance(shape, tuple) and all(type(n) is int and 0 <= n < 1 << 40 for n in shape)
        if not sizes or not 1 <= len(shape) <= 8:
            raise ValueError("its array has a malformed shape")
        if not isinstance(code, _Dtype) or code.code not in ("u1", "|u1") or fortran is not False:
            raise ValueError("its array must be uint8 in C order")
        if isinstance(content, _Text):
            content = content.text
        if isinstance(content, str):
            try:
                content = content.encode("latin-1")
            except UnicodeEncodeError:
                raise ValueError("its array's content is text") from None
        if not isinstance(content, bytes | bytearray) or len(content) != math.prod(shape):
            raise ValueError(f"its array of shape {shape} has content of another size")
        return np.frombuffer(content, dtype=np.uint8).reshape(shape)


def read_pickle(path: Path) -> Any:
    """Read dicts, lists, tuples, texts, bytes, numbers and numpy arrays out of a pickle of protocol 2 to 5.

    The operations of the file are walked one by one on a stack of our own. The only global names understood
    are those of numpy's array pickles and of ``bytes``; they are recognised as words. No name is imported, no
    object called, and any other operation or name refuses the file. File size and number of operations are
    bounded.

    Parameters
    ----------
    path : path
        The file.

    Returns
    -------
    object
        Nested dicts, lists and tuples, with `PickledArray` for arrays. Strings of Python 2 come as texts, one
        character a byte.

    Raises
    ------
    ValueError
        Naming the file, and the operation or name that is refused.

    Examples
    --------
    >>> import pickle, tempfile
    >>> path = Path(tempfile.mkdtemp()) / "batch"
    >>> _ = path.write_bytes(pickle.dumps({"labels": [1, 2]}, protocol=2))
    >>> read_pickle(path)
    {'labels': [1, 2]}
    """
    with path.open("rb") as file:
        content = file.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise ValueError(f"{path}: larger than {_MOST_BYTES:,} bytes; not a batch as published")
    stream = io.BytesIO(content)
    try:
        result = _Walk().run(stream)
        if stream.read(1):
            raise _RefusedError("data after its end")
    except _RefusedError as error:
        raise ValueError(f"{path}: not a pickle of plain data and arrays: {error}") from None
    except (ValueError, OverflowError, MemoryError) as error:  # of pickletools, at a malformed argument
        raise ValueError(f"{path}: truncated or not a pickle ({str(error)[:120]})") from None
    return result


class _Walk:
    """The stack machine of pickle, reduced to plain data."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def run(self, stream: io.BytesIO) -> Any:
        for _ in range(_MOST_OPERATIONS):
            code = stream.read(1)
            operation = _OPERATIONS.get(code)
            if operation is None:
                raise _RefusedError(f"unknown operation {code!r}" if code else "truncated")
            # Refused before its argument is looked at: the text ones cost time, and some warn.
            if operation.name not in _ALLOWED:
                raise _RefusedError(f"operation {operation.name} is not allowed")
            argument = None if operation.arg is None else operation.arg.reader(stream)
            if operation.name == "STOP":
                result = self.pop()
                if self.stack or self.marks:
                    raise _RefusedError("objects left over at its end")
                return result
            self.step(operation.name, argument)
        raise _RefusedError(f"more than {_MOST_OPERATIONS:,} operations")

    def step(self, name: str, argument: Any) -> None:
        if name in ("PROTO", "FRAME"):
            return
        if name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name])
        elif name in _NUMBERS:
            if not -(1 << 63) <= argument < 1 << 63:
                raise _RefusedError("an integer of more than 64 bits")
            self.stack.append(argument)
        elif name in _STRINGS or name in _BYTES or name in _OLD_STRINGS or name == "BINFLOAT":
            self.stack.append(argument)
        elif name in _TUPLES:
            count = _TUPLES[name]
            items = [self.pop() for _ in range(count)]
            self.stack.append(tuple(reversed(items)))
        elif name == "MARK":
            self.marks.append(len(self.stack))
        elif name in _COLLECTS:
            self.collect(name)
        elif name in ("APPEND", "SETITEM"):
            self.marks.append(len(self.stack) - (1 if name == "APPEND" else 2))
            self.collect(f"{name}S")
        elif name == "EMPTY_LIST":
            self.stack.append([])
        elif name == "EMPTY_DICT":
            self.stack.append({})
        elif name in _STORES:
            self.memo[argument] = self.top()
        elif name == "MEMOIZE":
            self.memo[len(self.memo)] = self.top()
        elif name in _FETCHES:
            if argument not in self.memo:
                raise _RefusedError("a reference to nothing")
            self.stack.append(self.memo[argument])
        elif name == "GLOBAL":
            self.push_name(argument)
        elif name == "STACK_GLOBAL":
            attribute, module = self.pop(), self.pop()
            if not (isinstance(module, str) and isinstance(attribute, str)):
                raise _RefusedError("STACK_GLOBAL of no name")
            self.push_name(f"{module} {attribute}")
        elif name == "REDUCE":
            arguments, called = self.pop(), self.pop()
            self.stack.append(_recognise(called, arguments))
        else:
            assert name == "BUILD", name
            state = self.pop()
            _fill(self.top(), state)

    def push_name(self, name: str) -> None:
        if name not in _KNOWN:
            raise _RefusedError(f"{name[:80].replace(' ', '.', 1)!r} is not allowed")
        self.stack.append(_Name(name))

    def floor(self) -> int:
        return self.marks[-1] if self.marks else 0

    def top(self) -> Any:
        if len(self.stack) <= self.floor():
            raise _RefusedError("a value is missing")
        return self.stack[-1]

    def pop(self) -> Any:
        value = self.top()
        del self.stack[-1]
        return value

    def collect(self, name: str) -> None:
        """Take what stands above the last mark, as a new value or into the one below the mark."""
        if not self.marks or self.marks[-1] < 0:
            raise _RefusedError("a mark is missing")
        start = self.marks.pop()
        items = self.stack[start:]
        del self.stack[start:]
        if name == "TUPLE":
            self.stack.append(tuple(items))
            return
        if name in ("LIST", "DICT"):
            self.stack.append([] if name == "LIST" else {})
        target = self.top()
        if name in ("LIST", "APPENDS"):
            if not isinstance(target, list):
                raise _RefusedError("items for what is no list")
            target.extend(items)
            return
        if not isinstance(target, dict) or len(items) % 2:
            raise _RefusedError("items for what is no dict")
        for key, value in zip(items[::2], items[1::2], strict=True):
            if type(key) not in (str, bytes, int):
                raise _RefusedError("a dict key that is no text or number")
            target[key] = value


def _recognise(called: Any, arguments: Any) -> Any:
    """Say what numpy would have made of a call, without calling anything."""
    if not isinstance(called, _Name) or not isinstance(arguments, tuple):
        raise _RefusedError("a call of what is no name")
    if called.name in _RECONSTRUCT:
        if len(arguments) != 3 or not (isinstance(arguments[0], _Name) and arguments[0].name == _NDARRAY):
            raise _RefusedError("a malformed array")
        return PickledArray()
    if called.name in _FROM_BUFFER:
        if len(arguments) != 4:
            raise _RefusedError("a malformed array")
        content, dtype, shape, order = arguments
        return PickledArray((shape, dtype, order != "C" if isinstance(order, str) else None, content))
    if called.name == _DTYPE:
        if not arguments or not isinstance(arguments[0], str) or len(arguments[0]) > 8:
            raise _RefusedError("a malformed dtype")
        return _Dtype(arguments[0])
    if called.name == _ENCODE:
        if len(arguments) != 2 or not isinstance(arguments[0], str) or arguments[1] != "latin1":
            raise _RefusedError("_codecs.encode of no latin1 text")
        return _Text(arguments[0])
    raise _RefusedError(f"a call of {called.name.replace(' ', '.')} is not allowed")


def _fill(target: Any, state: Any) -> None:
    if not isinstance(state, tuple):
        raise _RefusedError("BUILD with a state that is no tuple")
    if isinstance(target, _Dtype):
        return  # byte order and fields: a one-byte type, the only one that `array` accepts, has none
    if not isinstance(target, PickledArray) or len(state) != 5:
        raise _RefusedError("BUILD of what is no array")
    target.state = state[1:]
