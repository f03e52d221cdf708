"""Serves the tuning page until Ctrl-C, and then closes what trains behind it."""

from __future__ import annotations

import logging
import signal
import socket
import sys
from collections.abc import Sequence
from threading import Thread
from types import FrameType
from typing import Any

import tyro
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from studies.tune.options import Tune


class _Handler(WSGIRequestHandler):
    """Answers at once, and lets go of a connection that says nothing."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 60  # s of silence: each connection holds a thread

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing of requests that were answered."""

    def log_error(self, format: str, *args: Any) -> None:
        """Say nothing of connections that said nothing: browsers open some ahead."""
        if not (args and isinstance(args[0], TimeoutError)):
            super().log_error(format, *args)


def run(options: Tune) -> None:
    """Serve the page until SIGINT or SIGTERM.

    Raises
    ------
    ValueError
        If an option is refused, among them a port that is taken.
    """
    options.check()
    bound = _bound(options)
    # Imported here: they take seconds, and a refusal need not wait for them.
    from studies.directory import check_writable
    from studies.tune.app import make_app
    from studies.tune.live import LiveRuns

    check_writable(options.out)
    runs = LiveRuns(options.out / "live")
    try:
        app = make_app(options, runs)
        server = _listening(options, bound, app.server)
        runs.prepare()

        def stop(signum: int, frame: FrameType | None) -> None:
            Thread(target=server.shutdown, daemon=True).start()  # would wait for the loop that it interrupts

        for signum in (signal.SIGINT, signal.SIGTERM):
            signal.signal(signum, stop)
        host = f"[{options.host}]" if ":" in options.host else options.host
        print(f"Tuning page: http://{host}:{server.port}/  (stop with Ctrl-C)", flush=True)
        if not options.loopback:
            print(
                f"warning: --host {options.host} lets everyone who reaches this machine use the page, start "
                "training and write files into --out",
                file=sys.stderr,
                flush=True,
            )
        server.serve_forever(poll_interval=0.1)
        server.server_close()
    finally:
        runs.close()
    print(f"stopped; what was saved is in {options.out}", flush=True)


def _bound(options: Tune) -> socket.socket:
    """Take the port; werkzeug itself would print a hint and exit where it is taken."""
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((options.host, options.port))
        bound.listen(64)
    except OSError as error:
        bound.close()
        raise ValueError(
            f"port {options.port} of {options.host} cannot be listened on ({error.strerror or error}): "
            "choose another --port (0: any that is free)"
        ) from None
    return bound


def _listening(options: Tune, bound: socket.socket, application: Any) -> BaseWSGIServer:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    port = bound.getsockname()[1]
    descriptor = bound.detach()
    return make_server(
        options.host, port, application, threaded=True, request_handler=_Handler, fd=descriptor
    )


def main(arguments: Sequence[str]) -> None:
    """Run the study from the command line."""
    run(tyro.cli(Tune, prog="python -m studies tune", args=arguments))
