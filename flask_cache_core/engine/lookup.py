"""The only get-or-compute: decides hit, stale, miss and store, for views, functions and fragments.

What is looked up is a `Call`; what the backend says of it is a `Reading`. `glance` and `fetch`
answer hits by themselves; all else is the generator `resolve`, which yields what it needs done
(run the call, wait, pause) to a driver: `_drive` here, its asynchronous twin in `aio`. Must not
know HTTP, signatures or templates.

The early recomputation with ``beta`` is XFetch (Vattani, Chierichetti, Lowenstein, "Optimal
Probabilistic Cache Stampede Prevention", VLDB 2015).
"""

from __future__ import annotations

import logging
import math
import random
import secrets
import time
from collections.abc import Generator
from functools import partial
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from ..errors import SerializationError
from ..keys.builders import TAG, barrier_key, lock_key
from ..storage.base import Batch
from ..storage.copying import freeze, thaw
from ..storage.entry import Entry, Variants, expiry
from ..timeouts import to_seconds
from ..typing import MISSING
from .call import Call, GivenCall, Later, Outcome, Policy
from .flight import Flight, Lease, current
from .invalidation import BARRIER_LIFE, STAMP_LIFE
from .reading import Missed, Reading, first_reading, read

if TYPE_CHECKING:
    from .state import AppState

__all__ = ["fetch", "fresh", "glance", "hit", "peek", "put", "resolve"]

logger = logging.getLogger("flask_cache_core")

#: Seconds for which nobody waits for a key whose value turned out to be for one caller only.
_PASS_LIFE: Final = 10.0


_ANY_POLICY: Final = Policy(False, 0, 0, 0, 0, 0)


def glance(state: AppState, key: str, stamps: tuple[str, ...]) -> Entry | Missed:
    """The entry under *key*, if it is valid and its time is not over: the hot path of all.

    For those in whose hits nobody else has a say. All that is no such hit is for `fetch`.
    """
    landings = state.flights.landings
    if state.barriers:
        found = state.get_many(key, *stamps, barrier_key(key))
    else:
        found = state.get_many(key, *stamps)
    if found is None or type(entry := found[0]) is not Entry:
        return Missed(found, landings)
    if entry.versions != tuple(found[1 : len(stamps) + 1]) or entry.version_keys != stamps:
        return Missed(found, landings)
    if state.barriers and found[-1] is not None and found[-1] != entry.barrier:
        return Missed(found, landings)
    if entry.fresh_until <= time.time() or entry.source:
        return Missed(found, landings)
    state.hits += 1
    if current.get() is not None:
        _inherit(zip(stamps, entry.versions, strict=True))
    return entry


def fetch(state: AppState, call: Call, missed: Missed | None = None) -> Any:
    """The value of *call*: from the cache, from whoever computes it already, or computed.

    :param missed: what a `glance` at it found.
    """
    reading = first_reading(state, call, missed)
    if fresh(state, call, reading):
        return hit(state, call, reading.entry)
    ran = _drive(resolve(state, call, reading), call)
    if ran.error is not None:
        raise ran.error
    return ran.value


def fresh(state: AppState, call: Call, reading: Reading) -> bool:
    """Whether the entry that was read answers the call."""
    entry = reading.entry
    if entry is None or call.forced:
        return False
    now = time.time()
    if entry.fresh_until <= now or (call.policy.beta and _early(entry, call.policy.beta, now)):
        return False
    return not call.is_stale(entry.value)


def _early(entry: Entry, beta: float, now: float) -> bool:
    return now - entry.cost * beta * math.log(1 - random.random()) >= entry.fresh_until


def hit(state: AppState, call: Call, entry: Entry | None) -> Any:
    assert entry is not None
    state.hits += 1
    if current.get() is not None:
        _inherit(zip(entry.version_keys, entry.versions, strict=True))
    _keep(state, call, call.key, entry)
    call.announce(True)
    return call.reveal(entry.value)


def _inherit(stamps: Any) -> None:
    """What is computed in this context depends on the tags among *stamps* too."""
    flight = current.get()
    if flight is not None:
        flight.use((stamp, token) for stamp, token in stamps if stamp.startswith(TAG))


def peek(state: AppState, key: str, stored: Entry) -> Entry | None:
    """*stored*, which was read from *key*, or what has replaced it, if valid and fresh."""
    call = GivenCall(key, stored.version_keys, _ANY_POLICY, None, _nothing, stored.source)
    reading = read(state, call)
    return reading.entry if fresh(state, call, reading) else None


def _nothing() -> None:
    """What a `peek` computes."""


