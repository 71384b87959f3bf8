"""Attributes that are computed on first use, without a lock.

functools.cached_property of Python 3.11 holds a lock of its class while it computes. A report that
waits in one for its tasks, and a task of another report that waits for the lock, wait for ever.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload

T = TypeVar("T")


class cached_property(Generic[T]):  # noqa: N801 - a decorator, named as that of functools
    """A method whose result becomes an attribute of the instance.

    Two threads may both compute it; their results are the same.
    """

    def __init__(self, function: Callable[[Any], T]) -> None:
        self.function = function
        self.__doc__ = function.__doc__
        self.name = function.__name__

    @overload
    def __get__(self, instance: None, owner: type[Any]) -> cached_property[T]: ...
    @overload
    def __get__(self, instance: object, owner: type[Any]) -> T: ...
    def __get__(self, instance: object | None, owner: type[Any]) -> cached_property[T] | T:
        """Compute the value; later reads find it in the instance and do not come here."""
        if instance is None:
            return self
        return instance.__dict__.setdefault(self.name, self.function(instance))  # type: ignore[no-any-return]
