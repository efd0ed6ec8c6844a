"""One line to measure a call: `@track_performance`."""

import inspect
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator
from contextlib import AbstractContextManager, suppress
from functools import cached_property, partial, wraps
from types import FrameType, FunctionType, MethodType, TracebackType, coroutine
from typing import Any, NamedTuple, ParamSpec, TypeVar, cast, overload

from dyno.metrics import threads
from dyno.metrics.calls import Block, Call, finish, opened, resume, start, suspend
from dyno.metrics.invocation import invocation
from dyno.observability import current_request

P = ParamSpec("P")
R = TypeVar("R")
Y = TypeVar("Y")
S = TypeVar("S")
F = TypeVar("F", bound=Callable[..., Any])
"""What is decorated; as a whole it keeps what a ParamSpec loses: overloads, static and class methods, other members."""

Naming = Callable[[tuple[Any, ...]], str]
"""From a call's positional arguments to the service it belongs to."""

MAX_KNOWN_CLASSES = 64
GENERATORS = inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR
REMAINING = "get_remaining_time_in_millis"
"""What Lambda's context has and nothing else."""

BY_PLACE = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


@overload
def track_performance(service_name: F) -> F: ...
@overload
def track_performance(
    service_name: str | None = None, include_metadata: bool = False, *, method: str | None = None
) -> "Tracker": ...
def track_performance(
    service_name: F | str | None = None, include_metadata: bool = False, *, method: str | None = None
) -> "F | Tracker":
    """
    Measure a function, a method, a generator or a block; each finished call leaves one record line on stdout.

    As a decorator, with or without parentheses, for whatever can be called, awaited or iterated; it may stand above or
    below @staticmethod and @classmethod. As `with track_performance("Planner", method="sort"):`, or `async with`.
    Results and exceptions pass unchanged, and nothing that fails in here reaches the caller. A function of two
    parameters that Lambda calls as a handler is an invocation as well.

    A function that returns something lazy, such as a coroutine it did not await or a context manager, is measured to
    its return. A thread that outlives its request keeps that request's id and caller.

    Args:
        service_name: By default the class of `self`, or the module's name for a plain function or a block.
        include_metadata: Whether the record tells of the result: its keys, whether it says success, backup_used,
            shift_days and allocation_id.
        method: By default the function's name; of a block, the function it stands in.
    Raises:
        TypeError: At decoration: it cannot be measured, e.g. a property or a class; it says what can be instead.
    """
    if service_name is None or isinstance(service_name, str):
        return Tracker(service_name, include_metadata, method)
    return Tracker(None, include_metadata, method)(service_name)