def put(state: AppState, call: Call) -> bool:
    """Store what *call* makes, under its stamps as they are now; whether it was stored."""
    reading = read(state, call)
    if not reading.answered:
        return False
    flight = state.flights.start(call.key, call.stamps)
    basis = _basis(state, call, reading)
    try:
        writing = _Writing(call, basis, time.time(), 0)
        return _write(state, writing, Outcome(call.run()), flight, None)
    finally:
        state.versions.settle(basis.new)
        state.flights.end(flight)


# -- what is not simply a hit ------------------------------------------------------------------


class Ran(NamedTuple):
    """How a call, or a whole lookup, ended."""

    value: Any = None
    error: BaseException | None = None


class Run(NamedTuple):
    """Step: run the call, answer with a `Ran`."""


class Wait(NamedTuple):
    """Step: wait for somebody else's computation; whether it ended in time."""

    flight: Flight
    seconds: float


class Pause(NamedTuple):
    """Step: do nothing for a while. The answer is of no use."""

    seconds: float


Step: TypeAlias = Run | Wait | Pause
Steps: TypeAlias = Generator[Step, Any, Ran]


def _drive(steps: Steps, call: Call) -> Ran:
    """Do what *steps* ask for, in this thread."""
    reply: object = None
    try:
        while True:
            step = steps.send(reply)
            if isinstance(step, Wait):
                reply = step.flight.wait(step.seconds)
            elif isinstance(step, Pause):
                time.sleep(step.seconds)
            else:
                reply = run(call)
    except StopIteration as done:
        ran: Ran = done.value
        return ran
    finally:
        steps.close()


def run(call: Call) -> Ran:
    try:
        return Ran(call.run())
    except BaseException as error:
        return Ran(error=error)


def resolve(state: AppState, call: Call, reading: Reading) -> Steps:
    """Everything but a plain hit."""
    if call.forced:
        state.flights.bar([call.key])
    deadline = monotonic() + call.policy.lock_timeout
    while True:
        stale = _stale_answer(state, call, reading)
        if stale is not None and state.backoff.active(call.key):
            return _serve_stale(state, call, stale)
        if call.forced or not call.policy.lock or _is_passed(state, call.key):
            return (yield from _compute_alone(state, call, reading))
        basis = _basis(state, call, reading)
        flight, leads = state.flights.join(call.key, call.stamps, basis.seen)
        if leads:
            return (yield from _lead(state, call, basis, flight, deadline))
        if stale is not None and _may_revalidate(call, stale):
            return _serve_stale(state, call, stale)
        ran = yield from _follow(state, call, reading, flight, deadline)
        if ran is not None:
            return ran
        reading = read(state, call)
        if fresh(state, call, reading):
            return Ran(hit(state, call, reading.entry))


def _follow(
    state: AppState, call: Call, reading: Reading, flight: Flight, deadline: float
) -> Generator[Step, Any, Ran | None]:
    """Wait for somebody else's computation; ``None``: it failed, or what it made has to be read
    like anything stored.
    """
    if state.flights.would_deadlock(flight):
        return (yield from _compute_alone(state, call, reading))
    state.waits += 1
    try:
        landed = yield Wait(flight, max(deadline - monotonic(), 0))
    finally:
        state.flights.waited(flight)
    value = flight.value()
    if value is not MISSING and flight.used and reading.answered:
        return None  # it depends on tags that nobody compared when it was joined: read it anew
    if value is not MISSING:
        _inherit(flight.tags.items())
        call.announce(True)
        return Ran(call.reveal(value))
    if not landed or flight.passed or monotonic() >= deadline:
        return (yield from _compute_alone(state, call, reading))
    return None


class _Basis(NamedTuple):
    """What a computation stands on: what was read, and the stamps to store its value under."""

    reading: Reading
    tokens: tuple[str, ...]
    new: dict[str, str]
    """Those of the stamps that are not stored yet."""

    @property
    def seen(self) -> object:
        return self.tokens, self.reading.barrier, self.reading.answered


def _basis(state: AppState, call: Call, reading: Reading) -> _Basis:
    return _Basis(reading, *state.versions.before(call.stamps, reading.tokens))


def _stale_answer(state: AppState, call: Call, reading: Reading) -> Entry | None:
    """The entry that was read, if its time is over, or nearly so, but may yet be served.

    Of a backend that does not answer, what it said last, while the computation backs off.
    """
    entry = reading.entry
    if not reading.answered and state.backoff.active(call.key):
        held = state.kept.get(call.key)
        kept = thaw(held)
        entry = kept if isinstance(kept, Entry) else None
    if entry is None or call.forced:
        return None
    now = time.time()
    if reading.answered and now < entry.fresh_until and not call.policy.beta:
        return None  # fresh, but stale to the app
    if now > entry.fresh_until + call.policy.grace or call.is_stale(entry.value):
        return None
    return entry


def _may_revalidate(call: Call, entry: Entry) -> bool:
    """Whether the old value is served while somebody computes the new one."""
    return time.time() <= entry.fresh_until + call.policy.stale_while_revalidate


