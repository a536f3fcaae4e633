"""Value to bytes and back, for every backend that stores bytes.

The default format is typed MessagePack, which cannot execute code. What it cannot express is
pickled, and only inside a signature: HMAC-SHA256 (RFC 2104) over the key, the header and the
payload, verified before anything is decoded. Integers are plain decimals, so that a server's
own increment works on them. Knows no backend and no app.

Layout: ``-?[0-9]+`` for an ``int``, else kind (1 byte: ``V`` typed, ``P`` signed pickle),
compression (1 byte), for ``P`` the 32 bytes of the signature, payload.
"""

from __future__ import annotations

import hashlib
import hmac
import pickle
from collections.abc import Sequence
from importlib import import_module
from types import ModuleType
from typing import Final, NamedTuple

from ..errors import ConfigError, DecodeError, SerializationError
from ..typing import Serializer
from .entry import Entry, Variants
from .format import Custom, InexpressibleError, pack, unpack

_TYPED: Final = b"V"
_PICKLED: Final = b"P"
_SIGNATURE: Final = 32
_INTEGER: Final = frozenset(b"-0123456789")


class Compression(NamedTuple):
    """A compression algorithm: the byte that marks it, and the module that brings it."""

    mark: bytes
    module: str

    def load(self) -> ModuleType:
        return import_module(self.module)


COMPRESSIONS: Final = {
    "zlib": Compression(b"z", "zlib"),
    "zstd": Compression(b"s", "zstandard"),
    "lz4": Compression(b"l", "lz4.frame"),
}
_PLAIN: Final = b"-"


class Codec:
    """Encodes and decodes the values of one app.

    :param secrets: keys that sign pickles, newest first: the first signs, all verify.
    :param compression: a name in `COMPRESSIONS`, or ``None``.
    :param compress_min: bytes from which on a payload is compressed.
    :param serializer: replaces the typed format for values; what it does is its user's choice.
    """

    def __init__(
        self,
        secrets: Sequence[bytes] = (),
        compression: str | None = None,
        compress_min: int = 1024,
        serializer: Serializer | None = None,
    ) -> None:
        self._secrets = tuple(hashlib.sha256(b"flask-cache-core" + s).digest() for s in secrets)
        self._serializer = serializer
        self._compress_min = compress_min
        self._compression = COMPRESSIONS[compression] if compression else None
        if self._compression is not None:
            _require(self._compression)

    def encode(self, key: str, value: object) -> bytes:
        """Raise `SerializationError` for what neither format can hold."""
        if type(value) is int:
            try:
                return b"%d" % value
            except ValueError:  # more digits than Python writes; no server counts so far either
                pass
        kind, payload = self._serialize(value)
        mark, payload = self._compress(payload)
        if kind != _PICKLED:
            return kind + mark + payload
        header = kind + mark
        return header + self._sign(self._secrets[0], key, header, payload) + payload

    def decode(self, key: str, data: bytes) -> object:
        """Raise `DecodeError` for what was not written by `encode` for this *key*."""
        try:
            if not data or data[0] in _INTEGER:
                return int(data)
            return self._decode(key, data[:1], data[1:2], data[2:])
        except DecodeError:
            raise
        except Exception as error:
            raise DecodeError(f"stored bytes cannot be decoded: {error!r}") from error

    def _decode(self, key: str, kind: bytes, mark: bytes, rest: bytes) -> object:
        if kind == _TYPED:
            return self._unwrapped(unpack(_decompress(mark, rest)))
        if kind == _PICKLED:
            signature, payload = rest[:_SIGNATURE], rest[_SIGNATURE:]
            self._verify(key, kind + mark, signature, payload)
            return pickle.loads(_decompress(mark, payload))  # noqa: S301
        raise DecodeError(f"stored bytes are of an unknown kind, {kind!r}")

    def _serialize(self, value: object) -> tuple[bytes, bytes]:
        if self._serializer is not None:
            value = _wrapped(value, self._serializer)
        try:
            return _TYPED, pack(value)
        except (InexpressibleError, ValueError, RecursionError) as error:
            return _PICKLED, self._pickle(value, error)

    def _unwrapped(self, value: object) -> object:
        if type(value) is Entry:
            return value._replace(value=self._unwrapped(value.value))
        if type(value) is not Custom:
            return value
        if self._serializer is None:
            raise DecodeError("a stored value needs the CACHE_SERIALIZER that wrote it")
        return self._serializer.loads(value.data)

    def _pickle(self, value: object, reason: Exception) -> bytes:
        if not self._secrets:
            raise SerializationError(
                f"{reason}, and values are pickled only inside a signature: set SECRET_KEY or "
                "CACHE_SECRET_KEYS, or cache plain data (numbers, text, lists, dicts, dataclasses)."
            )
        try:
            return pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
        except Exception as error:
            raise SerializationError(f"{reason}, and it cannot be pickled: {error}") from error

    def _compress(self, payload: bytes) -> tuple[bytes, bytes]:
        if self._compression is None or len(payload) < self._compress_min:
            return _PLAIN, payload
        packed: bytes = self._compression.load().compress(payload)
        if len(packed) >= len(payload):
            return _PLAIN, payload
        return self._compression.mark, packed

    def _sign(self, secret: bytes, key: str, header: bytes, payload: bytes) -> bytes:
        name = key.encode("utf-8", "surrogatepass")
        message = b"%d:%b%b%b" % (len(name), name, header, payload)
        return hmac.digest(secret, message, "sha256")

    def _verify(self, key: str, header: bytes, signature: bytes, payload: bytes) -> None:
        for secret in self._secrets:
            if hmac.compare_digest(signature, self._sign(secret, key, header, payload)):
                return
        raise DecodeError("a stored pickle is not signed with any key of CACHE_SECRET_KEYS")


def _require(compression: Compression) -> None:
    try:
        compression.load()
    except ImportError as error:
        raise ConfigError(
            f"CACHE_COMPRESSION needs the module {compression.module!r}: "
            f"pip install {compression.module.partition('.')[0]}, or set it to 'zlib'."
        ) from error


def _decompress(mark: bytes, payload: bytes) -> bytes:
    if mark == _PLAIN:
        return payload
    for compression in COMPRESSIONS.values():
        if compression.mark == mark:
            data: bytes = compression.load().decompress(payload)
            return data
    raise DecodeError(f"stored bytes are compressed in an unknown way, {mark!r}")


def _wrapped(value: object, serializer: Serializer) -> object:
    if type(value) is Entry:
        return value._replace(value=_wrapped(value.value, serializer))
    if type(value) in (str, Variants):
        return value
    return Custom(serializer.dumps(value))
