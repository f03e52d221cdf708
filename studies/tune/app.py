"""The Dash app of the tuning page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import dash

from studies.tune.connections import Connections
from studies.tune.live.callbacks import register
from studies.tune.live.panel import panel
from studies.tune.page import index, layout
from studies.tune.routes import LARGEST, add_routes

if TYPE_CHECKING:
    from studies.tune.live import LiveRuns
    from studies.tune.options import Tune


def make_app(options: Tune, runs: LiveRuns) -> dash.Dash:
    """Return the app, ready to be served.

    Parameters
    ----------
    options : Tune
        How many connections are shown, from which seed, and where files go.
    runs : LiveRuns
        Networks that train while people watch.
    """
    app = dash.Dash(
        __name__,
        assets_folder=str(Path(__file__).resolve().parent / "assets"),
        title="Tune decay rates",
        update_title="",
        serve_locally=True,
        suppress_callback_exceptions=True,
    )
    app.server.config["MAX_CONTENT_LENGTH"] = LARGEST  # also of bodies in chunks, which say no length
    app.index_string = index()
    app.layout = layout(options.genes, panel())
    add_routes(app.server, Connections.made(options.genes, options.seed), options.out / "rates")
    register(app, runs)
    return app
