"""``{% cache %}``: fragments by name, by place and by what they vary on."""

from __future__ import annotations

import asyncio
import itertools
import time
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pytest
from flask import Flask, render_template, render_template_string
from markupsafe import Markup

from flask_cache_core import Cache, CacheWarning, make_template_fragment_key
from flask_cache_core.decorators.fragments import use_for_fragments
from flask_cache_core.errors import CacheError, InvalidTimeoutError, NotInitializedError


@pytest.fixture
def folder(app: Flask, tmp_path: Path) -> Path:
    app.jinja_loader = jinja2.FileSystemLoader(tmp_path)
    return tmp_path


@pytest.fixture(autouse=True)
def pushed(app: Flask, cache: Cache) -> Any:
    with app.test_request_context():
        yield


def render(text: str, **context: Any) -> str:
    return render_template_string(text, **context)


def test_a_fragment_is_rendered_once() -> None:
    numbers = itertools.count(1)
    text = "{% cache 60, 'k' %}{{ next(numbers) }}{% endcache %}"
    assert [render(text, numbers=numbers, next=next) for _ in range(3)] == ["1", "1", "1"]


def test_a_fragment_varies_on_its_keys() -> None:
    text = "{% cache 60, 'k', a, b %}{{ a }}-{{ b }}-{{ n }}{% endcache %}"
    pairs: list[tuple[Any, Any]] = [(1, 2), ("1", "2"), (1, 3), ("1-2", ""), ("a b", "c")]
    shown = [render(text, a=a, b=b, n=n) for n, (a, b) in enumerate(pairs)]
    assert shown == ["1-2-0", "1-2-0", "1-3-2", "1-2--3", "a b-c-4"]
    assert render(text, a="a", b="b c", n=9) == "a-b c-9"


def test_no_two_lists_of_keys_meet() -> None:
    keys = {
        make_template_fragment_key("a"),
        make_template_fragment_key("a", ["b"]),
        make_template_fragment_key("a", ["b", "c"]),
        make_template_fragment_key("a", ["b_c"]),
        make_template_fragment_key("a_b", ["c"]),
        make_template_fragment_key("a_b_c"),
        make_template_fragment_key("a", ["b", ""]),
        make_template_fragment_key("a|b", ["c"]),
        make_template_fragment_key("a", ["b|c"]),
        make_template_fragment_key("a%7Cb"),
    }
    assert len(keys) == 10


def test_objects_to_vary_on_are_never_taken_for_each_other() -> None:
    class User:
        def __init__(self, name: str) -> None:
            self.name = name

    text = "{% cache 60, 'k', user %}{{ user.name }}{% endcache %}"
    with pytest.warns(CacheWarning, match="User"):
        assert render(text, user=User("0")) == "0"
    assert [render(text, user=User(str(n))) for n in range(1, 50)] == [str(n) for n in range(1, 50)]
    kept = User("kept")
    assert render(text, user=kept) == "kept"
    kept.name = "changed"
    assert render(text, user=kept) == "kept"


def test_arrays_to_vary_on_are_known_by_all_of_their_content() -> None:
    one, other = np.zeros(5000), np.zeros(5000)
    other[2500] = 1
    text = "{% cache 60, 'k', values %}{{ values.sum() }}{% endcache %}"
    assert [render(text, values=values) for values in (one, other)] == ["0.0", "1.0"]


def test_objects_with_a_text_of_their_own_vary_by_it() -> None:
    class User:
        def __init__(self, name: str, mood: str) -> None:
            self.name = name
            self.mood = mood

        def __str__(self) -> str:
            return self.name

    text = "{% cache 60, 'k', user %}{{ user.mood }}{% endcache %}"
    shown = [render(text, user=User(*who)) for who in (("a", "1"), ("b", "2"), ("a", "3"))]
    assert shown == ["1", "2", "1"]


