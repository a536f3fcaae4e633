"""Hit, stale, miss, store: one lookup for everything that is cached. Knows no HTTP and no Flask."""
