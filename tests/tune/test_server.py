"""What the tuning page's server takes of those who send too much, too slowly, or nothing."""

import http.client
import json
from urllib.parse import urlsplit

import pytest

from studies.tune.command import _Handler
from studies.tune.routes import LARGEST


def sent(server, route, *, body, **headers):
    """Status and text of what a request is answered."""
    connection = http.client.HTTPConnection(urlsplit(server.address).netloc, timeout=30)
    try:
        connection.request(
            "POST", f"/{route}", body, {"Content-Type": "application/json", **headers},
            encode_chunked="Transfer-Encoding" in headers,
        )  # fmt: skip
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def test_a_request_without_its_length_is_refused(tune_server):
    status, text = sent(tune_server, "tune/figures", body=iter([b"{}"]), **{"Transfer-Encoding": "chunked"})
    assert (status, "must say its length" in json.loads(text)["error"]) == (400, True)


def test_a_request_that_is_too_long_is_refused(tune_server):
    status, text = sent(tune_server, "tune/figures", body=b" " * (LARGEST + 1))
    assert (status, "must be shorter than 100,000 bytes" in text) == (400, True)


@pytest.mark.parametrize("chunked", [False, True])
def test_so_is_one_to_dash(tune_server, chunked):
    body = b'{"a": "' + b"x" * LARGEST + b'"}'
    headers = {"Transfer-Encoding": "chunked"} if chunked else {}
    status, _ = sent(tune_server, "_dash-update-component", body=iter([body]) if chunked else body, **headers)
    assert status in (400, 413)  # in chunks, reading ends at the limit


def test_a_silent_connection_is_let_go():
    assert _Handler.timeout == 60
