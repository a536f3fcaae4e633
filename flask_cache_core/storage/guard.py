"""Between the engine and a backend: failures, an open breaker, undelivered invalidations.

`Store` is what the engine sees of any backend: it never raises, and returns `MISSING` or ``None``
where the backend does not answer. `GuardedStore` is the one for backends that can fail: what was
to be forgotten during an outage is delivered before anything read is trusted again. Must not
know what is stored.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any

from ..errors import BackendError, CacheError, SerializationError
from ..typing import MISSING, Missing
from .base import BaseCache, Batch
from .breaker import Breaker
from .outbox import Outbox, deliver

__all__ = ["GuardedStore", "Store"]

logger = logging.getLogger("flask_cache_core")


class Store:
    """A backend that cannot fail, as the engine sees it.

    :ivar barriers: others may compute what is in this store: all but what is in this process only.
    """

    def __init__(self, backend: BaseCache, *, debug: bool = False) -> None:
        self.backend = backend
        self.barriers = not backend.in_process
        self.errors = 0
        self._debug = debug
        self._reported: set[str] = set()

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
        """Write what was computed. Raises `SerializationError` for what cannot be stored."""
        return self.backend.store(batch)

    def invalidate(
        self, deleted: tuple[str, ...], replaced: Mapping[str, str], life: float
    ) -> list[str] | None:
        """Delete the keys in *deleted* and write *replaced* for *life* seconds.

        Returns those of *deleted* that were there; ``None`` where the backend does not answer:
        then it will be done later.
        """
        return deliver(self.backend, deleted, replaced, life)

    def execute(self, operation: Callable[[], Any], keys: Collection[str] | None = ()) -> Any:
        """Run an operation of the key/value API; *keys* (``None``: all) are those that it writes.

        Returns `MISSING`, or raises `BackendError`, where the backend does not answer.
        """
        return operation()

    def unavailable(self, error: Exception | None = None) -> Missing:
        """What the key/value API returns where the backend does not answer."""
        return MISSING

    def report_once(self, key: str, error: CacheError) -> None:
        """Log once for each function that its value cannot be stored; raise in debug mode."""
        if self._debug:
            raise error
        name = "|".join(key.split("|")[:2])
        if name not in self._reported and len(self._reported) < 1000:
            self._reported.add(name)
            logger.warning("A value under %r is not cached: %s", name, error)


class GuardedStore(Store):
    """A backend that can fail.

    :param duration: seconds that it is left alone after a failure; 0: it is always tried.
    :param ignore_errors: whether the key/value API behaves as an empty cache would, or raises.
    """

    def __init__(
        self, backend: BaseCache, *, debug: bool, duration: float, ignore_errors: bool
    ) -> None:
        super().__init__(backend, debug=debug)
        self._breaker = Breaker(duration)
        self._ignore_errors = ignore_errors
        self._outbox = Outbox()
        self._outbox_lock = threading.Lock()

    def get_many(self, *keys: str) -> list[Any] | None:
        if not (self._breaker.is_closed or self._recovered()):
            return None
        try:
            return _read(self.backend, keys)
        except Exception as error:
            self._failed(error)
            return None

    def add(self, key: str, value: str, timeout: float) -> bool | Missing:
        added: bool | Missing = self._attempt(
            partial(self.backend.add, key, value, timeout), MISSING
        )
        return added

    def renew_lock(self, key: str, token: str, lease: float) -> None:
        self._attempt(partial(self.backend.renew_lock, key, token, lease), None, background=True)

    def release_lock(self, key: str, token: str) -> None:
        self._attempt(partial(self.backend.release_lock, key, token), None)

    def store(self, batch: Batch[Any]) -> bool:
        stored: bool = self._attempt(partial(self.backend.store, batch), False)
        return stored

    def invalidate(
        self, deleted: tuple[str, ...], replaced: Mapping[str, str], life: float
    ) -> list[str] | None:
        done: list[str] | None = None
        try:
            done = self._attempt(partial(deliver, self.backend, deleted, replaced, life), None)
        finally:
            if done is None:
                self._put(deleted, replaced, life)
        return done

    def execute(self, operation: Callable[[], Any], keys: Collection[str] | None = ()) -> Any:
        """Like `Store.execute`; a write that failed leaves nothing that could be read later."""
        if not (self._breaker.is_closed or self._recovered()):
            self._put(keys, {}, 0)
            return self.unavailable()
        try:
            return operation()
        except BackendError as error:
            return self._execution_failed(error, keys)
        except (CacheError, TypeError, ValueError):  # what was given is wrong
            raise
        except Exception as error:
            return self._execution_failed(error, keys)

    def _execution_failed(self, error: Exception, keys: Collection[str] | None) -> Any:
        self._put(keys, {}, 0)
        self._failed(error, background=True)
        return self.unavailable(error)

    def unavailable(self, error: Exception | None = None) -> Missing:
        if self._ignore_errors:
            return MISSING
        if isinstance(error, BackendError):
            raise error
        reason = f"{error!r}" if error else "it failed lately and is being left alone"
        raise BackendError(
            f"The cache at {self.backend.where()} does not answer: {reason}. "
            "CACHE_IGNORE_ERRORS=True treats this as an empty cache."
        ) from error

    # -- failures -----------------------------------------------------------------------------

    def _attempt(
        self, operation: Callable[[], Any], otherwise: Any, *, background: bool = False
    ) -> Any:
        if not (self._breaker.is_closed or self._recovered()):
            return otherwise
        try:
            return operation()
        except SerializationError:
            raise
        except Exception as error:
            self._failed(error, background=background)
            return otherwise

    def _failed(self, error: Exception, *, background: bool = False) -> None:
        """Open the breaker. In debug mode, raise, unless nobody would see it (*background*)."""
        self.errors += 1
        if self._breaker.failed():
            what = str(error)
            if not isinstance(error, BackendError):  # which says where by itself
                where = self.backend.where()
                what = f"The cache at {where} does not answer: {type(error).__name__}: {error}"
            logger.error(
                "%s. It is left alone for %g seconds at a time, and the app goes on without it.",
                what.rstrip("."), self._breaker.duration,
            )  # fmt: skip
        if self._debug and not background:
            raise error

    # -- recovery -----------------------------------------------------------------------------

    def _recovered(self) -> bool:
        """Whether the backend may be used (again). One caller at a time finds out."""
        if not self._breaker.may_probe():
            return self._breaker.is_closed
        try:
            self._deliver_outbox()
        except Exception as error:
            self._failed(error, background=True)
            return False
        return self._close()

    def _deliver_outbox(self) -> None:
        """Deliver what is owed; where nothing is, any read shows whether the backend answers."""
        with self._outbox_lock:
            owed, self._outbox = self._outbox, Outbox()
        try:
            self.backend.get_many("~probe|")
            if not owed.deliver_to(self.backend):
                logger.error("The cache at %s could not be cleared.", self.backend.where())
        except BaseException:
            with self._outbox_lock:
                self._outbox = owed.put_back(self._outbox)
            raise

    def _close(self) -> bool:
        with self._outbox_lock:  # so that nothing is put into it in between
            if self._outbox:
                self._breaker.let_probe()
                return False
            is_news = self._breaker.close()
        if is_news:
            logger.warning("The cache at %s answers again.", self.backend.where())
        return True

    def _put(
        self, deleted: Collection[str] | None, replaced: Mapping[str, str], life: float
    ) -> None:
        """Owe what could not be delivered; ``None``: everything is to be forgotten."""
        if deleted is not None and not deleted and not replaced:
            return
        with self._outbox_lock:
            self._outbox.put(deleted, replaced, life)
            self._breaker.demand_probe()


def _read(backend: BaseCache, keys: tuple[str, ...]) -> list[Any]:
    found = backend.get_many(*keys)
    if len(found) == len(keys):
        return found
    raise BackendError(f"{backend.where()} returned {len(found)} values for {len(keys)} keys")
