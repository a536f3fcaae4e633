"""``{% cache timeout, key, vary…, tags=[…] %} … {% endcache %}``: rendered pieces of templates.

Turns a fragment into a key and a call; what is a hit is decided in ``engine``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

from jinja2 import Environment, nodes
from jinja2.ext import Extension
from jinja2.parser import Parser

from ..engine.call import Call, GivenCall
from ..engine.lookup import Lookup
from ..errors import InvalidTimeoutError, NotInitializedError
from ..keys.arguments import Identities
from ..keys.builders import digest, fragment_key
from ..keys.identity import holds_address
from ..options import to_seconds
from ..typing import Timeout
from .predicates import tag_versions

if TYPE_CHECKING:
    from ..apps import CacheBase
    from ..engine.state import CacheState

__all__ = ["CacheExtension", "make_template_fragment_key", "use_for_fragments"]

_ATTRIBUTE = "_template_fragment_cache"


def make_template_fragment_key(fragment_name: str, vary_on: Iterable[object] | None = None) -> str:
    """Return the key of the fragment ``{% cache …, fragment_name, *vary_on %}``, for
    ``cache.delete``.

    :param fragment_name: the second argument of the tag.
    :param vary_on: the ones after it.

    Since 1.0. ::

        from flask_cache_core import make_template_fragment_key

        cache.delete(make_template_fragment_key("sidebar", [1]))
    """
    return fragment_key(_text(fragment_name), map(_text, vary_on or ()))


def _text(value: object) -> str:
    """What a template shows of *value*, unless that is no more than where it is, or cut off."""
    text = str(value)
    if holds_address(text, value) or hasattr(value, "__array__"):
        return _identities.text((value,))
    return text


_identities: Final = Identities()


def use_for_fragments(environment: Environment, cache: CacheBase) -> None:
    """Let the templates of *environment* use *cache*."""
    setattr(environment, _ATTRIBUTE, cache)
    environment.add_extension(CacheExtension)


#: A digest of the template that is being compiled in this context.
_compiled: Final[ContextVar[str]] = ContextVar("flask_cache_core.compiled", default="")


class CacheExtension(Extension):
    """The tag. Without a key, a fragment's is the path of its template and its line.

    What made an entry under such a key is identified by a digest: of the fragment, or, where there
    is no path, of all of the template.
    """

    tags = {"cache"}  # noqa: RUF012 - declared by the base class

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:
        """Take note of the template, which `parse` does not see as a whole."""
        _compiled.set(_digest(source))
        return source

    def parse(self, parser: Parser) -> nodes.Node:
        """Turn the tag into a call of `_cache` around its body."""
        line = next(parser.stream).lineno
        arguments: list[nodes.Expr] = []
        tags: nodes.Expr = nodes.List([])
        while parser.stream.current.type != "block_end":
            if arguments:
                parser.stream.expect("comma")
            if _is_tags(parser):
                parser.stream.skip(2)
                tags = parser.parse_expression()
            else:
                arguments.append(parser.parse_expression())
        body = parser.parse_statements(("name:endcache",), drop_needle=True)
        timeout: nodes.Expr = arguments[0] if arguments else nodes.Const(None)
        name: nodes.Expr
        if len(arguments) > 1:
            name, source = arguments[1], ""
        else:
            template = parser.filename or parser.name
            name = nodes.Const(f"{template}{line}")  # "None1" in a string, as in Flask-Cache
            source = _compiled.get() if template is None else _digest(repr(body))
        vary_on = nodes.List(arguments[2:])
        call = self.call_method("_cache", [timeout, name, vary_on, tags, nodes.Const(source)])
        return nodes.CallBlock(call, [], [], body).set_lineno(line)

    def _cache(
        self,
        timeout: Timeout | str | None,
        name: str,
        vary_on: list[object],
        tags: Iterable[str],
        source: str,
        caller: Callable[[], Any],
    ) -> Any:
        """The fragment: a string, or an awaitable one in an asynchronous environment."""
        cache: CacheBase | None = getattr(self.environment, _ATTRIBUTE, None)
        if cache is None:
            raise NotInitializedError("{% cache %} needs Cache.init_app() on this app.")
        state = cache.state()
        key = make_template_fragment_key(name, vary_on)
        if timeout == "del":
            state.versions.delete_keys((key,))
            return caller()
        if isinstance(timeout, str):
            timeout = _seconds(timeout)
        if not state.enabled:
            return caller()
        seconds = None if timeout is None else to_seconds(timeout, 0)
        call = GivenCall(key, tag_versions(tags), state.policy, seconds, caller, source)
        if self.environment.is_async:
            return _awaited(state, call)
        return Lookup(state, call).value()


def _digest(text: str) -> str:
    return digest(text)[:16]


def _seconds(timeout: str) -> float:
    try:
        return float(timeout)
    except ValueError:
        raise InvalidTimeoutError(
            f"The timeout of {{% cache %}} must be a number of seconds, None or 'del', not "
            f"{timeout!r}."
        ) from None


def _is_tags(parser: Parser) -> bool:
    return parser.stream.current.test("name:tags") and parser.stream.look().type == "assign"


async def _awaited(state: CacheState, call: Call[Any]) -> Any:
    from ..engine import aio

    return await aio.value(state, call)
