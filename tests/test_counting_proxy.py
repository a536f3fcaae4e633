"""`CountingProxy` counts what clients wait for, exactly, in front of a real server."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask_cache_core_memcached.testing import MemcachedServer

from flask_cache_core.testing import CountingProxy, free_port


@pytest.fixture(scope="module")
def server() -> Iterator[MemcachedServer]:
    with MemcachedServer() as running:
        yield running


@pytest.fixture
def proxy(server: MemcachedServer) -> Iterator[CountingProxy]:
    with CountingProxy(server.port) as running:
        yield running


class Client:
    """Speaks the text protocol, a line at a time."""

    def __init__(self, proxy: CountingProxy) -> None:
        self._socket = socket.create_connection(("127.0.0.1", proxy.port), timeout=30)
        self._answers = self._socket.makefile("rb")

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def line(self) -> bytes:
        return self._answers.readline()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._answers.close()
        self._socket.close()


def test_a_question_and_its_answer_are_one(proxy: CountingProxy) -> None:
    with Client(proxy) as client:
        for number in range(1, 4):
            client.send(b"get absent\r\n")
            assert client.line() == b"END\r\n"
            assert proxy.round_trips == number


def test_connecting_costs_nothing(proxy: CountingProxy) -> None:
    with Client(proxy), Client(proxy) as client:
        client.send(b"get absent\r\n")
        assert client.line() == b"END\r\n"
    assert proxy.round_trips == 1


def test_what_is_sent_before_the_answer_is_one(proxy: CountingProxy) -> None:
    """In several packets, and with commands that are never answered."""
    with Client(proxy) as client:
        client.send(b"set one 0 0 1 noreply\r\n1\r\n")
        client.send(b"set two 0 0 ")
        client.send(b"1\r\n2\r\n")
        assert client.line() == b"STORED\r\n"
    assert proxy.round_trips == 1


def test_a_large_answer_is_one(proxy: CountingProxy) -> None:
    size = 1_000_000
    with Client(proxy) as client:
        client.send(b"set large 0 0 %d\r\n%b\r\n" % (size, bytes(size)))
        assert client.line() == b"STORED\r\n"
        client.send(b"get large\r\n")
        while client.line() != b"END\r\n":
            pass
    assert proxy.round_trips == 2


def test_those_of_all_connections_are_counted(proxy: CountingProxy) -> None:
    def ask(_: int) -> None:
        with Client(proxy) as client:
            for _ in range(50):
                client.send(b"get absent\r\n")
                assert client.line() == b"END\r\n"

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(ask, range(8)))
    assert proxy.round_trips == 400


def test_count_begins_anew(proxy: CountingProxy) -> None:
    with Client(proxy) as client:
        for questions in (2, 3):
            for _ in range(questions):
                client.send(b"get absent\r\n")
                client.line()
            assert proxy.count() == questions
        assert proxy.count() == 0
    assert proxy.round_trips == 5


def test_more_than_the_buffers_hold_may_be_on_its_way(proxy: CountingProxy) -> None:
    """The client reads nothing until it has sent all, while the server answers."""
    many = 200_000
    with Client(proxy) as client:
        client.send(b"set key 0 0 100\r\n%b\r\n" % bytes(100))
        assert client.line() == b"STORED\r\n"
        with ThreadPoolExecutor(1) as thread:
            sent = thread.submit(client.send, b"get key\r\n" * many)
            answers = sum(client.line() == b"END\r\n" for _ in range(3 * many))
            sent.result()
    assert answers == many


def test_a_client_sees_that_the_server_is_gone() -> None:
    with MemcachedServer() as server, CountingProxy(server.port) as proxy:
        with Client(proxy) as client:
            client.send(b"get absent\r\n")
            assert client.line() == b"END\r\n"
            server.kill()
            assert client.line() == b""
        with Client(proxy) as client:
            assert client.line() == b""
        server.start()
        with Client(proxy) as client:
            client.send(b"get absent\r\n")
            assert client.line() == b"END\r\n"


def test_it_can_hang_up(proxy: CountingProxy) -> None:
    with Client(proxy) as client:
        client.send(b"get absent\r\n")
        assert client.line() == b"END\r\n"
        proxy.hang_up()
        assert client.line() == b""
    with Client(proxy) as client:
        client.send(b"get absent\r\n")
        assert client.line() == b"END\r\n"
    assert proxy.round_trips == 2


def test_when_it_is_over_connections_are_closed(server: MemcachedServer) -> None:
    with CountingProxy(server.port) as proxy:
        client = Client(proxy)
        client.send(b"get absent\r\n")
        assert client.line() == b"END\r\n"
    with client:
        assert client.line() == b""
    with pytest.raises(ConnectionRefusedError):
        Client(proxy)


def test_its_address_is_what_backends_take(proxy: CountingProxy) -> None:
    assert proxy.address == f"127.0.0.1:{proxy.port}"
    assert free_port() != proxy.port
