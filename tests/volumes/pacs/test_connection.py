"""Requests are tried again where that helps; credentials come from where nobody else reads them."""

import shutil
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from segkit.config.addresses import Address, address_from
from segkit.config.options import PacsOptions
from segkit.foundation.errors import DataError, UsageError
from segkit.volumes.pacs import connection
from segkit.volumes.pacs.connection import Pacs, connect

OPTIONS = PacsOptions(folder="", attempts=3, timeout=5)
HERE = Address("http://127.0.0.1:1/dicom-web", "1.2.3")
AWAY = Address("https://pacs.example.org/dicom-web")
UID = "00080018"


@pytest.fixture(autouse=True)
def nobody(monkeypatch, tmp_path):
    """No waiting, and no credentials but a test's own."""
    monkeypatch.setattr(connection, "FIRST_WAIT", 0.0)
    for name in (connection.USER, connection.PASSWORD, connection.TOKEN):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    return tmp_path / "netrc"


def answered(status):
    answer = requests.Response()
    answer.status_code = status
    return requests.HTTPError(response=answer)


class Failing:
    """A request that fails in given ways before it succeeds."""

    def __init__(self, *errors):
        self.errors, self.calls = list(errors), 0

    def __call__(self, client):
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "done"


PASSING = [requests.ConnectionError(), requests.Timeout(), requests.exceptions.ChunkedEncodingError(), answered(503)]


@pytest.mark.parametrize("error", PASSING, ids=repr)
def test_what_fails_in_passing_is_tried_again_and_said(error, capsys):
    request = Failing(error, error)
    assert Pacs(HERE, None, 3).ask(request, "looking") == "done"
    assert request.calls == 3
    assert capsys.readouterr().err.count("127.0.0.1:1: looking failed") == 2


@pytest.mark.parametrize("error", PASSING, ids=repr)
def test_attempts_come_to_an_end(error):
    request = Failing(*[error] * 9)
    with pytest.raises(DataError, match=r"^127\.0\.0\.1:1: looking failed: [^\n]+$"):
        Pacs(HERE, None, 3).ask(request, "looking")
    assert request.calls == 3


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (answered(404), "404"), (answered(401), "SEGKIT_PACS_USER"), (answered(403), "SEGKIT_PACS_USER"),
        (answered(400), "400"), (requests.exceptions.SSLError("https://pacs/1.2.3"), "REQUESTS_CA_BUNDLE"),
        (requests.exceptions.InvalidURL(), "InvalidURL"), (ValueError("no JSON: Doe^John"), "no DICOMweb"),
    ],
    ids=repr,
)  # fmt: skip
def test_what_fails_for_good_is_not_tried_again(error, said):
    request = Failing(error)
    with pytest.raises(DataError, match=said) as failed:
        Pacs(HERE, None, 3).ask(request, "looking")
    assert request.calls == 1
    assert "Doe" not in str(failed.value)
    assert "1.2.3" not in str(failed.value)


@given(count=st.integers(0, 20), size=st.integers(1, 7), knows_pages=st.booleans())
def test_all_pages_are_found_also_of_a_server_that_knows_none(count, size, knows_pages):
    stored = [{UID: {"vr": "UI", "Value": [f"1.{number}"]}} for number in range(count)]

    def search(client, /, *, offset):
        return stored[offset : offset + size] if knows_pages else stored

    found = Pacs(HERE, None, 1).find(search, UID, "looking")
    assert found == stored


@pytest.mark.parametrize("result", [{}, {UID: {}}, {UID: {"Value": []}}, {UID: {"Value": [None]}}, {UID: 3}])
def test_an_element_that_is_not_there_is_empty(result):
    assert connection.value_of(result, UID) == ""


def headers_of(address):
    """Return the headers that a request to a PACS would bear."""
    session = connect(address, OPTIONS).client._session
    return session.prepare_request(requests.Request("GET", address.service)).headers


def test_without_credentials_none_are_sent():
    assert "Authorization" not in headers_of(HERE)


def test_credentials_of_the_environment_come_before_those_of_netrc(monkeypatch, nobody):
    nobody.write_text("machine pacs.example.org login ann password of-netrc\n")
    nobody.chmod(0o600)
    assert headers_of(AWAY)["Authorization"] == requests.auth._basic_auth_str("ann", "of-netrc")
    monkeypatch.setenv(connection.USER, "bob")
    monkeypatch.setenv(connection.PASSWORD, "of-environment")
    assert headers_of(AWAY)["Authorization"] == requests.auth._basic_auth_str("bob", "of-environment")
    monkeypatch.setenv(connection.TOKEN, "a-token")
    assert headers_of(AWAY)["Authorization"] == "Bearer a-token"


@pytest.mark.parametrize(("address", "is_warned"), [(HERE, False), (Address("http://10.0.0.7/rs"), True)])
def test_a_machine_that_is_asked_without_tls_is_warned_of(address, is_warned, capsys):
    connect(address, OPTIONS)
    assert ("dicomwebs:// encrypts" in capsys.readouterr().err) == is_warned


@pytest.mark.parametrize("where", ["environment", "netrc", "token"])
def test_credentials_are_not_sent_in_clear_to_another_machine(monkeypatch, nobody, where):
    if where == "netrc":
        nobody.write_text("machine pacs.example.org login ann password secret\n")
        nobody.chmod(0o600)
    elif where == "token":
        monkeypatch.setenv(connection.TOKEN, "secret")
    else:
        monkeypatch.setenv(connection.USER, "ann")
        monkeypatch.setenv(connection.PASSWORD, "secret")
    with pytest.raises(UsageError, match="dicomwebs://") as refused:
        connect(Address("http://pacs.example.org/dicom-web"), OPTIONS)
    assert "secret" not in str(refused.value)


def test_a_user_without_a_password_is_a_mistake(monkeypatch):
    monkeypatch.setenv(connection.USER, "ann")
    with pytest.raises(UsageError, match="belong together"):
        connect(AWAY, OPTIONS)


class Answering(BaseHTTPRequestHandler):
    """Finds nothing; below /elsewhere it redirects to another host."""

    def do_GET(self):
        is_redirected = self.path.startswith("/elsewhere")
        self.send_response(302 if is_redirected else 204)
        if is_redirected:
            self.send_header("Location", "http://pacs.example.org/")
        self.end_headers()

    def log_message(self, *words):
        pass


@pytest.fixture
def answering():
    """A server on loopback that is started by hand, since one test wraps its socket."""
    server = HTTPServer(("127.0.0.1", 0), Answering)
    yield server, threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start
    server.shutdown()
    server.server_close()


def studies_at(address):
    return connect(address_from(address, "input"), OPTIONS).ask(lambda client: client.search_for_studies(), "looking")


def test_no_proxy_stands_before_this_machine_and_no_redirection_is_followed(answering, monkeypatch):
    server, start = answering
    start()
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    there = f"dicomweb://127.0.0.1:{server.server_address[1]}"
    assert studies_at(f"{there}/dicom-web") == []
    with pytest.raises(DataError, match="it redirects elsewhere"):
        studies_at(f"{there}/elsewhere")


def test_a_certificate_that_nobody_vouches_for_is_refused(answering, tmp_path, monkeypatch):
    if shutil.which("openssl") is None:
        pytest.skip("openssl, which makes a certificate, is not installed")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    server, start = answering
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    start()
    address = f"dicomwebs://localhost:{server.server_address[1]}/dicom-web"
    with pytest.raises(DataError, match="certificate is not trusted"):
        studies_at(address)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    # Trusted through a bundle of the environment, as hospitals' own authorities are, on loopback too.
    assert studies_at(address) == []
