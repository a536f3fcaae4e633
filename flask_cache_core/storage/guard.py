"""Between the decorators and a backend: a circuit breaker that remembers failed invalidations.

`Store` is what `lookup` sees of any backend: it never raises, and answers `MISSING` where the
backend does not answer. `Guard` is the one for backends that can fail. After a failure the
backend is left alone for a while; then one caller probes it (circuit breaker; Nygard, "Release
It!", 2007), and delivers what was to be forgotten meanwhile before anything read is trusted.
Must not know what is stored.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Mapping
from time import monotonic
from typing import Any, Final

from ..errors import BackendError, CacheError, SerializationError
from ..typing import MISSING, Missing
from .base import BaseCache, Batch

__all__ = ["Guard", "Store"]

logger = logging.getLogger("flask_cache_core")

#: How many undelivered invalidations are remembered before everything is invalidated instead.
REMEMBERED: Final = 10_000


class Store:
    """A backend that cannot fail, as `lookup` sees it."""

    def __init__(self, backend: BaseCache, *, debug: bool = False) -> None:
        self.backend = backend
        #: Whether others may compute what is in this store: all but what is in this process only.
        self.barriers = not backend.in_process
        self.errors = 0
        self._debug = debug
        self._told: set[str] = set()

    def get_many(self, *keys: str) -> list[Any] | None:
        """The values, or ``None`` where the backend does not answer."""
        return self.backend.get_many(*keys)

    def add(self, key: str, value: str, timeout: float) -> bool | Missing:
        return self.backend.add(key, value, timeout)

    def renew_lock(self, key: str, token: str, lease: float) -> None:
        self.backend.renew_lock(key, token, lease)

    def release_lock(self, key: str, token: str) -> None:
        self.backend.release_lock(key, token)

    def store(self, batch: Batch[Any]) -> bool:
        """Write what was computed. What cannot be serialized is told of once, and not stored."""
        try:
            return self.backend.store(batch)
        except SerializationError as error:
            self._tell(next(iter(batch.items)), error)
            if batch.release is not None:
                self.release_lock(*batch.release)
            return False

    def invalidate(
        self, deleted: tuple[str, ...], replaced: Mapping[str, str], life: float
    ) -> list[str] | None:
        """Delete the keys in *deleted* and write *replaced* for *life* seconds; which of
        *deleted* were there. ``None``: the backend does not answer, and it will be done later.
        """
        return _deliver(self.backend, deleted, replaced, life)

    def direct(self, operation: Callable[[], Any], keys: Collection[str] | None = ()) -> Any:
        """Run an operation of the key/value API; *keys* (``None``: all) are those that it writes.

        Answers `MISSING`, or raises `BackendError`, where the backend does not answer.
        """
        return operation()

    def unanswered(self, error: Exception | None = None) -> Missing:
        """What the key/value API answers where the backend does not."""
        return MISSING

    def _tell(self, key: str, error: CacheError) -> None:
        if self._debug:
            raise error
        name = "|".join(key.split("|")[:2])
        if name not in self._told and len(self._told) < 1000:
            self._told.add(name)
            logger.warning("A value under %r is not cached: %s", name, error)


class Guard(Store):
    """A backend that can fail.

    :param duration: seconds that it is left alone after a failure; 0: it is always tried.
    :param ignore_errors: whether the key/value API answers as an empty cache would, or raises.
    """

    def __init__(
        self, backend: BaseCache, *, debug: bool, duration: float, ignore_errors: bool
    ) -> None:
        super().__init__(backend, debug=debug)
        self._duration = duration
        self._ignore_errors = ignore_errors
        self._lock = threading.Lock()
        self._open_until: float | None = None
        self._told_of_outage = False
        self._owed = _Owed()

    def get_many(self, *keys: str) -> list[Any] | None:
        if self._open_until is not None and not self._recovered():
            return None
        try:
            return _read(self.backend, keys)
        except Exception as error:
            self._failed(error)
            return None

    def add(self, key: str, value: str, timeout: float) -> bool | Missing:
        added: bool | Missing = self._attempt(
            lambda: self.backend.add(key, value, timeout), MISSING
        )
        return added

    def renew_lock(self, key: str, token: str, lease: float) -> None:
        self._attempt(lambda: self.backend.renew_lock(key, token, lease), None, quiet=True)

    def release_lock(self, key: str, token: str) -> None:
        self._attempt(lambda: self.backend.release_lock(key, token), None)

    def store(self, batch: Batch[Any]) -> bool:
        write = super().store
        stored: bool = self._attempt(lambda: write(batch), False)
        return stored

    def invalidate(
        self, deleted: tuple[str, ...], replaced: Mapping[str, str], life: float
    ) -> list[str] | None:
        done: list[str] | None = None
        try:
            done = self._attempt(lambda: _deliver(self.backend, deleted, replaced, life), None)
        finally:
            if done is None:
                self._owe(deleted, replaced, life)
        return done

    def direct(self, operation: Callable[[], Any], keys: Collection[str] | None = ()) -> Any:
        """Like `Store.direct`; a write that failed leaves nothing that could be read later."""
        if self._open_until is not None and not self._recovered():
            self._owe(keys, {}, 0)
            return self.unanswered()
        try:
            return operation()
        except CacheError as error:
            if not isinstance(error, BackendError):
                raise
            return self._direct_failed(error, keys)
        except (TypeError, ValueError):
            raise
        except Exception as error:
            return self._direct_failed(error, keys)

    def _direct_failed(self, error: Exception, keys: Collection[str] | None) -> Any:
        self._owe(keys, {}, 0)
        self._failed(error, quiet=True)
        return self.unanswered(error)

    def unanswered(self, error: Exception | None = None) -> Missing:
        if self._ignore_errors:
            return MISSING
        if isinstance(error, BackendError):
            raise error
        reason = f"{error!r}" if error else "it failed lately and is being left alone"
        raise BackendError(
            f"The cache at {self.backend.where()} does not answer: {reason}. "
            "CACHE_IGNORE_ERRORS=True treats this as an empty cache."
        ) from error

    def _attempt(self, operation: Callable[[], Any], otherwise: Any, *, quiet: bool = False) -> Any:
        if self._open_until is not None and not self._recovered():
            return otherwise
        try:
            return operation()
        except SerializationError:
            raise
        except Exception as error:
            self._failed(error, quiet=quiet)
            return otherwise

    def _failed(self, error: Exception, *, quiet: bool = False) -> None:
        self.errors += 1
        with self._lock:
            news = not self._told_of_outage
            self._told_of_outage = True
            self._open_until = monotonic() + self._duration
        if news:
            what = str(error)
            if not isinstance(error, BackendError):  # which says where by itself
                where = self.backend.where()
                what = f"The cache at {where} does not answer: {type(error).__name__}: {error}"
            logger.error(
                "%s. It is left alone for %g seconds at a time, and the app goes on without it.",
                what.rstrip("."), self._duration,
            )  # fmt: skip
        if self._debug and not quiet:
            raise error

    def _recovered(self) -> bool:
        """Whether the backend may be used (again). One caller at a time finds out."""
        with self._lock:
            if self._open_until is None:
                return True
            if monotonic() < self._open_until:
                return False
            self._open_until = monotonic() + max(self._duration, 1)
        try:
            self._probe()
        except Exception as error:
            self._failed(error, quiet=True)
            return False
        return self._close()

    def _probe(self) -> None:
        """Deliver what is owed; where nothing is, any read shows whether it answers."""
        with self._lock:
            owed, self._owed = self._owed, _Owed()
        try:
            self.backend.get_many("~probe|")
            if owed.everything and not self.backend.clear():
                logger.error("The cache at %s could not be cleared.", self.backend.where())
            for key, (token, life) in owed.writes.items():
                _deliver(self.backend, (), {key: token}, life)
            _deliver(self.backend, tuple(owed.deletions), {}, 0)
        except BaseException:
            with self._lock:
                self._owed = owed.and_then(self._owed)
            raise

    def _close(self) -> bool:
        with self._lock:
            if self._owed:
                self._open_until = monotonic()
                return False
            self._open_until = None
            news, self._told_of_outage = self._told_of_outage, False
        if news:
            logger.warning("The cache at %s answers again.", self.backend.where())
        return True

    def _owe(
        self, deleted: Collection[str] | None, replaced: Mapping[str, str], life: float
    ) -> None:
        """Remember what could not be delivered; ``None``: everything is to be forgotten."""
        if deleted is not None and not deleted and not replaced:
            return
        more = _Owed(
            dict.fromkeys(deleted or ()),
            {key: (token, life) for key, token in replaced.items()},
            everything=deleted is None,
        )
        with self._lock:
            self._owed = self._owed.and_then(more)
            if self._open_until is None:  # so that the next caller probes, and delivers this
                self._open_until = monotonic()


class _Owed:
    """Invalidations that were not delivered; beyond `REMEMBERED` of them, that of everything."""

    def __init__(
        self,
        deletions: dict[str, None] | None = None,
        writes: dict[str, tuple[str, float]] | None = None,
        *,
        everything: bool = False,
    ) -> None:
        self.deletions = deletions or {}
        self.writes = writes or {}
        self.everything = everything

    def __bool__(self) -> bool:
        return bool(self.deletions or self.writes or self.everything)

    def and_then(self, later: _Owed) -> _Owed:
        """Both; where they differ, the later one."""
        self.deletions.update(later.deletions)
        self.writes.update(later.writes)
        self.everything |= later.everything
        if len(self.deletions) + len(self.writes) > REMEMBERED:
            return _Owed(everything=True)
        return self


def _read(backend: BaseCache, keys: tuple[str, ...]) -> list[Any]:
    found = backend.get_many(*keys)
    if len(found) == len(keys):
        return found
    raise BackendError(f"{backend.where()} answered {len(found)} values for {len(keys)} keys")


def _deliver(
    backend: BaseCache, deleted: tuple[str, ...], replaced: Mapping[str, str], life: float
) -> list[str]:
    """Write first: a computation that ends in between must find the new stamp."""
    if replaced and len(backend.set_many(replaced, life)) < len(replaced):
        raise BackendError(f"{backend.where()} refused to store an invalidation")
    return backend.delete_many(*deleted) if deleted else []