def test_a_fragment_can_be_read_and_deleted_from_outside(cache: Cache) -> None:
    text = "{% cache 60, 'k', a, 2 %}{{ n }}{% endcache %}"
    render(text, a="x", n=1)
    key = make_template_fragment_key("k", vary_on=["x", 2])
    assert cache.get(key) == "1"
    assert key == make_template_fragment_key("k", vary_on=("x", "2"))
    assert cache.delete(key)
    assert cache.get(key) is None
    assert render(text, a="x", n=2) == "2"


def test_del_forgets_and_renders(cache: Cache) -> None:
    text = "{% cache timeout, 'k', v %}{{ n }}{% endcache %}"
    assert render(text, timeout=60, v=1, n=1) == "1"
    assert render(text, timeout=60, v=2, n=2) == "2"
    assert render(text, timeout="del", v=1, n=3) == "3"
    assert cache.get(make_template_fragment_key("k", [1])) is None
    assert render(text, timeout=60, v=1, n=4) == "4"
    assert render(text, timeout=60, v=2, n=5) == "2"


def test_del_without_a_name_forgets_the_fragment_of_that_place(folder: Path, cache: Cache) -> None:
    path = folder / "page.html"
    path.write_text("{% cache timeout %}{{ n }}{% endcache %}")
    shown = [
        render_template("page.html", timeout=timeout, n=n)
        for n, timeout in enumerate([60, 60, "del", 60])
    ]
    assert shown == ["0", "0", "2", "3"]


def test_timeouts() -> None:
    texts = [
        "{% cache 0.02, 'number' %}{{ n }}{% endcache %}",
        "{% cache '0.02', 'text' %}{{ n }}{% endcache %}",
        "{% cache None, 'none' %}{{ n }}{% endcache %}",
        "{% cache none, 'nothing' %}{{ n }}{% endcache %}",
        "{% cache 0, 'forever' %}{{ n }}{% endcache %}",
        "{% cache 60 * 5, 'sum' %}{{ n }}{% endcache %}",
    ]
    assert [render(text, n=1) for text in texts] == ["1"] * 6
    time.sleep(0.03)
    assert [render(text, n=2) for text in texts] == ["2", "2", "1", "1", "1", "1"]


@pytest.mark.parametrize("timeout", [-1, "soon", "-1", [1]])
def test_a_wrong_timeout_is_an_error_of_our_own(timeout: Any) -> None:
    with pytest.raises(InvalidTimeoutError) as caught:
        render("{% cache timeout, 'k' %}x{% endcache %}", timeout=timeout)
    assert isinstance(caught.value, CacheError)


def test_without_a_name_the_place_is_the_key(folder: Path) -> None:
    text = "{% cache 60 %}{{ n }}{% endcache %}"
    (folder / "a.html").write_text(f"{text}\n{text.replace('}}', '}}!')}")
    (folder / "b.html").write_text(text)
    assert render_template("a.html", n=1) == "1\n1!"
    assert render_template("b.html", n=2) == "2"
    assert render_template("a.html", n=3) == "1\n1!"
    assert render_template("b.html", n=4) == "2"


def test_templates_without_files_have_places_too(app: Flask) -> None:
    text = "{% cache 60 %}{{ n }}{% endcache %}"
    app.jinja_loader = jinja2.DictLoader({"a.html": text, "b.html": text})
    assert [render_template(name, n=name) for name in ("a.html", "b.html", "a.html")] == [
        "a.html", "b.html", "a.html",
    ]  # fmt: skip


def test_the_place_of_a_string_is_as_it_always_was(cache: Cache) -> None:
    assert render("{% cache 60 %}{{ n }}{% endcache %}", n=1) == "1"
    assert cache.get(make_template_fragment_key("None1")) == "1"


def test_strings_never_share_content_by_their_lines() -> None:
    one = "{% cache 60 %}one {{ n }}{% endcache %}"
    other = "{% cache 60 %}other {{ n }}{% endcache %}"
    assert [render(text, n=1) for text in (one, other, one, other)] == [
        "one 1", "other 1", "one 1", "other 1",
    ]  # fmt: skip