def _serve_stale(state: AppState, call: Call, entry: Entry) -> Ran:
    state.stale += 1
    _inherit(zip(entry.version_keys, entry.versions, strict=True))
    call.announce(True)
    return Ran(call.reveal(entry.value))


def _is_passed(state: AppState, key: str) -> bool:
    return key in state.passed and monotonic() < state.passed.get(key, 0.0)


def _compute_alone(state: AppState, call: Call, reading: Reading) -> Steps:
    """Compute without anybody waiting for it."""
    flight = state.flights.start(call.key, call.stamps)
    return (yield from _compute(state, call, _basis(state, call, reading), flight, None))


def _lead(state: AppState, call: Call, basis: _Basis, flight: Flight, deadline: float) -> Steps:
    """Compute for all who join *flight*, unless somebody else did so since it was read."""
    reading = basis.reading
    try:
        if state.flights.landings != reading.landings:
            reading = read(state, call)
            if fresh(state, call, reading):
                return _hand_on(state, call, reading, flight)
        lease: Lease | None = None
        if call.policy.lock == "distributed" and state.locks:
            lease = Lease(state.store, lock_key(call.key), call.policy.lease)
            answer = yield from _contend(state, call, reading, lease, deadline)
            if isinstance(answer, Ran):
                state.flights.end(flight)
                flight.crash()
                return answer
            lease, reading = answer
            if fresh(state, call, reading):
                if lease is not None:
                    lease.release()
                return _hand_on(state, call, reading, flight)
        if reading is not basis.reading:
            basis = _basis(state, call, reading)
            flight.seen = basis.seen
        return (yield from _compute(state, call, basis, flight, lease))
    except BaseException:
        state.flights.end(flight)
        flight.crash()
        raise


def _hand_on(state: AppState, call: Call, reading: Reading, flight: Flight) -> Ran:
    """A hit after all, for the leader and for all who joined."""
    assert reading.entry is not None
    state.flights.end(flight)
    tags = _tags(reading.entry)
    flight.use(pair for pair in tags if pair[0] not in call.stamps)
    flight.tags.update(tags)
    flight.land(reading.entry.value, share=True)
    return Ran(hit(state, call, reading.entry))


def _contend(
    state: AppState, call: Call, reading: Reading, lease: Lease, deadline: float
) -> Generator[Step, Any, Ran | tuple[Lease | None, Reading]]:
    """Try to get the lock over all processes: the lease, if we got it, and what is stored now.

    A process that waits longer than its time computes without the lock.
    """
    pause = 0.005
    while True:
        taken = lease.acquire()
        if taken is MISSING:
            return None, reading
        if taken:
            return lease, read(state, call)
        stale = _stale_answer(state, call, reading)
        if stale is not None and _may_revalidate(call, stale):
            return _serve_stale(state, call, stale)
        if monotonic() >= deadline:
            return None, reading
        yield Pause(min(pause, max(deadline - monotonic(), 0)))
        pause = min(pause * 1.5, 0.05)
        reading = read(state, call)
        if fresh(state, call, reading):
            return None, reading


def _compute(
    state: AppState, call: Call, basis: _Basis, flight: Flight, lease: Lease | None
) -> Steps:
    """Run the call, store its value, hand it on."""
    reading = basis.reading
    state.misses += 1
    call.announce(False)
    began, clock = time.time(), monotonic()
    outer = current.set(flight)
    try:
        ran: Ran = yield Run()
    finally:
        current.reset(outer)
    outcome: Outcome | None = None
    try:
        if ran.error is None:
            outcome = call.judge(ran.value)
            writing = _Writing(call, basis, began, monotonic() - clock)
            if outcome.later is not None and reading.answered:
                _await(state, writing, outcome.later, flight)
            elif outcome.store and reading.answered:
                _write(state, writing, outcome, flight, lease)
                lease = None
    finally:
        state.versions.settle(basis.new)
        state.flights.end(flight)
        if lease is not None:
            lease.release()
        failed = ran.error is not None or (outcome is not None and outcome.failed)
        old = _old_value(state, call, reading, ran) if failed else None
        _land(state, call, flight, outcome, zip(call.stamps, basis.tokens, strict=False))
    if old is not None:
        return _serve_stale(state, call, old)
    if not failed:
        state.backoff.succeeded(call.key)
    return ran


def _land(
    state: AppState, call: Call, flight: Flight, outcome: Outcome | None, stamps: Any
) -> None:
    """End the flight, and let the computation around it depend on what this one used."""
    flight.tags.update(flight.used)
    flight.tags.update((stamp, token) for stamp, token in stamps if stamp.startswith(TAG))
    if flight.parent is not None:
        flight.parent.use(flight.tags.items())
        flight.parent.barred |= flight.barred
    if outcome is None:
        flight.crash()
        return
    if not outcome.store:
        state.passed.put(call.key, monotonic() + _PASS_LIFE)
    is_for_all = not outcome.vary or call.variant(outcome.vary) == call.key
    flight.land(outcome.stored, share=outcome.store and is_for_all)


