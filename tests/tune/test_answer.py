"""What the server answers to the page: numbers that fit the figures, errors by field, no memory of anyone."""

import base64
import json
from dataclasses import asdict
from types import SimpleNamespace

import numpy as np
import pytest
from flask import Flask

from grn.analytic import fixed_points
from studies.policy_config import read_policy_config
from studies.tune.answer import answer
from studies.tune.connections import Connections
from studies.tune.expression import EDGES
from studies.tune.figures import figures
from studies.tune.policy_text import save_config, snippet
from studies.tune.request import PARAMETERS, read_request
from studies.tune.routes import add_routes
from studies.tune.settings import Settings

LAYER = Connections.made(4_000, seed=0)


def numbers(packed):
    assert packed["dtype"] == "f4"
    return np.frombuffer(base64.b64decode(packed["bdata"]), "<f4")


def asked(**request):
    return answer(LAYER, read_request(request))


@pytest.fixture
def client(tmp_path):
    server = Flask("tune")
    add_routes(server, LAYER, tmp_path / "rates")
    return SimpleNamespace(ask=server.test_client(), folder=tmp_path / "rates")


@pytest.mark.parametrize("parameter", PARAMETERS)
@pytest.mark.parametrize("values", [{}, {"autoactivation": 3, "cooperation": 1}])
def test_numbers_fit_the_traces_of_the_figures(parameter, values):
    found = asked(parameter=parameter, values=values)
    json.dumps(found, allow_nan=False)
    built = figures()
    assert set(found["figures"]) == set(built)
    for name, figure in found["figures"].items():
        assert len(figure["data"]) == len(built[name].data), name
        for trace in figure["data"]:
            if "x" in trace:
                assert len(numbers(trace["x"])) == len(numbers(trace["y"]))


def test_counts_add_up_and_the_mask_has_its_density():
    found = asked(values={"density": 0.25})
    after, kept, rest, _ = found["figures"]["histogram"]["data"]
    shown = [numbers(trace["y"])[:-1] for trace in (after, kept, rest)]
    totals = [int(np.where(counts < 1, 0, counts).sum()) for counts in shown]
    assert totals == [4000, 1000, 4000]
    np.testing.assert_allclose(numbers(after["x"]), EDGES, atol=1e-7)
    assert "keeps 1,000 of 4,000 connections, a mask density of 0.25" in found["words"]["density-words"]


def test_points_of_the_diagram_are_the_resting_levels():
    found = asked(values={"autoactivation": 3})
    point = found["figures"]["levels"]["data"][3]
    rests = fixed_points(Settings().kinetics, 1.0, 3.0)
    np.testing.assert_allclose(numbers(point["y"]), [rest.level for rest in rests], rtol=1e-6)
    assert point["marker.symbol"] == ["circle", "circle-open", "circle"]
    assert "two stable levels" in found["words"]["levels-words"]
    assert "above 1.882" in asked()["words"]["levels-words"]


def test_branches_meet_at_the_saddle_nodes():
    lower, unstable, upper = asked(values={"autoactivation": 3})["figures"]["levels"]["data"][:3]
    assert numbers(lower["y"])[-1] == numbers(unstable["y"])[0]
    assert numbers(unstable["y"])[-1] == numbers(upper["y"])[0]


def test_rates_move_no_resting_level_and_density_no_nullcline_shape():
    slow, fast = asked(), asked(values={"mrna_decay": 7, "protein_decay": 3})
    assert slow["figures"]["levels"] == fast["figures"]["levels"]
    rest = slow["figures"]["histogram"]["data"][2]
    assert rest == fast["figures"]["histogram"]["data"][2]


def test_a_wrong_field_gets_its_message_and_no_figure():
    assert asked(values={"basal": "x"}) == {"errors": {"basal": "basal must be a number, got 'x'"}}


def test_few_steps_while_dragging_are_told():
    assert "few steps" in asked(values={"cooperation": 2}, dragging=True)["rough"]
    assert asked(values={"cooperation": 2})["rough"] == ""
    assert asked(dragging=True)["rough"] == "" or "one connection in 16" in asked(dragging=True)["rough"]


def test_the_server_answers_alike_whoever_asked_before(client):
    def figures_of(values):
        reply = client.ask.post("/tune/figures", json={"values": values})
        assert reply.status_code == 200
        return reply.json["figures"]

    first = figures_of({})
    assert figures_of({"autoactivation": 3}) != first
    assert figures_of({}) == first


@pytest.mark.parametrize("route", ["/tune/figures", "/tune/use"])
def test_what_no_page_sends_is_refused_in_words(client, route):
    for sent in ({"data": "a=1"}, {"data": "{", "content_type": "application/json"}, {"json": [1]}):
        reply = client.ask.post(route, **sent)
        assert reply.status_code == 400
        assert "a request must be" in reply.json["error"]
    reply = client.ask.post(route, json={"values": {"basal": "x" * 200_000}})
    assert "shorter than 100,000 bytes" in reply.json["error"]
    assert not client.folder.exists()


def test_use_writes_one_file_for_equal_settings_and_none_for_wrong_ones(client):
    wrong = client.ask.post("/tune/use", json={"values": {"basal": 3}}).json
    assert list(wrong) == ["errors"]
    assert not client.folder.exists()
    for _ in range(2):
        reply = client.ask.post("/tune/use", json={"values": {"autoactivation": 2}}).json
    (path,) = client.folder.iterdir()
    assert reply["name"] == path.name
    assert reply["config"] == path.read_text()
    assert read_policy_config(path).gating() == Settings(autoactivation=2.0).gating()
    assert reply["command"] == f"python -m studies compare --policy-config {path}"


def test_a_folder_that_cannot_be_written_is_told(client):
    client.folder.write_text("a file")
    reply = client.ask.post("/tune/use", json={}).json
    assert reply["failed"].startswith("The file could not be written")


def test_the_snippet_runs_and_holds_the_settings(tmp_path):
    settings = Settings(mrna_decay=0.1 + 0.2, hill_coefficient=7.3, cooperation=0.4, density=0.05)
    scope = {}
    exec(snippet(settings), scope)
    assert scope["policy"] == settings.gating()
    assert scope["controller"].policy == settings.gating()
    assert scope["controller"].schedule.final_sparsity == 0.95
    assert read_policy_config(save_config(settings, tmp_path)).density == 0.05
    assert asdict(settings)["mrna_decay"] == scope["policy"].kinetics.mrna_decay
