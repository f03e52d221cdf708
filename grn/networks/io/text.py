"""Text files, read and written with care: every format of this package goes through here."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

MAX_FILE_BYTES = 64 * 1024 * 1024


class FormatError(ValueError):
    """A file that is not what it should be; the message begins with ``path:line:``.

    Parameters
    ----------
    path : str or Path
        The file.
    line : int
        The line, from 1.
    message : str
        What was expected there and what was found.

    Examples
    --------
    >>> raise FormatError("model.bnet", 3, "expected a comma, got 'A B'")
    Traceback (most recent call last):
    ...
    grn.networks.io.text.FormatError: model.bnet:3: expected a comma, got 'A B'
    """

    def __init__(self, path: str | Path, line: int, message: str) -> None:
        super().__init__(path, line, message)
        self.path = Path(path)
        self.line = line
        self.message = message

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.message}"


def read_lines(path: str | Path) -> list[tuple[int, str]]:
    r"""Lines of a UTF-8 file with their numbers from 1, blank lines left out.

    Parameters
    ----------
    path : str or Path
        A regular file of at most `MAX_FILE_BYTES`; a byte-order mark is allowed, and any of the line ends
        of Unix, Windows and old Macs.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    IsADirectoryError
        If it is a directory.
    FormatError
        If it is no regular file, too large, not UTF-8, holds a NUL, or nothing but blanks.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "names.txt"
    >>> write_text(path, "A\n\nB\n")
    >>> read_lines(path)
    [(1, 'A'), (3, 'B')]
    """
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a directory; give the path of a file in it")
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path} (from {Path.cwd()})")
    if not path.is_file():  # a pipe or a device might never end
        raise FormatError(path, 1, "expected a regular file, found a pipe or device")
    with path.open("rb") as file:
        content = file.read(MAX_FILE_BYTES + 1)
    if len(content) > MAX_FILE_BYTES:
        raise FormatError(path, 1, f"the file is larger than {MAX_FILE_BYTES} bytes, the limit; split it")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        byte = content[error.start]
        raise FormatError(
            path,
            _line_of(content, error.start),
            f"expected UTF-8 text, found byte 0x{byte:02x}; save the file as UTF-8",
        ) from None
    nul = content.find(b"\0")
    if nul >= 0:
        raise FormatError(
            path, _line_of(content, nul), "expected text, found a NUL byte; is this a binary file?"
        )
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    numbered = [(number, line) for number, line in enumerate(lines, start=1) if line.strip()]
    if not numbered:
        raise FormatError(path, 1, "the file is empty")
    return numbered


def write_text(path: str | Path, text: str) -> None:
    r"""Write a UTF-8 file whole or not at all: beside the target, flushed to disk, then renamed over it.

    Parameters
    ----------
    path : str or Path
        The target; its directory must exist.
    text : str
        The whole content.

    Raises
    ------
    FileNotFoundError
        If the directory does not exist.
    IsADirectoryError
        If the path is a directory.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "a.txt"
    >>> write_text(path, "γ\n")
    >>> path.read_text(encoding="utf-8")
    'γ\n'
    """
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a directory; give the path of a file in it")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"there is no directory {path.parent}; make it before writing {path.name}")
    content = text.encode("utf-8")
    temporary = Path(tempfile.mkdtemp(prefix=f".{path.name[:40]}.", dir=path.parent)) / "part"
    try:
        with temporary.open("wb") as file:  # opened by name, and so with the permissions of any new file
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
        temporary.parent.rmdir()


def _line_of(content: bytes, offset: int) -> int:
    return content.count(b"\n", 0, offset) + 1