def _old_value(state: AppState, call: Call, reading: Reading, ran: Ran) -> Entry | None:
    """An old value instead of an error, where that is allowed; the next try has to back off."""
    if ran.error is not None and not isinstance(ran.error, Exception):
        return None
    entry = reading.entry if reading.answered else state.kept.get(call.key)
    if entry is None or time.time() > entry.fresh_until + call.policy.stale_if_error:
        return None
    state.backoff.failed(call.key)
    logger.warning(
        "Serving an old value for %r: its computation failed.", call.key, exc_info=ran.error
    )
    old = thaw(entry)
    assert isinstance(old, Entry)
    return old


def _keep(state: AppState, call: Call, key: str, entry: Entry) -> None:
    """Remember *entry* for `_old_value`, while a backend that may fail still answers."""
    if not call.policy.stale_if_error or not state.barriers:
        return
    held = state.kept.get(key)
    if held is not None and held.created == entry.created:
        return
    try:
        frozen = freeze(entry)
    except SerializationError:
        return
    assert isinstance(frozen, Entry)
    state.kept.put(key, frozen)


class _Writing(NamedTuple):
    """What `_write` needs to know of a computation."""

    call: Call
    basis: _Basis
    began: float
    cost: float


def _write(
    state: AppState, writing: _Writing, outcome: Outcome, flight: Flight, lease: Lease | None
) -> bool:
    """Store what was computed, in one batch with the stamps that are new; whether it was."""
    call, basis = writing.call, writing.basis
    if state.barriers and writing.cost > BARRIER_LIFE:
        return False
    timeout = call.timeout if outcome.timeout is None else outcome.timeout
    seconds = _jittered(to_seconds(timeout, state.backend.default_timeout), call.policy.jitter)
    life = seconds + call.policy.grace if seconds else 0.0
    inherited = {s: t for s, t in flight.used.items() if s not in call.stamps}
    entry = Entry(
        outcome.stored,
        writing.began,
        expiry(time.time(), seconds),
        writing.cost,
        call.stamps + tuple(inherited),
        basis.tokens + tuple(inherited.values()),
        basis.reading.barrier,
        call.maker,
    )
    items = _by_variant(call, entry, outcome.vary, basis.reading.variants)
    if inherited:
        state.inherited.put(next(iter(items)), tuple(inherited))
    stamp_life = max(STAMP_LIFE, life) if life else 0.0
    unlock = None if lease is None else (lease.key, lease.token)
    if lease is not None:
        lease.let_go()
    stored = state.flights.unless_barred(
        flight,
        lambda: state.store.store(Batch(items, life, basis.new, stamp_life, unlock)),
        alone=not state.barriers,
    )
    if stored:
        state.stores += 1
        _keep(state, call, call.key, entry)
    elif lease is not None:
        lease.release()
    return stored


def _await(state: AppState, writing: _Writing, later: Later, flight: Flight) -> None:
    """Store a value once it has arrived, unless it was invalidated by then."""
    waiting = state.flights.start(flight.key, flight.stamps)
    waiting.use(flight.used.items())

    later.arrives(
        keep=partial(_write, state, writing, flight=waiting, lease=None),
        end=partial(state.flights.end, waiting),
    )


def _by_variant(
    call: Call, entry: Entry, names: tuple[str, ...], held: Variants | None
) -> dict[str, Entry | Variants]:
    """The entry under its variant's key, and under the page's own what its variants are.

    Variants that are *held* already are not written again: that would revive what was deleted.
    """
    key = call.variant(names) if names else call.base
    if key == call.base:
        return {key: entry}
    variants = held
    if held is None or held.names != names:
        variants = Variants(names, secrets.token_urlsafe(9))
    assert variants is not None
    first = len(call.stamps)
    stamped = entry._replace(
        version_keys=(*call.stamps, call.base, *entry.version_keys[first:]),
        versions=(*entry.versions[:first], variants, *entry.versions[first:]),
    )
    return {key: stamped} if variants is held else {key: stamped, call.base: variants}


def _jittered(seconds: float, jitter: float) -> float:
    """*seconds* less a random part: *jitter* is a fraction below 1, seconds from 1 on."""
    if not jitter or not seconds or seconds == inf:
        return seconds
    spread = seconds * jitter if jitter < 1 else min(jitter, seconds / 2)
    return seconds - spread * random.random()


def _tags(entry: Entry) -> list[tuple[str, str]]:
    pairs = zip(entry.version_keys, entry.versions, strict=True)
    return [(s, token) for s, token in pairs if isinstance(token, str) and s.startswith(TAG)]
