"""One of everything: a cached view, a memoized function, a template fragment, a tag.

Settings come from the environment too: ``FLASK_CACHE_TYPE=filesystem make serve``.
"""

from __future__ import annotations

import os
import time

from flask import Flask, Response, g, redirect, render_template, url_for
from werkzeug.wrappers import Response as WerkzeugResponse

from flask_cache_core import Cache

app = Flask(__name__)
app.config.from_mapping(CACHE_TYPE="simple", CACHE_DEFAULT_TIMEOUT=60)
app.config.from_prefixed_env()
cache = Cache(app)


def work(what: str) -> str:
    """Take as long as a slow query does."""
    time.sleep(0.2)
    return f"{what} at {time.strftime('%H:%M:%S')}"


@app.get("/")
def index() -> str:
    return render_template("index.html")


@app.get("/view")
@cache.cached(timeout=30)
def view() -> str:
    return render_template("page.html", title="A cached view", text=work("rendered"))


@cache.memoize(timeout=30)
def square(number: int) -> str:
    return work(f"{number} squared is {number * number}, computed")


@app.get("/function/<int:number>")
def function(number: int) -> str:
    return render_template("page.html", title="A memoized function", text=square(number))


@app.get("/fragment/<name>")
def fragment(name: str) -> str:
    return render_template("fragment.html", name=name, work=work)


@cache.memoize(tags=("news",))
def headline() -> str:
    return work("published")


@app.get("/news")
def news() -> str:
    return render_template("news.html", headline=headline())


@app.post("/news")
def publish() -> WerkzeugResponse:
    cache.invalidate_tags("news")
    return redirect(url_for("news"))


@app.before_request
def remember_stats() -> None:
    g.before = cache.stats()


@app.after_request
def tell(response: Response) -> Response:
    """What the cache did for this request, as long as there is one request at a time."""
    now = cache.stats()
    missed, found = now.misses > g.before.misses, now.hits > g.before.hits
    response.headers["X-Cache"] = "miss" if missed else "hit" if found else "none"
    response.headers["X-Worker"] = str(os.getpid())
    return response
