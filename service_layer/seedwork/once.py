"""The idempotent request: under a key of the caller's, a use case does its work once, and gives one answer.

Source: idempotency key, as in Helland, "Life beyond Distributed Transactions" (2007), and the IETF's draft of the HTTP
header ``Idempotency-Key``.
"""

from collections.abc import Callable
from inspect import Parameter, signature
from typing import Any, Concatenate, ParamSpec, TypeVar, get_type_hints

from domain.seedwork.errors import AlreadyExists
from domain.seedwork.rules import text
from service_layer.seedwork.errors import UnitOfWorkMisuse
from service_layer.seedwork.functions import returns_early
from service_layer.seedwork.receipts import KEY_MAX_LENGTH
from service_layer.seedwork.retry import retry_transient
from service_layer.seedwork.transaction import Transaction

P = ParamSpec("P")
U = TypeVar("U", bound=Transaction)
T = TypeVar("T")

Values = dict[str, Any]
"""By name. Any: of whatever types a use case takes."""

_key = text("key", 1, KEY_MAX_LENGTH)


class KeyAlreadyUsed(AlreadyExists):
    """Another request came under this key."""

    message = "Another request came under this key already: make a new key for each request."


def once(uow: U, key: str, function: Callable[Concatenate[U, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a use case, unless it was called under this key before: then return the answer that it gave.

    ::

        order = once(uow, key, add_order, number="A-1")

    A receipt is saved with the work, so a request may be repeated after CommitOutcomeUnknown, or by a client that has
    lost the answer. Of two at the same time one does the work, and the other waits for its answer. What is refused, or
    fails, leaves no receipt. Like ``retry_transient`` it runs the whole again after a lost race.

    Args:
        uow: closed, or open in the caller: then this is a step of that block.
        key: 1 to 200 characters that the caller has made for this request, and keeps for its repetitions. Where several
            callers don't know of each other, put the caller's name before it.
        function: known by its module and qualified name, so what a closure or a method's object holds is not compared.
            Its return type is annotated: a frozen dataclass of plain values, or one such value.
        args, kwargs: what it takes. They are compared by name, as JSON. The order in a dict or a set does not count,
            nor whether what is the default was written.
    Raises: KeyAlreadyUsed (another function or other arguments came under this key), InvalidValue (the key),
        UnitOfWorkMisuse (an argument or the answer can't be kept as JSON), and what the function raises.
    """
    answer: T = _once(uow, key, function, args, kwargs)
    return answer


@retry_transient
def _once(
    uow: Transaction, key: str, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:  # Any: of whatever function
    key, kind = _key(key), _answer_of(function)
    with uow:
        name = f"{function.__module__}.{function.__qualname__}"
        fingerprint = uow.receipts.fingerprint
        given, defaults = _by_name(function, args, kwargs)
        request = fingerprint(name, _without_defaults(uow, given, defaults) if defaults else given)
        if found := uow.receipts.take(key, request):
            # older receipts were kept with defaults that were given; the first by the function's plain name, and by how
            # its arguments were given
            older = {fingerprint(name, given), fingerprint(function.__name__, *args, **kwargs)}
            if found.request not in {request, *older}:
                raise KeyAlreadyUsed("key")
            answer = uow.receipts.decoded(kind, found.answer)
        else:
            answer = function(uow, *args, **kwargs)
            uow.receipts.keep(key, kind, answer)
        uow.commit()
    return answer


def _by_name(function: Callable[..., object], args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Values]:
    """Return the arguments by name, and the default of each; as they are, and none, where the names are not known."""
    try:
        bound = signature(function).bind(None, *args, **kwargs)
    except TypeError:  # a decorator takes other arguments, or the call will be refused
        return (args, kwargs), {}
    return bound.arguments, {name: bound.signature.parameters[name].default for name in bound.arguments}


def _without_defaults(uow: Transaction, given: Values, defaults: Values) -> Values:
    """Leave out what a default says anyway: the next release may hand over an argument that this one does not have."""
    return {name: value for name, value in given.items() if not _is_default(uow, value, defaults[name])}


def _is_default(uow: Transaction, value: object, default: object) -> bool:
    if value is default or default is Parameter.empty:
        return value is default
    try:
        return uow.receipts.fingerprint(value) == uow.receipts.fingerprint(default)
    except UnitOfWorkMisuse:  # JSON can't keep that default
        return False


def _answer_of(function: Callable[..., object]) -> Any:  # Any: a type's annotation
    if returns_early(function):
        raise UnitOfWorkMisuse(
            f"{getattr(function, '__name__', function)}() returns before its work is done, so once() can't keep its"
            " answer. Write a plain function; asynchronous callers await it by run(once, uow, key, function)."
        )
    try:
        return get_type_hints(function)["return"]
    except NameError as error:
        raise UnitOfWorkMisuse(
            f"once() can't see the types of {getattr(function, '__name__', function)}: {error}. Import it above"
            " the line: if TYPE_CHECKING. What stands below it, only a type checker sees"
        ) from error
    except (KeyError, TypeError) as error:
        raise UnitOfWorkMisuse(
            f"once() can't see what {getattr(function, '__name__', function)} returns. Annotate it: -> OrderDetails"
        ) from error
