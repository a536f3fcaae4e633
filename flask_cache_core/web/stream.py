"""Copies a stream while it passes, so that what turns out small can be stored.

Must not know what is made of the copy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from ..engine.call import Outcome

__all__ = ["StreamTee"]

#: Bytes of a stream that are copied while it passes through.
STREAM_LIMIT: Final = 1 << 20


class StreamTee:
    """An iterator that passes a stream on as it comes, and copies it if it turns out small.

    :param finish: makes of all chunks what is to be stored.
    """

    def __init__(self, stream: Iterator[Any], finish: Callable[[list[Any]], Outcome]) -> None:
        self._stream = stream
        self._finish = finish
        self._chunks: list[Any] = []
        self._left = STREAM_LIMIT
        self._store: Callable[[Outcome], object] | None = None
        self._end: Callable[[], object] | None = None

    def on_complete(self, store: Callable[[Outcome], object], end: Callable[[], object]) -> None:
        """See `engine.call.Deferred`."""
        self._store, self._end = store, end

    def __iter__(self) -> StreamTee:
        return self

    def __next__(self) -> Any:
        try:
            chunk = next(self._stream)
        except StopIteration:
            self._finished()
            self._release()
            raise
        except BaseException:
            self._release()
            raise
        self._left -= len(chunk) if isinstance(chunk, (str, bytes)) else STREAM_LIMIT + 1
        if self._left >= 0:
            self._chunks.append(chunk)
        else:
            self._chunks.clear()
        return chunk

    def _finished(self) -> None:
        if self._store is None or self._left < 0:
            return
        outcome = self._finish(self._chunks)
        if outcome.store:
            self._store(outcome)

    def close(self) -> None:
        """Called by the server when it is done with the response, at its end or before."""
        self._release()
        close = getattr(self._stream, "close", None)
        if close is not None:
            close()

    def _release(self) -> None:
        end, self._end, self._store = self._end, None, None
        if end is not None:
            end()