def test_a_changed_template_does_not_show_its_old_self(app: Flask, folder: Path) -> None:
    path = folder / "page.html"
    path.write_text("{% cache 60 %}old{% endcache %}")
    assert render_template("page.html") == "old"
    path.write_text("{% cache 60 %}new{% endcache %}")
    assert app.jinja_env.cache is not None
    app.jinja_env.cache.clear()
    assert render_template("page.html") == "new"


def test_a_named_fragment_is_shared_between_templates(folder: Path) -> None:
    for name in ("a.html", "b.html"):
        (folder / name).write_text(name + "{% cache 60, 'menu' %}{{ n }}{% endcache %}")
    assert [render_template(name, n=name) for name in ("a.html", "b.html")] == [
        "a.htmla.html", "b.htmla.html",
    ]  # fmt: skip


def test_fragments_within_fragments() -> None:
    text = "{% cache 60, 'out' %}{{ n }}{% cache 60, 'in' %}[{{ n }}]{% endcache %}{% endcache %}"
    assert render(text, n=1) == "1[1]"
    assert render(text, n=2) == "1[1]"
    inner = "{% cache 60, 'in' %}[{{ n }}]{% endcache %}"
    assert render(inner, n=3) == "[1]"


def test_tags_of_what_is_within_reach_what_is_around(cache: Cache) -> None:
    text = (
        "{% cache 60, 'out', tags=['outer'] %}{{ n }}"
        "{% cache 60, 'in', tags=['inner'] %}[{{ n }}]{% endcache %}{% endcache %}"
    )
    assert [render(text, n=n) for n in (1, 2)] == ["1[1]", "1[1]"]
    cache.invalidate_tags("inner")
    assert [render(text, n=n) for n in (3, 4)] == ["3[3]", "3[3]"]
    cache.invalidate_tags("outer")
    assert [render(text, n=n) for n in (5, 6)] == ["5[3]", "5[3]"]


def test_tags_may_be_expressions(cache: Cache) -> None:
    text = "{% cache 60, 'k', user, tags=['user:' ~ user] %}{{ n }}{% endcache %}"
    assert [render(text, user=user, n=user) for user in "ab"] == ["a", "b"]
    cache.invalidate_tags("user:a")
    assert [render(text, user=user, n="new") for user in "ab"] == ["new", "b"]


def test_tags_is_a_name_like_any_other_elsewhere() -> None:
    text = "{% cache 60, 'k', tags %}{{ tags }}{% endcache %}"
    assert [render(text, tags=tags) for tags in "ab"] == ["a", "b"]


def test_in_loops_macros_and_blocks(folder: Path) -> None:
    (folder / "macros.html").write_text(
        "{% macro item(x) %}{% cache 60, 'item', x %}<{{ x }}>{% endcache %}{% endmacro %}"
    )
    (folder / "base.html").write_text("{% block body %}{% endblock %}")
    (folder / "page.html").write_text(
        "{% extends 'base.html' %}{% from 'macros.html' import item %}{% block body %}"
        "{% for x in items %}{% cache 60, 'loop', x %}{{ loop.index }}{{ item(x) }}{% endcache %}"
        "{% endfor %}{% endblock %}"
    )
    assert render_template("page.html", items=[1, 2]) == "1<1>2<2>"
    assert render_template("page.html", items=[2, 1]) == "2<2>1<1>"


def test_a_body_sees_and_keeps_its_variables() -> None:
    text = "{% set a = 1 %}{% cache 60, 'k' %}{% set a = 2 %}{{ a }}{{ b }}{% endcache %}{{ a }}"
    assert [render(text, b=b) for b in "xy"] == ["2x1", "2x1"]


