"""The whole cache against a plain model: never a value that the model does not allow.

Two processes are modelled by two apps on one store. Anything may happen between two calls, and
inside a computation: time passes, sources change, invalidations are made, keys are evicted, the
backend fails. A value is allowed if its source had it at some time since the last invalidation
that its reader can know of, and within its timeout.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import hypothesis.strategies as st
import pytest
from flask import Flask
from hypothesis import settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)

from flask_cache_core import Cache
from flask_cache_core.backends import SimpleCache
from flask_cache_core.typing import Timeout

TIMEOUT = 100.0


class World:
    """The clock and the store that both apps share."""

    now = 1_000_000.0
    failing = False
    store: SimpleCache


class SharedStore(SimpleCache):
    """One store for all apps, as a server is, that fails while it is told to."""

    shared = True
    in_process = False

    def __init__(self, **options: Any) -> None:
        super().__init__(threshold=10_000)

    def _store(self) -> SimpleCache:
        if World.failing:
            raise ConnectionError("the backend fails")
        return World.store

    def get(self, key: str) -> Any:
        return self._store().get(key)

    def get_many(self, *keys: str) -> list[Any]:
        return self._store().get_many(*keys)

    def set(self, key: str, value: Any, timeout: Timeout | None = None) -> bool:
        return self._store().set(key, value, timeout)

    def set_many(self, mapping: Mapping[str, Any], timeout: Timeout | None = None) -> list[str]:
        return self._store().set_many(mapping, timeout)

    def add(self, key: str, value: Any, timeout: Timeout | None = None) -> bool:
        return self._store().add(key, value, timeout)

    def delete(self, key: str) -> bool:
        return self._store().delete(key)

    def has(self, key: str) -> bool:
        return self._store().has(key)


class Source:
    """Something that values are computed from, and what the model knows of it."""

    def __init__(self) -> None:
        self.numbers = itertools.count()
        self.current = next(self.numbers)
        #: When each number came.
        self.since = {self.current: World.now}
        #: By process: numbers that are older must not be served.
        self.floor = [0, 0]

    def change(self) -> None:
        self.current = next(self.numbers)
        self.since[self.current] = World.now


class Process:
    """One app, with one function of each kind over each of two sources."""

    def __init__(self, sources: list[Source], within: Callable[[], None], backend: str) -> None:
        self.app = Flask(__name__)
        self.app.config.update(CACHE_TYPE=backend, CACHE_BREAKER_DURATION=0)
        self.cache = cache = Cache(self.app)

        def read(number: int) -> int:
            value = sources[number].current
            within()
            return value

        self.tagged = cache.memoize(TIMEOUT, tags=("source:{number}",))(read)
        self.memoized = cache.memoize(TIMEOUT, make_name=lambda name: name + "2")(
            lambda number: read(number)
        )
        self.outer = cache.memoize(TIMEOUT)(lambda number: self.tagged(number))

    def made(self, number: int) -> Any:
        return self.cache.get_or_set(
            f"made {number}", lambda: self.tagged.uncached(number), TIMEOUT
        )


class Model(RuleBasedStateMachine):
    backend = f"{__name__}:SharedStore"
    processes = 2

    @initialize()
    def begin(self) -> None:
        World.now, World.failing, World.store = 1_000_000.0, False, SimpleCache(threshold=10_000)
        self.sources = [Source(), Source()]
        self.within: list[Callable[[], object]] = []
        self.spent_inside = 0
        self.all = [
            Process(self.sources, self.run_within, self.backend) for _ in range(self.processes)
        ]

    def run_within(self) -> None:
        while self.within:
            self.within.pop(0)()

    # -- what can happen at any time --------------------------------------------------------

    def later(self, action: Callable[[], object], inside: bool) -> None:
        """Do it now, or inside of the next computation."""
        if inside:
            self.within.append(action)
        else:
            action()

    @rule(number=st.integers(0, 1), inside=st.booleans())
    def change(self, number: int, inside: bool) -> None:
        self.later(self.sources[number].change, inside)

    @rule(
        number=st.integers(0, 1),
        process=st.integers(0, 1),
        inside=st.booleans(),
        change=st.booleans(),
        kind=st.sampled_from(["tag", "function", "arguments", "key"]),
    )
    def invalidate(self, number: int, process: int, inside: bool, change: bool, kind: str) -> None:
        def act() -> None:
            if change:
                self.sources[number].change()
            self.invalidate_now(number, process % self.processes, kind)

        self.later(act, inside)

    def invalidate_now(self, number: int, process: int, kind: str) -> None:
        """All kinds of values go together, so that one floor for each source is enough."""
        one = self.all[process]
        with one.app.app_context():
            one.cache.invalidate_tags(f"source:{number}")
            if kind == "function":
                one.cache.delete_memoized(one.memoized)
            else:
                one.cache.delete_memoized(one.memoized, number)
            try:
                one.cache.delete(f"made {number}")
            except RuntimeError:
                assert World.failing
        source = self.sources[number]
        source.floor[process] = source.current
        if not World.failing:
            source.floor = [source.current] * 2

    @rule(seconds=st.sampled_from([1, 30, 101]), inside=st.booleans())
    def pass_time(self, seconds: int, inside: bool) -> None:
        def act() -> None:
            World.now += seconds
            self.spent_inside += seconds if inside else 0

        self.later(act, inside)

    @rule(data=st.data())
    def evict(self, data: st.DataObject) -> None:
        keys = sorted(World.store._items)
        if keys:
            World.store.delete(data.draw(st.sampled_from(keys)))

    @rule(data=st.data())
    def evict_entry_inside(self, data: st.DataObject) -> None:
        keys = [key for key in sorted(World.store._items) if not key.startswith("~")]
        if keys:
            key = data.draw(st.sampled_from(keys))
            self.later(partial(World.store.delete, key), inside=True)

    @rule(failing=st.booleans(), inside=st.booleans())
    def fail(self, failing: bool, inside: bool) -> None:
        def act() -> None:
            World.failing = failing

        self.later(act, inside)

    # -- what must hold ---------------------------------------------------------------------

    @rule(
        number=st.integers(0, 1),
        process=st.integers(0, 1),
        kind=st.sampled_from(["tagged", "memoized", "outer", "made"]),
    )
    def read(self, number: int, process: int, kind: str) -> None:
        process %= self.processes
        one = self.all[process]
        floor = self.sources[number].floor[process]
        now = World.now
        with one.app.app_context():
            value = getattr(one, kind)(number)
        ended = self.sources[number].since.get(value + 1, World.now)
        assert value >= floor, f"{value} was invalidated, the oldest allowed is {floor}"
        kept = 2 if kind == "outer" else 1  # a value made from a kept one, kept again
        oldest = kept * TIMEOUT + self.spent_inside  # time is counted from when a value is stored
        assert now - ended <= oldest, f"{value} was over {now - ended} seconds ago"

    @rule(
        number=st.integers(0, 1),
        reader=st.integers(0, 1),
        writer=st.integers(0, 1),
        kind=st.sampled_from(["tagged", "memoized", "outer", "made"]),
    )
    def read_during_a_change(self, number: int, reader: int, writer: int, kind: str) -> None:
        """The interleaving that matters most: a change between the reading and the storing."""
        World.failing = False
        self.within.clear()
        self.invalidate(number, reader, inside=False, change=False, kind="key")
        self.invalidate(number, writer, inside=True, change=True, kind="key")
        reader %= self.processes
        with self.all[reader].app.app_context():
            getattr(self.all[reader], kind)(number)
        self.read(number, reader, kind)


class OneProcess(Model):
    """In one process, and with nothing shared, stamps may be evicted inside computations too."""

    backend = "simple"
    processes = 1

    @rule(data=st.data())
    def evict(self, data: st.DataObject) -> None:
        store = self.all[0].cache.cache
        assert isinstance(store, SimpleCache)
        keys = sorted(store._items)
        if keys:
            key = data.draw(st.sampled_from(keys))
            self.later(partial(store.delete, key), inside=data.draw(st.booleans()))


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flask_cache_core.engine.lookup.time.time", lambda: World.now)
    monkeypatch.setattr("flask_cache_core.backends.simple.monotonic", lambda: World.now)
    monkeypatch.setattr(logging.getLogger("flask_cache_core"), "disabled", True)


def check(model: type[Model]) -> None:
    run_state_machine_as_test(
        model,
        settings=settings(max_examples=300, stateful_step_count=50, deadline=None),
    )


def test_two_processes_on_one_store_never_serve_what_was_invalidated() -> None:
    check(Model)


def test_one_process_never_serves_what_was_invalidated() -> None:
    check(OneProcess)
