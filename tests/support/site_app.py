"""An app for load tests: pages over a source in redis that is changed and invalidated meanwhile."""

from __future__ import annotations

import os

import redis
from flask import Flask, render_template_string

from flask_cache_core import Cache

app = Flask(__name__)
app.config.update(
    CACHE_TYPE=os.environ["SITE_CACHE_TYPE"],
    CACHE_REDIS_URL=os.environ["SITE_REDIS_URL"],
    CACHE_BACKEND_TIMEOUT=5,  # a busy machine is no outage
    SECRET_KEY="of the tests",
)
cache = Cache(app)
source = redis.Redis.from_url(os.environ["SITE_REDIS_URL"], decode_responses=True)


@cache.memoize(tags=("key:{key}",))
def number(key: str) -> int:
    return int(str(source.get(f"source {key}") or 0))


@app.get("/function/<key>")
def function(key: str) -> str:
    return str(number(key))


@app.get("/view/<key>")
@cache.cached(tags=("key:{key}",))
def view(key: str) -> str:
    return str(number(key))


@app.get("/fragment/<key>")
def fragment(key: str) -> str:
    return render_template_string(
        "{% cache 60, 'number', key %}{{ number(key) }}{% endcache %}", number=number, key=key
    )


@app.post("/change/<key>")
def change(key: str) -> str:
    value = source.incr(f"source {key}")
    cache.invalidate_tags(f"key:{key}")
    return str(value)
