"""One process of an app, driven line by line: commands on standard input, events on its output.

A computation reads its source (a file), tells that it has begun, and waits for ``go`` if it was
asked to hold. So a test can put an invalidation between the reading and the storing.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flask import Flask, render_template_string

from flask_cache_core import Cache

CONFIG: dict[str, Any] = json.loads(sys.argv[1])
SOURCE = Path(sys.argv[2])

app = Flask("worker")
app.config.update(CONFIG, SECRET_KEY="of the tests")
cache = Cache(app)

go = threading.Event()
holding: set[int] = set()
local = threading.local()
output = threading.Lock()


def tell(**event: Any) -> None:
    with output:
        sys.stdout.write(json.dumps(event) + "\n")
        sys.stdout.flush()


def compute() -> str:
    """Read the source, then take as long as the test wants."""
    text = SOURCE.read_text()
    tell(event="begun", id=local.command)
    if local.hold:
        assert go.wait(60)
    time.sleep(local.seconds)
    return text


@cache.memoize(tags=("tag",))
def tagged() -> str:
    return compute()


@cache.memoize()
def nested() -> str:
    return tagged()


@cache.memoize()
def function(x: int) -> str:
    return compute()


@cache.memoize(lock="distributed", lock_timeout=CONFIG.get("TEST_LOCK_TIMEOUT", 20))
def once(x: int) -> str:
    return compute()


class Thing:
    def __repr__(self) -> str:
        return "Thing()"

    @cache.memoize()
    def method(self) -> str:
        return compute()


thing = Thing()


@app.route("/view")
@cache.cached()
def view() -> str:
    return compute()


@cache.cached(key_prefix="constant")
def constant() -> str:
    return compute()


def fragment() -> str:
    return render_template_string(
        "{% cache 60, 'fragment' %}{{ compute() }}{% endcache %}", compute=compute
    )


def page() -> str:
    return app.test_client().get("/view").text


def delete_fragment() -> None:
    from flask_cache_core import make_template_fragment_key

    cache.delete(make_template_fragment_key("fragment"))


COMMANDS: dict[str, Callable[[], Any]] = {
    "tagged": tagged,
    "nested": nested,
    "function": lambda: function(1),
    "once": lambda: once(1),
    "method": lambda: thing.method(),
    "view": page,
    "fragment": fragment,
    "constant": constant,
    "get_or_set": lambda: cache.get_or_set("made", compute),
    "invalidate tagged": lambda: cache.invalidate_tags("tag"),
    "invalidate function": lambda: cache.delete_memoized(function),
    "invalidate arguments": lambda: cache.delete_memoized(function, 1),
    "invalidate method": lambda: cache.delete_memoized(thing.method),
    "invalidate view": lambda: cache.delete_cached(view, "/view"),
    "invalidate fragment": delete_fragment,
    "invalidate constant": lambda: cache.delete("constant"),
    "invalidate get_or_set": lambda: cache.delete("made"),
    "stats": lambda: cache.stats()._asdict(),
    "get": lambda: cache.get("key"),
    "set": lambda: cache.set("key", "value"),
}


def run(command: dict[str, Any]) -> None:
    local.command, local.hold = command["id"], command.get("hold", False)
    local.seconds = command.get("seconds", 0)
    with app.app_context():
        try:
            tell(event="done", id=command["id"], value=COMMANDS[command["do"]]())
        except Exception as error:
            tell(event="failed", id=command["id"], value=repr(error))


def main() -> None:
    tell(event="ready")
    for line in sys.stdin:
        command = json.loads(line)
        if command["do"] == "go":
            go.set()
            continue
        if command["do"] == "hold again":
            go.clear()
            continue
        threading.Thread(target=run, args=(command,), daemon=True).start()


if __name__ == "__main__":
    main()
