"""Serves a report with its volumes in full, to this machine alone and to whoever knows the address's token."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable, Mapping
from functools import lru_cache
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock
from urllib.parse import urlsplit

from segkit.foundation.errors import SegkitError

HOST = "127.0.0.1"
KEPT = 2  # cases in memory
Volumes = Callable[[int], Mapping[str, bytes]]


class Server(ThreadingHTTPServer):
    """A server of one page.

    Args:
        page: its HTML.
        volumes: gives the volumes of the case at a place in the viewer, each a NIfTI file by its name.
    """

    daemon_threads = True

    def __init__(self, page: str, volumes: Volumes) -> None:
        super().__init__((HOST, 0), Handler)
        self.page, self.token, self.lock = page.encode("utf-8"), secrets.token_urlsafe(24), Lock()
        self._volumes = lru_cache(KEPT)(volumes)

    @property
    def address(self) -> str:
        """Where the page is."""
        return f"http://{HOST}:{self.server_port}/{self.token}/"

    def volumes(self, place: int) -> Mapping[str, bytes]:
        """Return the volumes of a case, read once though its parts are asked for one by one."""
        with self.lock:
            return self._volumes(place)


class Handler(BaseHTTPRequestHandler):
    """Answers GET for the page and for volumes; everything else, and every wrong token, is not there."""

    server: Server

    def do_GET(self) -> None:
        """Answer."""
        _, token, *rest = [*urlsplit(self.path).path.split("/"), ""]
        # A page elsewhere may have its name point to this machine; the host that it asks for gives it away.
        names = [f"{name}:{self.server.server_port}" for name in (HOST, "localhost")]
        is_ours = self.headers.get("Host", "") in names
        if not (is_ours and hmac.compare_digest(token.encode(), self.server.token.encode())):
            self.answer(HTTPStatus.NOT_FOUND, b"not found", "text/plain")
        elif rest in (["", ""], [""]):
            self.answer(HTTPStatus.OK, self.server.page, "text/html; charset=utf-8")
        elif len(rest) >= 3 and rest[0] == "volumes" and rest[1].isdigit():
            self.answer_volume(int(rest[1]), rest[2])
        else:
            self.answer(HTTPStatus.NOT_FOUND, b"not found", "text/plain")

    def answer_volume(self, place: int, part: str) -> None:
        """Answer with a volume."""
        try:
            content = self.server.volumes(place).get(part)
        except IndexError:
            content = None
        except SegkitError as error:
            self.answer(HTTPStatus.UNPROCESSABLE_ENTITY, str(error).encode("utf-8", "replace"), "text/plain")
            return
        if content is None:
            self.answer(HTTPStatus.NOT_FOUND, b"not found", "text/plain")
        else:
            self.answer(HTTPStatus.OK, content, "application/octet-stream")

    def answer(self, status: HTTPStatus, content: bytes, kind: str) -> None:
        """Send a whole answer, which no cache keeps and no other page may read."""
        self.send_response(status)
        headers = {
            "Content-Type": kind, "Content-Length": str(len(content)), "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
            "Cross-Origin-Resource-Policy": "same-origin", "X-Frame-Options": "DENY",
        }  # fmt: skip
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002  (the base class's name)
        """Say nothing of each request; the address holds the token."""
