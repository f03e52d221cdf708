"""XML files from strangers: checked for what harms a parser before any other library sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.parsers import expat

from grn.networks.io.text import FormatError, read_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>'
MOST_NESTED = 400  # elements: libsbml recurses, and 700 overflow the stack of a thread with 1 MiB


def read_xml(
    path: str | Path, *, format: str, check_root: Callable[[int, str, Mapping[str, str]], None]
) -> str:
    """Read a file of well-formed XML without entities, in UTF-8, nested 400 deep at most.

    Parameters
    ----------
    path : str or Path
        The file.
    format : str
        Its name, for messages.
    check_root : callable
        Takes the line, the name (``"namespace element"``) and the attributes of the root element; raises if
        it is not the format's.

    Returns
    -------
    str
        The text, with an XML declaration.

    Raises
    ------
    FormatError
        Naming file and line.
    OSError
        If the file cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> path = Path(tempfile.mkdtemp()) / "bomb.xml"
    >>> _ = path.write_text('<!DOCTYPE x [<!ENTITY a "aaaa">]><x>&a;&a;</x>')
    >>> read_xml(path, format="GraphML", check_root=lambda *_: None)
    Traceback (most recent call last):
    ...
    grn.networks.io.text.FormatError: ...bomb.xml:1: a document type declaration (DOCTYPE, ENTITY) is not ...
    """
    lines = read_lines(path)
    kept = [""] * lines[-1][0]  # blank lines too: messages name lines
    for number, line in lines:
        kept[number - 1] = line
    text = "\n".join(kept)
    parser = expat.ParserCreate(namespace_separator=" ")
    depth = 0

    def refuse(complaint: str) -> None:
        raise FormatError(path, parser.CurrentLineNumber, complaint)

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        if depth == 0:
            check_root(parser.CurrentLineNumber, name, attributes)
        depth += 1
        if depth > MOST_NESTED:
            refuse(f"XML elements are nested more than {MOST_NESTED} deep")

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1

    def declared(*_: object) -> None:
        refuse(f"a document type declaration (DOCTYPE, ENTITY) is not allowed in {format}; remove it")

    def check_encoding(version: str, encoding: str | None, standalone: int) -> None:
        if encoding is not None and encoding.lower() not in ("utf-8", "utf8", "us-ascii", "ascii"):
            refuse(f"{format} is written in UTF-8, this file declares {encoding!r}")

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.StartDoctypeDeclHandler = declared
    parser.EntityDeclHandler = declared
    parser.XmlDeclHandler = check_encoding
    try:
        parser.Parse(text, True)
    except expat.ExpatError as error:
        reason = expat.errors.messages[error.code]
        raise FormatError(path, error.lineno, f"expected well-formed XML, found: {reason}") from None
    return text if text.startswith("<?xml") else DECLARATION + text
