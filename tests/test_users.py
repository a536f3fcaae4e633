"""Several users at once: nobody is handed a value that was made for somebody else.

A lookup is a generator that never blocks, so that any interleaving of any number of lookups can
be played in one thread: hypothesis chooses whose turn it is. Two processes are modelled by two
apps on one store. Pages say by which headers they vary, and may say something else each time;
they fail, are deleted, and the backend fails. The oracle: a page holds what its user's headers
say, by which it says that it varies.
"""

from __future__ import annotations

import contextvars
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import hypothesis.strategies as st
import pytest
from flask import Flask
from hypothesis import given, settings
from shared_store import Server, SharedStore

from flask_cache_core import Cache
from flask_cache_core.backends import SimpleCache
from flask_cache_core.engine.call import Call, Outcome, Policy
from flask_cache_core.engine.lookup import Lookup
from flask_cache_core.engine.state import CacheState
from flask_cache_core.engine.steps import Pause, Ran, Run, Steps, Wait
from flask_cache_core.keys.builders import joined, variant_key

HEADERS = ("language", "user")
USERS = [{"language": language, "user": user} for language in "de" for user in ("ann", "bob")]


class World:
    """The clock that both processes share, and what pages say and do now."""

    now = 1_000_000.0
    varies_by: tuple[str, ...]
    is_broken: bool


class Page(NamedTuple):
    """What was computed: for whom, and by what it says that it varies."""

    path: str
    said: tuple[tuple[str, str], ...]


class PageCall(Call[Page]):
    """One user asks for one page."""

    __slots__ = ("_user", "_varies_by")

    def __init__(self, path: str, user: dict[str, str], policy: Policy) -> None:
        self.key = path
        self.version_keys = (f"~version|{path}",)
        self.policy = policy
        self.timeout = 60.0
        self.forced = False
        self._user = user
        self._varies_by: tuple[str, ...] = ()

    def run(self) -> Page:
        if World.is_broken:
            raise LookupError("the page is broken")
        self._varies_by = World.varies_by
        return Page(self.key, tuple((name, self._user[name]) for name in self._varies_by))

    def storability(self, value: Page) -> Outcome:
        return Outcome(value, vary=self._varies_by)

    def restore(self, stored: Any) -> Page:
        assert isinstance(stored, Page)
        return stored

    def variant(self, names: tuple[str, ...]) -> str:
        return variant_key(self.key, joined(f"{name}={self._user[name]}" for name in names))

    def check(self, page: Page) -> None:
        assert page.path == self.key
        assert {**self._user, **dict(page.said)} == self._user, f"{self._user} got {page}"


@dataclass
class Visit:
    """One lookup under way. What it does is done in a context of its own, as in a thread."""

    state: CacheState
    call: PageCall
    steps: Steps[Page] | None = None
    step: object = None
    ran: Ran[Page] | None = None
    context: contextvars.Context = field(default_factory=contextvars.copy_context)

    @property
    def waits(self) -> bool:
        return isinstance(self.step, Wait) and not self.step.flight.wait(0)

    def go_on(self) -> Page | None:
        """Do one thing; the page, when there is one."""
        return self.context.run(self._go_on)

    def _go_on(self) -> Page | None:
        if self.steps is None:
            self.steps = Lookup(self.state, self.call).steps()
        elif isinstance(self.step, Run) and self.ran is None:
            self.ran = self._run()  # what it read may change before it goes on
            return None
        elif isinstance(self.step, Run):
            assert self.ran is not None
            self.step.ran, self.ran = self.ran, None
        elif isinstance(self.step, Wait):
            self.step.completed = not self.waits
        elif isinstance(self.step, Pause):
            World.now += self.step.seconds
        try:
            self.step = next(self.steps)
        except StopIteration as end:
            return end.value.value  # type: ignore[no-any-return]
        return None

    def _run(self) -> Ran[Page]:
        try:
            return Ran(self.call.run())
        except LookupError as error:
            return Ran(error=error)

    @property
    def is_over(self) -> bool:
        frame = getattr(self.steps, "gi_frame", self)
        return frame is None


def policies() -> Iterator[Policy]:
    for lock in ("local", "distributed", False):
        for grace in (0, 60):
            yield Policy(lock=lock, stale_while_revalidate=grace, stale_if_error=grace)


class Play:
    """Visits of two processes, in the order that is drawn."""

    def __init__(self, draw: st.DataObject, backend: str) -> None:
        Server.store = SimpleCache(threshold=10_000)
        Server.is_down = World.is_broken = False
        World.varies_by = ()
        self.draw = draw.draw
        self.apps: list[Flask] = []
        self.caches = [self.process(backend) for _ in range(1 if backend == "simple" else 2)]
        self.visits: list[Visit] = []

    def process(self, backend: str) -> Cache:
        app = Flask("process")
        self.apps.append(app)  # a cache holds its apps by weak references only
        kind: object = "simple" if backend == "simple" else SharedStore
        return Cache(app, config={"CACHE_TYPE": kind, "CACHE_BREAKER_DURATION": 0})

    def turn(self) -> None:
        actions = [self.arrive, self.vary, self.delete, self.fail]
        chosen = self.draw(st.integers(0, 12))
        if chosen < len(actions) or not self.visits:
            actions[chosen % len(actions)]()
        else:
            self.proceed(self.draw(st.sampled_from(self.visits)))

    def arrive(self) -> None:
        cache = self.draw(st.sampled_from(self.caches))
        path = self.draw(st.sampled_from(["/a", "/b"]))
        call = PageCall(
            path, self.draw(st.sampled_from(USERS)), self.draw(st.sampled_from([*policies()]))
        )
        self.visits.append(Visit(cache.state(), call))

    def vary(self) -> None:
        World.varies_by = tuple(sorted(self.draw(st.sets(st.sampled_from(HEADERS)))))

    def delete(self) -> None:
        cache = self.draw(st.sampled_from(self.caches))
        cache.state().versions.delete_keys((self.draw(st.sampled_from(["/a", "/b"])),))

    def fail(self) -> None:
        World.is_broken = self.draw(st.booleans())
        Server.is_down = self.draw(st.booleans())

    def proceed(self, visit: Visit) -> None:
        if visit.waits and not all(other.waits for other in self.visits):
            return  # its time is not over while others can still go on
        page = visit.go_on()
        if page is not None:
            visit.call.check(page)
        if visit.is_over:
            self.visits.remove(visit)

    def finish(self) -> None:
        Server.is_down = False
        for _ in range(1_000):
            if not self.visits:
                return
            self.proceed(next((v for v in self.visits if not v.waits), self.visits[0]))
        raise AssertionError("the visits do not end")

    def give_up(self) -> None:
        """End what is under way where it began, before the next example."""
        for visit in self.visits:
            if visit.steps is not None:
                visit.context.run(visit.steps.close)


@pytest.mark.parametrize("backend", ["simple", "shared"])
def test_nobody_gets_a_page_that_was_made_for_somebody_else(
    backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for clock in ("engine.lookup", "engine.memory", "backends.simple"):
        monkeypatch.setattr(f"flask_cache_core.{clock}.monotonic", lambda: World.now)
    monkeypatch.setattr("flask_cache_core.engine.lookup.time.time", lambda: World.now)
    monkeypatch.setattr(logging.getLogger("flask_cache_core"), "disabled", True)

    @settings(max_examples=250, deadline=None)
    @given(st.data())
    def play(data: st.DataObject) -> None:
        playing = Play(data, backend)
        try:
            for _ in range(data.draw(st.integers(10, 60))):
                playing.turn()
            playing.finish()
        finally:
            playing.give_up()

    play()
