"""Flat, explicit registries: a name on a plan becomes the one file that implements it.

Our own things are files of a package, named one by one in its `__init__`; other packages add theirs by an entry point
of the registry's group. Nothing is imported before somebody asks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, Protocol, TypeVar

from fibrostage.ground.errors import PlanError, nearest


class Named(Protocol):
    @property
    def name(self) -> str: ...


T = TypeVar("T", bound=Named)


class Registry(Generic[T]):
    """The known things of one kind, by name; duplicate names raise, an unknown name lists the known ones.

    `group` is the entry-point group in which an installed package offers more of them, e.g. "fibrostage.markers".
    """

    def __init__(self, kind: str, items: Iterable[T], group: str | None = None) -> None:
        self.kind, self.group = kind, group
        self._own = items

    @cached_property
    def _found(self) -> dict[str, tuple[T, str]]:
        """Each thing and the package it comes from."""
        found: dict[str, tuple[T, str]] = {}
        for item in self._own:
            if item.name in found:
                raise ValueError(f"two {self.kind}s are named {item.name!r}")
            found[item.name] = item, "fibrostage"
        for point in entry_points(group=self.group) if self.group else ():
            item, package = self._from_outside(point)
            if item.name in found:
                raise PlanError(
                    f"two {self.kind}s are named {item.name!r}: one of {found[item.name][1]}, one of {package}"
                )
            found[item.name] = item, package
        return found

    def _from_outside(self, point: EntryPoint) -> tuple[T, str]:
        package = point.dist.name if point.dist is not None else point.module
        try:
            item: T = point.load()
        except Exception as error:
            raise PlanError(f"the {self.kind} {point.name!r} of package {package} does not load: {error}") from error
        if getattr(item, "name", None) != point.name:
            raise PlanError(f"the {self.kind} {point.name!r} of package {package} has another name of its own")
        return item, package

    def __getitem__(self, name: str) -> T:
        try:
            return self._found[name][0]
        except KeyError:
            hint = nearest(name, self._found)
            known = ", ".join(self._found)
            raise PlanError(f"unknown {self.kind} {name!r}{hint}; known: {known}") from None

    def __contains__(self, name: object) -> bool:
        return name in self._found

    def __iter__(self) -> Iterator[T]:
        return (item for item, _ in self._found.values())

    def names(self) -> list[str]:
        return list(self._found)

    @contextmanager
    def lent(self, item: T) -> Iterator[None]:
        """Knows one more thing while the block runs; raises `PlanError` where its name is taken."""
        if item.name in self._found:
            raise PlanError(f"there is a {self.kind} {item.name!r} already, of {self._found[item.name][1]}")
        self._found[item.name] = item, "this session"
        try:
            yield
        finally:
            del self._found[item.name]

    def package(self, name: str) -> str:
        """The installed package that a thing comes from: ours, or that of a plug-in."""
        self[name]
        return self._found[name][1]


@dataclass(frozen=True)
class InFiles(Iterable[Any]):
    """What each of a package's files calls `attribute`, imported when it is asked for."""

    package: str
    attribute: str
    files: tuple[str, ...]

    def __iter__(self) -> Iterator[Any]:
        return (getattr(import_module(f"{self.package}.{file}"), self.attribute) for file in self.files)