class Tracker:
    """What `track_performance` gives: a decorator and a context manager; it may be used many times, and at once."""

    def __init__(self, service: str | None, include_metadata: bool, method: str | None) -> None:
        threads.install()
        self._service = service
        self._include_metadata = include_metadata
        self._method = method

    def __call__(self, function: F) -> F:
        """The function, measured."""
        made: Any
        if isinstance(function, staticmethod | classmethod):
            return cast("F", type(function)(self(function.__func__)))
        _check(function)
        body = _body(function)
        if inspect.isasyncgenfunction(body):
            made = self._async_generator(function)
        elif inspect.isgeneratorfunction(body):
            made = self._generator(function)
            if _gives_awaitables(body):
                made = coroutine(made)
        elif inspect.iscoroutinefunction(body):
            made = self._coroutine(function)
        else:
            made = self._function(function)
        _copy_members(function, made)
        return cast("F", made)

    def __enter__(self) -> None:
        self._enter(sys._getframe(1))  # noqa: SLF001  # the standard library's own way to the caller

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._exit(sys._getframe(1), error)  # noqa: SLF001

    async def __aenter__(self) -> None:
        self._enter(sys._getframe(1))  # noqa: SLF001  # it is the block's own frame that awaits this

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._exit(sys._getframe(1), error)  # noqa: SLF001

    def _enter(self, frame: FrameType) -> None:
        service = self._service or str(frame.f_globals.get("__name__")).rpartition(".")[2]
        start(service, self._method or frame.f_code.co_name, self._block(frame))

    def _exit(self, frame: FrameType, error: BaseException | None) -> None:
        finish(opened(self._block(frame)), error)

    def _block(self, frame: FrameType) -> Block:
        return Block(self, id(frame), suspends=bool(frame.f_code.co_flags & GENERATORS))

    def _function(self, function: Callable[P, R]) -> Callable[P, R]:
        naming, method, keep = self._naming(function), self._method_of(function), self._include_metadata
        handler, end = _Handler.of(function), _end_of(function)

        @wraps(function)
        def tracked(*args: P.args, **kwargs: P.kwargs) -> R:
            # In here, as whatever else has two parameters pays for the question.
            if handler is not None:
                try:
                    last: Any = kwargs.get(handler[2]) if kwargs else args[-1]
                    opening = handler.invocation(args, kwargs) if hasattr(last, REMAINING) else None
                except BaseException:  # noqa: BLE001  # it may refuse to be looked at
                    opening = None
                if opening is not None:
                    with opening:
                        return tracked(*args, **kwargs)
            call = start(naming(args), method)
            try:
                result = function(*args, **kwargs)
            except BaseException as error:
                finish(call, None if isinstance(error, end) else error)
                raise
            finish(call, None, result, keep=keep)
            return result

        return tracked

    def _coroutine(self, function: Callable[P, Coroutine[Any, Any, R]]) -> Callable[P, Coroutine[Any, Any, R]]:
        naming, method, keep = self._naming(function), self._method_of(function), self._include_metadata
        end = _end_of(function)

        @wraps(function)
        async def tracked(*args: P.args, **kwargs: P.kwargs) -> R:
            call = start(naming(args), method)
            try:
                result = await function(*args, **kwargs)
            except BaseException as error:
                finish(call, None if isinstance(error, end) else error)
                raise
            finish(call, None, result, keep=keep)
            return result

        return tracked

    def _generator(self, function: Callable[P, Generator[Y, S, R]]) -> Callable[P, Generator[Y, S, R]]:
        naming, method = self._naming(function), self._method_of(function)

        @wraps(function)
        def tracked(*args: P.args, **kwargs: P.kwargs) -> Generator[Y, S, R]:
            call = suspend(start(naming(args), method))
            inside, step = _Inside(call), None
            try:
                steps = function(*args, **kwargs)
                step = partial(next, steps)
                while True:
                    with inside:
                        item = step()
                    try:
                        sent = yield item
                    except BaseException as error:  # noqa: BLE001  # thrown in by the caller: it is the generator's
                        step = partial(steps.throw, error)  # once it is handled here, or it would be a context there
                    else:
                        step = partial(steps.send, sent)
            except StopIteration as end:
                finish(call)
                return cast("R", end.value)
            except GeneratorExit:  # closed by a caller who has had enough
                finish(call)
                raise
            except BaseException as error:
                finish(call, error)
                raise
            finally:
                step = None  # what was thrown in knows this frame, which must not know it for ever

        return tracked

    def _async_generator(self, function: Callable[P, AsyncGenerator[Y, S]]) -> Callable[P, AsyncGenerator[Y, S]]:
        naming, method = self._naming(function), self._method_of(function)

        @wraps(function)
        async def tracked(*args: P.args, **kwargs: P.kwargs) -> AsyncGenerator[Y, S]:
            call = suspend(start(naming(args), method))
            inside, step = _Inside(call), None
            try:
                steps = function(*args, **kwargs)
                item = await inside.run(_begun(steps))
                while True:
                    try:
                        sent = yield item
                    except BaseException as error:  # noqa: BLE001  # thrown in by the caller: it is the generator's
                        step = partial(steps.athrow, error)  # once it is handled here, or it would be a context there
                    else:
                        step = partial(steps.asend, sent)
                    item = await inside.run(step())
            except (StopAsyncIteration, GeneratorExit) as end:
                finish(call)
                if isinstance(end, GeneratorExit):
                    raise
            except BaseException as error:
                finish(call, error)
                raise
            finally:
                step = None  # what was thrown in knows this frame, which must not know it for ever

        return tracked

    def _method_of(self, function: Callable[..., Any]) -> str:
        return self._method or getattr(function, "__name__", None) or type(function).__name__

    def _naming(self, function: Callable[..., Any]) -> Naming:
        module = str(getattr(function, "__module__", ""))
        owner = str(getattr(function, "__qualname__", "")).rpartition(".")[0]
        if self._service is None and owner and not owner.endswith("<locals>"):
            return _ByClass(module, owner).name
        service = self._service or module.rpartition(".")[2]
        return lambda _args: service


def _body(function: Callable[..., Any]) -> Callable[..., Any]:
    """What runs when it is called: of an object that can be called, its class says how."""
    says_itself = isinstance(function, FunctionType | MethodType | partial) or inspect.iscoroutinefunction(function)
    return function if says_itself else type(function).__call__


