"""What the page asks of the server: figures for its fields, and the settings as text to take along.

Stateless: a request holds all that its answer depends on, so any number of people share a server.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from flask import Response, jsonify, request

from studies.tune.answer import answer
from studies.tune.policy_text import save_config, snippet
from studies.tune.request import read_request

if TYPE_CHECKING:
    from flask import Flask

    from studies.tune.connections import Connections

FIGURES, USE = "tune/figures", "tune/use"
LARGEST = 100_000  # bytes of a request, also of Dash's own


def add_routes(server: Flask, connections: Connections, out: Path) -> None:
    """Serve the page's two questions.

    Parameters
    ----------
    server : Flask
        Of the app.
    connections : Connections
        Whose expression is shown.
    out : Path
        Folder for the files of "Use these rates".
    """
    turn = Lock()  # one person's figures after the other's: together they would all come late

    @server.post(f"/{FIGURES}")
    def figures() -> Response | tuple[Response, int]:
        try:
            asked = read_request(_body())
        except ValueError as error:
            return jsonify(error=str(error)), 400
        with turn:
            return jsonify(answer(connections, asked))

    @server.post(f"/{USE}")
    def use() -> Response | tuple[Response, int]:
        try:
            asked = read_request(_body())
        except ValueError as error:
            return jsonify(error=str(error)), 400
        if asked.settings is None:
            return jsonify(errors=dict(asked.errors))
        try:
            path = save_config(asked.settings, out)
            config = path.read_text()
        except OSError as error:
            return jsonify(errors={}, failed=f"The file could not be written: {error}")
        command = shlex.join(["python", "-m", "studies", "compare", "--policy-config", str(path)])
        return jsonify(
            errors={}, snippet=snippet(asked.settings), config=config, name=path.name, command=command
        )


def _body() -> Any:
    if request.content_length is None:
        raise ValueError("a request must say its length (Content-Length), and this one does not")
    if request.content_length > LARGEST:
        raise ValueError(f"a request must be shorter than {LARGEST:,} bytes, got {request.content_length:,}")
    if not request.is_json:
        raise ValueError(f"a request must be application/json, got {request.content_type}")
    return request.get_json(silent=True)
