"""Flat, explicit registries: a name on a plan becomes the one file that implements it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Generic, Protocol, TypeVar

from fibrostage.ground.errors import PlanError, nearest


class Named(Protocol):
    @property
    def name(self) -> str: ...


T = TypeVar("T", bound=Named)


class Registry(Generic[T]):
    """The known things of one kind, by name; duplicate names raise, an unknown name lists the known ones."""

    def __init__(self, kind: str, items: Iterable[T]) -> None:
        self.kind = kind
        self._items: dict[str, T] = {}
        for item in items:
            if item.name in self._items:
                raise ValueError(f"two {kind}s are named {item.name!r}")
            self._items[item.name] = item

    def __getitem__(self, name: str) -> T:
        try:
            return self._items[name]
        except KeyError:
            hint = nearest(name, self._items)
            known = ", ".join(self._items)
            raise PlanError(f"unknown {self.kind} {name!r}{hint}; known: {known}") from None

    def __iter__(self) -> Iterator[T]:
        return iter(self._items.values())

    def names(self) -> list[str]:
        return list(self._items)
