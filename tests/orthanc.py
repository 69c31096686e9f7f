"""A real PACS for tests: Orthanc with DICOMweb, on loopback, with a configuration and a folder of its own."""

import json
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests

PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
PROGRAM = "Orthanc"


class Orthanc:
    """What tests ask a running server directly, past segkit."""

    def __init__(self, port: int, credentials: tuple[str, str] | None = None) -> None:
        self.url, self.credentials = f"http://127.0.0.1:{port}", credentials
        self.address = f"dicomweb://127.0.0.1:{port}/dicom-web"

    def get(self, path: str) -> requests.Response:
        answer = requests.get(self.url + path, timeout=20, auth=self.credentials)
        answer.raise_for_status()
        return answer

    def upload(self, files: list[Path]) -> None:
        for file in files:
            sent = requests.post(f"{self.url}/instances", data=file.read_bytes(), timeout=20, auth=self.credentials)
            sent.raise_for_status()

    def series(self, study: str) -> dict[str, str]:
        """Return the modality of each series of a study, by query."""
        found = self.get(f"/dicom-web/studies/{study}/series").json()
        return {one["0020000E"]["Value"][0]: one["00080060"]["Value"][0] for one in found}

    def bytes_of(self, uid: str) -> bytes:
        """Return an instance's file as it is stored."""
        asked = {"Level": "Instance", "Query": {"SOPInstanceUID": uid}}
        (name,) = requests.post(f"{self.url}/tools/find", json=asked, timeout=20, auth=self.credentials).json()
        return self.get(f"/instances/{name}/file").content

    def clear(self) -> None:
        for patient in self.get("/patients").json():
            requests.delete(f"{self.url}/patients/{patient}", timeout=20, auth=self.credentials)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def running(folder: Path, credentials: tuple[str, str] | None = None) -> Iterator[Orthanc]:
    """Run a server for the length of the block; a test is skipped where it is not installed."""
    program = shutil.which(PROGRAM) or shutil.which(PROGRAM, path="/usr/sbin")
    if program is None or not PLUGIN.exists():
        pytest.skip("no PACS to test with: the packages orthanc and orthanc-dicomweb are not installed")
    port = free_port()
    server = Orthanc(port, credentials)
    settings = {
        "Name": "segkit's tests",
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "index"),
        "HttpPort": port,
        "DicomServerEnabled": False,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": credentials is not None,
        "RegisteredUsers": dict([credentials] if credentials else []),
        "Plugins": [str(PLUGIN)],
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
        "HttpThreadsCount": 4,
    }
    (folder / "orthanc.json").write_text(json.dumps(settings))
    with (folder / "orthanc.log").open("w") as log:
        process = subprocess.Popen([program, str(folder / "orthanc.json")], stdout=log, stderr=log)
        try:
            wait_for(server, process, folder / "orthanc.log")
            yield server
        finally:
            process.terminate()
            process.wait(20)


def wait_for(server: Orthanc, process: subprocess.Popen, log: Path) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        try:
            server.get("/dicom-web/studies")
        except requests.RequestException:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"Orthanc did not start:\n{log.read_text()[-2000:]}")


@contextmanager
def troubled(server: Orthanc, trouble: Callable[[str, str, int], int | None]) -> Iterator[Orthanc]:
    """Put something between a server and its clients that goes wrong.

    Args:
        server: what stands behind.
        trouble: is told method, path and number (from 1) of each request; returns None to hand it on, a status to
            answer with, or 0 to break the connection off, after half of the answer where the method is GET.
    """
    count = 0

    class Between(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def body(self) -> bytes:
            if self.headers.get("Transfer-Encoding") != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length", 0)))
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)

        def hand_on(self) -> None:
            nonlocal count
            count += 1
            body, wrong = self.body(), trouble(self.command, self.path, count)
            passed = {
                key: self.headers[key] for key in ("Accept", "Content-Type", "Authorization") if key in self.headers
            }
            if wrong:
                answer, status, kind = b"", wrong, "text/plain"
            else:
                found = requests.request(self.command, server.url + self.path, data=body, headers=passed, timeout=20)
                answer, status, kind = found.content, found.status_code, found.headers.get("Content-Type", "")
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            if wrong == 0:
                self.wfile.write(answer[: len(answer) // 2] if self.command == "GET" else b"")
                self.close_connection = True
            else:
                self.wfile.write(answer)

        do_GET = do_POST = hand_on  # noqa: N815

        def log_message(self, *words: object) -> None:
            """Say nothing."""

    between = ThreadingHTTPServer(("127.0.0.1", 0), Between)
    thread = threading.Thread(target=between.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield Orthanc(between.server_address[1])
    finally:
        between.shutdown()
        between.server_close()
