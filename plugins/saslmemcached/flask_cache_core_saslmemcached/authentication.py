"""Open connections that are authenticated.

libmemcached does not terminate the list of mechanisms that a server sends. What the stack
happens to hold behind it may be taken for the end of the last name, and then ``PLAIN`` is not
found ("error 40"), again and again from the same depth of calls. So a new connection is tried
before it is used, and tried again from elsewhere. Must not know what is stored.
"""

from __future__ import annotations

import threading
from typing import Final

from flask_cache_core_memcached.clients import Link
from flask_cache_core_memcached.clients.mechanisms import pylibmc
from flask_cache_core_memcached.clients.through_pylibmc import PylibmcClient

_PROBE: Final = ["flask-cache-core:probe"]
_ATTEMPTS: Final = 5

NO_MECHANISM: Final = "error 40 "


def connect(link: Link) -> PylibmcClient:
    """An authenticated client; where that fails, one that will raise the reason when used."""
    for depth in range(_ATTEMPTS):
        client = PylibmcClient(link)
        problem = _elsewhere(client, depth) if depth else _problem(client)
        if problem is None:
            return client
        if NO_MECHANISM not in problem:
            break
    return PylibmcClient(link)


def _problem(client: PylibmcClient) -> str | None:
    try:
        client.get_multi(_PROBE)
    except pylibmc.Error as error:
        return str(error)
    return None


def _elsewhere(client: PylibmcClient, depth: int) -> str | None:
    """`_problem` on another stack, *depth* calls into it."""
    found: list[str | None] = []
    thread = threading.Thread(target=lambda: found.append(_deeper(client, depth)))
    thread.start()
    thread.join()
    return found[0] if found else NO_MECHANISM


def _deeper(client: PylibmcClient, depth: int) -> str | None:
    """Through `map`, since calls from Python to Python take none of the stack in question."""
    return next(map(_deeper, [client], [depth - 1])) if depth else _problem(client)