def test_what_is_escaped_stays_escaped_and_what_is_safe_stays_safe() -> None:
    text = "{% cache 60, 'k' %}<b>{{ x }}</b>{% endcache %}"
    for _ in range(2):
        assert render(text, x="<i>") == "<b>&lt;i&gt;</b>"
    captured = "{% set x %}{% cache 60, 'c' %}<b>{{ y }}</b>{% endcache %}{% endset %}{{ x }}"
    for _ in range(2):
        assert render(captured, y=Markup("<i>")) == "<b><i></b>"
    macro = "{% macro m() %}{% cache 60, 'm' %}<u>{% endcache %}{% endmacro %}{{ m() }}"
    for _ in range(2):
        assert render(macro) == "<u>"


def test_text_templates_do_not_escape(folder: Path) -> None:
    (folder / "mail.txt").write_text("{% cache 60, 'mail' %}{{ x }}{% endcache %}")
    assert [render_template("mail.txt", x="<i>") for _ in range(2)] == ["<i>", "<i>"]


def test_a_body_that_raises_runs_once_and_is_not_remembered() -> None:
    calls: list[int] = []

    def fragile() -> str:
        calls.append(1)
        if len(calls) == 1:
            raise LookupError("first")
        return "fine"

    text = "{% cache 60, 'k' %}{{ fragile() }}{% endcache %}"
    with pytest.raises(LookupError, match="first"):
        render(text, fragile=fragile)
    assert len(calls) == 1
    assert [render(text, fragile=fragile) for _ in range(2)] == ["fine", "fine"]
    assert len(calls) == 2


def test_an_empty_fragment_is_remembered() -> None:
    calls: list[int] = []
    text = "{% cache 60, 'k' %}{{ calls.append(1) or '' }}{% endcache %}"
    assert [render(text, calls=calls) for _ in range(2)] == ["", ""]
    assert len(calls) == 1


@pytest.mark.parametrize(
    "text", ["{% cache 60, 'k' %}x", "{% cache 60 'k' %}x{% endcache %}", "{% endcache %}"]
)
def test_a_wrong_tag_is_a_syntax_error(text: str) -> None:
    with pytest.raises(jinja2.TemplateSyntaxError):
        render(text)


def test_without_arguments_the_defaults_count() -> None:
    text = "{% cache %}{{ n }}{% endcache %}"
    assert [render(text, n=n) for n in (1, 2)] == ["1", "1"]


def test_the_extension_can_be_left_out() -> None:
    app = Flask("plain")
    Cache(app, with_jinja2_ext=False, config={"CACHE_TYPE": "simple"})
    with app.test_request_context(), pytest.raises(jinja2.TemplateSyntaxError):
        render("{% cache 60 %}x{% endcache %}")


def test_an_environment_without_a_cache_is_told() -> None:
    environment = jinja2.Environment(
        extensions=["flask_cache_core.decorators.fragments.CacheExtension"]
    )
    template = environment.from_string("{% cache 60, 'k' %}x{% endcache %}")
    with pytest.raises(NotInitializedError, match="init_app"):
        template.render()


def test_an_asynchronous_environment(cache: Cache) -> None:
    environment = jinja2.Environment(enable_async=True, autoescape=True)
    use_for_fragments(environment, cache)
    calls: list[int] = []

    async def number() -> str:
        await asyncio.sleep(0)
        calls.append(1)
        return f"<{len(calls)}>"

    template = environment.from_string(
        "{% cache 60, 'k' %}<b>{{ number() }}{% cache 60, 'in' %}!{% endcache %}{% endcache %}"
    )

    async def main() -> list[str]:
        return [await template.render_async(number=number) for _ in range(2)]

    assert asyncio.run(main()) == ["<b>&lt;1&gt;!"] * 2
    assert template.render(number=number) == "<b>&lt;1&gt;!"
    assert len(calls) == 1


def test_two_apps_have_fragments_of_their_own(app: Flask, cache: Cache) -> None:
    other = Flask("other")
    cache.init_app(other)
    text = "{% cache 60, 'k' %}{{ n }}{% endcache %}"
    assert render(text, n=1) == "1"
    with other.test_request_context():
        assert [render(text, n=n) for n in (2, 3)] == ["2", "2"]
    assert render(text, n=4) == "1"
