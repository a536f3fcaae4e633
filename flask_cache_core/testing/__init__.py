"""The conformance kit for authors of backends. Install it with ``flask-cache-core[testing]``."""
