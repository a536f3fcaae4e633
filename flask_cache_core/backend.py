"""What authors of backends import: `BaseCache`, `ByteStore` and what goes with them."""

from .storage.base import BaseCache, Batch, Factory
from .storage.bytestore import ByteStore, ByteStoreOptions
from .timeouts import to_seconds

__all__ = ["BaseCache", "Batch", "ByteStore", "ByteStoreOptions", "Factory", "to_seconds"]
