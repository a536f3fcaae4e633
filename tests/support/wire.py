"""A TCP proxy that counts round trips: how often one side speaks after the other did."""

from __future__ import annotations

import select
import socket
import threading
from types import TracebackType
from typing import Self


class CountingProxy:
    """Forwards one server's port, and counts the bursts that its clients send."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.round_trips = 0
        self._lock = threading.Lock()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._forward, args=(client,), daemon=True).start()

    def _forward(self, client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", self._target)) as server:
            answered = True
            while True:
                for ready in select.select([client, server], [], [])[0]:
                    try:
                        data = ready.recv(1 << 16)
                    except OSError:
                        return
                    if not data:
                        return
                    if ready is client and answered:
                        with self._lock:
                            self.round_trips += 1
                    answered = ready is server
                    (server if ready is client else client).sendall(data)

    def count(self) -> int:
        """The round trips since the last count."""
        with self._lock:
            count, self.round_trips = self.round_trips, 0
            return count

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._listener.close()
