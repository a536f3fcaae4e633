"""A TCP proxy that counts round trips, for tests that say what an operation costs.

Knows sockets only: neither a protocol nor backends.
"""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Self

__all__ = ["CountingProxy"]

_PIECE: Final = 1 << 16

#: Seconds for which more of a request is waited for.
PATIENCE: Final = 0.02


class CountingProxy:
    """Forwards a port of its own to that of a server on this host. A context manager.

    A round trip begins with the first bytes that a client sends on a connection, and with the
    first that it sends after the server answered there. What it sends before that answer belongs
    to the same round trip, in however many packets; a command that wants no answer belongs to
    the one of the next command that does. A round trip is counted before the server sees it, so
    whoever has the answer finds it counted. What a client sends within `PATIENCE` seconds is
    forwarded together: a server must not answer the first piece of a request before a busy
    machine got to send the next.

    It forwards in threads of this process. A library in C that waits without letting other threads
    run (pylibmc does at the end of ``gets``, in the binary protocol) waits for the proxy in vain.

    :param port: of the server. While nobody listens there, clients are hung up on.
    :ivar port: where clients connect.
    :ivar round_trips: of all connections, since the proxy was made.
    """

    def __init__(self, port: int) -> None:
        self._server_port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.round_trips = 0
        self._counted = 0
        self._lock = threading.Lock()
        self._connections: list[_Connection] = []
        self._acceptor = threading.Thread(target=self._accept, daemon=True)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def count(self) -> int:
        """The round trips since the last call."""
        with self._lock:
            new = self.round_trips - self._counted
            self._counted = self.round_trips
        return new

    def hang_up(self) -> None:
        """Close all connections of the moment, as a network does. New ones are accepted."""
        with self._lock:
            connections, self._connections = self._connections, []
        for connection in connections:
            connection.close()

    def __enter__(self) -> Self:
        self._acceptor.start()
        return self

    def __exit__(self, *_: object) -> None:
        _shut_down(self._listener, socket.SHUT_RDWR)  # `close` alone would not end an `accept`
        self._listener.close()
        self._acceptor.join()
        self.hang_up()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._forward(client)

    def _forward(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(("127.0.0.1", self._server_port))
        except OSError:
            client.close()
            return
        connection = _Connection(client, server, self._count_one)
        with self._lock:  # whoever has an answer of it finds it in the list
            self._connections.append(connection)
            connection.start()

    def _count_one(self) -> None:
        with self._lock:
            self.round_trips += 1


class _Connection:
    """A client's connection and the one to the server that goes with it.

    One thread for each direction: a client may send more while answers wait to be read.
    """

    def __init__(
        self, client: socket.socket, server: socket.socket, begin: Callable[[], None]
    ) -> None:
        self._client = client
        self._server = server
        self._begin = begin
        self._lock = threading.Lock()
        self._waiting = False
        self._answers = threading.Thread(target=self._forward_answers, daemon=True)
        self._requests = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._requests.start()

    def close(self) -> None:
        for each in (self._client, self._server):
            _shut_down(each, socket.SHUT_RDWR)
        self._requests.join()

    def _run(self) -> None:
        with self._client, self._server:
            self._answers.start()
            self._forward_requests()
            self._answers.join()

    def _forward_requests(self) -> None:
        with suppress(OSError):
            while data := self._client.recv(_PIECE):
                while select.select([self._client], [], [], PATIENCE)[0]:
                    more = self._client.recv(_PIECE)
                    if not more:
                        break
                    data += more
                self._client_spoke()
                self._server.sendall(data)
        _shut_down(self._server, socket.SHUT_WR)

    def _forward_answers(self) -> None:
        with suppress(OSError):
            while data := self._server.recv(_PIECE):
                self._server_spoke()
                self._client.sendall(data)
        _shut_down(self._client, socket.SHUT_WR)

    def _client_spoke(self) -> None:
        with self._lock:
            begins, self._waiting = not self._waiting, True
        if begins:
            self._begin()

    def _server_spoke(self) -> None:
        with self._lock:
            self._waiting = False


def _shut_down(connection: socket.socket, how: int) -> None:
    with suppress(OSError):  # the other side, or the other thread, was faster
        connection.shutdown(how)