def _check(function: Callable[..., Any]) -> None:
    instead = None
    if isinstance(function, property | cached_property):
        instead = "decorate the function it is made of, below @property"
    elif isinstance(function, type):
        instead = "decorate its methods"
    elif not callable(function):
        instead = "it takes a function, or whatever else can be called"
    if instead is not None:
        raise TypeError(f"a {type(function).__name__} cannot be measured: {instead}")


def _gives_awaitables(body: Callable[..., Any]) -> bool:
    """Whether a generator function was made a coroutine function by types.coroutine()."""
    while isinstance(body, partial):
        body = body.func
    flags: int = getattr(getattr(body, "__code__", None), "co_flags", 0)
    return bool(flags & inspect.CO_ITERABLE_COROUTINE)


def _copy_members(function: Callable[..., Any], made: Callable[..., Any]) -> None:
    """Hand on what else can be called of an object that is called, such as the cache_clear() of an lru_cache."""
    if isinstance(function, FunctionType | MethodType):
        return
    for name in dir(function):
        with suppress(Exception):  # a member may refuse to be looked at
            if not name.startswith("_") and not hasattr(made, name) and callable(member := getattr(function, name)):
                setattr(made, name, member)


def _end_of(function: Callable[..., Any]) -> tuple[type[Exception], ...]:
    """By which exceptions a function says that it is through, and not that something broke."""
    is_step = getattr(function, "__name__", None) in ("__next__", "__anext__")
    return (StopIteration, StopAsyncIteration) if is_step else ()


class _Handler(NamedTuple):
    """What a function that may be a Lambda handler calls its event and its context; `at` is the event's place."""

    at: int
    event: str
    context: str

    @classmethod
    def of(cls, function: Callable[..., Any]) -> "_Handler | None":
        """It may be one if it takes the two and no more, behind `self` or `cls`; Lambda gives them by their place."""
        try:
            parameters = [*inspect.signature(function).parameters.values()]
        except (TypeError, ValueError):  # of some functions in C nothing is known
            return None
        at = 1 if parameters and parameters[0].name in ("self", "cls") else 0
        match parameters[at:]:
            case [event, context] if all(each.kind in BY_PLACE and each.default is each.empty for each in parameters):
                return cls(at, event.name, context.name)
        return None

    def invocation(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> AbstractContextManager[Any] | None:
        """The invocation that a call is; None if Lambda does not call, or somebody has opened one before."""
        context = kwargs.get(self.context) if kwargs else args[-1]
        if current_request() is not None or not hasattr(context, "aws_request_id"):
            return None
        return invocation(args[self.at] if len(args) > self.at else kwargs.get(self.event), context)


def _begun(steps: AsyncGenerator[Y, S]) -> Awaitable[Y]:
    """The first step of an async generator within ours: the event loop, at its end, is to close ours and only that."""
    hooks = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(None, None)
    try:
        return anext(steps)
    finally:
        sys.set_asyncgen_hooks(*hooks)


class _ByClass:
    """Names the class of `self` or `cls`; of a static method, the class it is written in."""

    def __init__(self, module: str, owner: str) -> None:
        self._module = module
        self._owner = owner
        self._known: dict[type, str] = {}

    def name(self, args: tuple[Any, ...]) -> str:
        """The name, by a call's positional arguments."""
        try:
            first = args[0]
            return self._known.get(type(first)) or self._of(first)
        except BaseException:  # noqa: BLE001  # no argument, or a metaclass that refuses to be looked at
            return self._written_in()

    def _of(self, first: Any) -> str:  # noqa: ANN401  # whatever stands first
        # type(), not isinstance(): a proxy that says it is a class may be anything.
        kind = first if issubclass(type(first), type) else type(first)
        return self._known.get(kind) or self._learn(kind)

    def _learn(self, kind: type) -> str:
        ours = any((base.__module__, base.__qualname__) == (self._module, self._owner) for base in kind.__mro__)
        name = kind.__name__ if ours else self._written_in()
        if len(self._known) >= MAX_KNOWN_CLASSES:
            self._known.clear()
        if not issubclass(kind, type):  # or its instances, which are classes, would all go by its name
            self._known[kind] = name
        return name

    def _written_in(self) -> str:
        return self._owner.rpartition(".")[2]


class _Inside:
    """Where a generator is in its calls: the current one while its body runs; between yields, the caller's is."""

    def __init__(self, call: Call | None) -> None:
        self._other = call

    def __enter__(self) -> None:
        self._other = resume(self._other)

    def __exit__(self, *_error: object) -> None:
        self._other = resume(self._other)

    async def run(self, step: Awaitable[Y]) -> Y:
        with self:
            return await step
