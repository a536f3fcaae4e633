"""What authors of backends import: `BaseCache`, `ByteStore` and what goes with them."""

from .options import to_seconds
from .storage.base import BaseCache, Batch, Factory
from .storage.bytestore import ByteStore, ByteStoreOptions

__all__ = ["BaseCache", "Batch", "ByteStore", "ByteStoreOptions", "Factory", "to_seconds"]
