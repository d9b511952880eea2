"""A proxy before the real API server that has the faults of a bad day, on demand."""

import contextlib
import http.client
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from tests.cluster.harness import ControlPlane

_HOP = {"connection", "transfer-encoding", "content-length", "keep-alive"}


class FaultyServer:
    """Passes requests on to a control plane's API server; a context manager.

    Attributes:
        away: whether every connection is refused an answer.
        busy: how many requests to answer with 429 and a Retry-After of a second.
        gone: how many watches to answer with 410 Gone.
        seen: the requests that came, as `GET /path`.
    """

    def __init__(self, plane: ControlPlane, folder: Path) -> None:
        self.away = False
        self.busy = self.gone = 0
        self.seen: list[str] = []
        self._plane = plane
        self._fatal: int | None = None
        self._seconds = 0.0
        self._restart: threading.Timer | None = None
        self._backend = urlsplit(plane.server).netloc
        self._trust = ssl.create_default_context(cafile=str(plane.pki.authority))
        self._open: set[Any] = set()
        self._lock = threading.Lock()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(plane.pki.certificate, plane.pki.key)
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.faults = self
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.kubeconfig = folder / "faulty-kubeconfig"
        document = json.loads(plane.kubeconfig.read_text())
        port = self._server.server_address[1]
        document["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{port}"
        self.kubeconfig.write_text(json.dumps(document))

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.break_all()
        self._server.shutdown()
        self._server.server_close()

    def break_all(self) -> None:
        """Cut every connection, watches included."""
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    @contextmanager
    def killed_at(self, request: int, seconds: float) -> Iterator[None]:
        """Kill the API server itself in the middle of the block; some seconds later it is back.

        Args:
            request: the number of the request, from 1, that comes to a server that has just died.
            seconds: how long there is none.
        """
        self._fatal, self._restart = len(self.seen) + request, None
        self._seconds = seconds
        try:
            yield
        finally:
            self._fatal = None
            assert self._restart is not None, f"there were no {request} requests"
            self._plane.await_server(self._restart)

    def came(self, request: str) -> None:
        """Take in a request, which may be the one at which the API server dies."""
        with self._lock:
            self.seen.append(request)
            if len(self.seen) == self._fatal:
                self._restart = self._plane.kill_server(self._seconds)

    def take(self, name: str) -> bool:
        """Use up one of the faults of a name."""
        with self._lock:
            left: int = getattr(self, name)
            setattr(self, name, max(0, left - 1))
            return left > 0

    def opened(self, connection: Any) -> None:
        """Take in a new connection."""
        with self._lock:
            self._open.add(connection)

    def closed(self, connection: Any) -> None:
        """Take in the end of a connection."""
        with self._lock:
            self._open.discard(connection)

    def backend(self) -> http.client.HTTPSConnection:
        """A new connection to the real API server."""
        return http.client.HTTPSConnection(self._backend, context=self._trust)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    faults: FaultyServer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of connections that were cut on purpose."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.server.faults.opened(self.connection)

    def finish(self) -> None:
        self.server.faults.closed(self.connection)

    def do_GET(self) -> None:
        faults = self.server.faults
        faults.came(f"{self.command} {self.path}")
        self.close_connection = True
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if faults.away:
            return
        if faults.take("busy"):
            self._answer(429, {"Retry-After": "1"}, b"{}")
        elif "watch=true" in self.path and faults.take("gone"):
            status = {"kind": "Status", "code": 410, "message": "too old"}
            self._answer(200, {}, json.dumps({"type": "ERROR", "object": status}).encode() + b"\n")
        else:
            self._forward(body)

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815 - what http.server looks for

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _forward(self, body: bytes) -> None:
        backend = self.server.faults.backend()
        headers = {k: v for k, v in self.headers.items() if k.lower() not in _HOP}
        try:
            backend.request(self.command, self.path, body or None, headers)
            found = backend.getresponse()
            self.send_response(found.status)
            for name, value in found.headers.items():
                if name.lower() not in _HOP:
                    self.send_header(name, value)
            self.send_header("Transfer-Encoding", "chunked")  # watches are read as they come
            self.end_headers()
            while part := found.read1(65536):
                self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
                self.wfile.flush()
            self.wfile.write(b"0\r\n\r\n")
        except (OSError, ValueError):
            return  # one of both has hung up
        finally:
            backend.close()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
        """Say nothing: the API server's log has what came through."""
