import os
import shutil
from importlib.util import find_spec

import plotly.graph_objects as go
import pytest

from grn.plot.playback import add_playback
from studies.report.image_export import write_image, write_images

BROWSER = os.environ.get("BROWSER_PATH") or shutil.which("chromium") or shutil.which("google-chrome")
needs_kaleido = pytest.mark.skipif(find_spec("kaleido") is None, reason="no kaleido")


def animated():
    figure = go.Figure(go.Scatter(x=[0, 1], y=[1, 0]), frames=[go.Frame(name="1"), go.Frame(name="2")])
    figure.update_layout(title_text="A falling line", height=300)
    add_playback(figure, prefix="step ")
    return figure


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"path": "a.pdf"}, ValueError, "must end in .png or .svg, got '.*a.pdf'"),
        ({"path": "a"}, ValueError, "must end in .png or .svg"),
        ({"path": "a.png", "width": 0}, ValueError, "width of a picture must be positive and finite, got 0"),
        ({"path": "a.png", "scale": float("nan")}, ValueError, "scale of a picture"),
        ({"path": "a.png", "figure": {}}, TypeError, "must be a plotly figure, got dict"),
    ],
)
def test_bad_requests_are_refused_before_any_work(tmp_path, arguments, error, message):
    arguments = {"figure": go.Figure()} | arguments
    with pytest.raises(error, match=message):
        write_image(arguments.pop("figure"), tmp_path / arguments.pop("path"), **arguments)
    assert not list(tmp_path.iterdir())


def test_missing_kaleido_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("studies.report.image_export.find_spec", lambda name: None)
    with pytest.raises(RuntimeError, match=r"pip install 'grn-pruning\[figures\]'"):
        write_image(go.Figure(), tmp_path / "a.png")
    assert not list(tmp_path.iterdir())


@needs_kaleido
def test_missing_browser_is_named_and_an_old_picture_is_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("BROWSER_PATH", str(tmp_path / "none"))
    (tmp_path / "a.svg").write_text("old")
    with pytest.raises(RuntimeError, match="apt-get install chromium"):
        write_image(go.Figure(), tmp_path / "a.svg")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a.svg", "old")]


@needs_kaleido
@pytest.mark.skipif(BROWSER is None, reason="no Chromium: set BROWSER_PATH to one")
def test_pictures_are_written_on_white_without_controls(tmp_path):
    figure = animated()
    before = figure.to_json()
    svg, png = write_images(
        {tmp_path / "new" / "a.svg": figure, tmp_path / "a.PNG": figure}, width=400, scale=1.0
    )
    assert figure.to_json() == before
    text = svg.read_text()
    assert "A falling line" in text
    assert "Play" not in text
    head = png.read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    assert (int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")) == (400, 300)
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == ["a.PNG", "a.svg"]


@pytest.mark.parametrize(
    ("frames", "arguments", "message"),
    [
        ([], {}, "frames with names that differ, got"),
        ([go.Frame(name="1"), go.Frame(name="1")], {}, "names that differ"),
        ([go.Frame()], {}, "names that differ"),
        ([go.Frame(name="1")], {"milliseconds": 0}, "milliseconds a frame must be positive, got 0"),
    ],
)
def test_playback_needs_named_frames(frames, arguments, message):
    with pytest.raises(ValueError, match=message):
        add_playback(go.Figure(frames=frames), **arguments)
