"""Flat, explicit registries: a name on a plan becomes the one file that implements it.

Our own things are files of a package, named one by one in its `__init__`; other packages add theirs by an entry point
of the registry's group. Nothing is imported before somebody asks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
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


@dataclass(frozen=True)
class BrokenPlugin:
    """A thing that an installed package offers and that cannot be used, and why."""

    kind: str
    name: str
    package: str
    why: str

    def __str__(self) -> str:
        return f"the {self.kind} {self.name!r} of package {self.package} {self.why}"


class Registry(Generic[T]):
    """The known things of one kind, by name; two of ours of one name raise, an unknown name lists the known ones.

    `group` is the entry-point group in which an installed package offers more of them, e.g. "fibrostage.markers". What
    such a package gets wrong stops nothing but its own thing: it is kept in `broken`, and said where it is asked for.
    `refuses` says why a thing does not go with those before it, or nothing.
    """

    def __init__(
        self,
        kind: str,
        items: Iterable[T],
        group: str | None = None,
        refuses: Callable[[T, Iterable[T]], str] | None = None,
    ) -> None:
        self.kind, self.group = kind, group
        self._own, self._refuses = items, refuses
        self._broken: dict[str, BrokenPlugin] = {}

    @cached_property
    def _found(self) -> dict[str, tuple[T, str]]:
        """Each thing and the package it comes from."""
        found: dict[str, tuple[T, str]] = {}
        for own in self._own:
            if own.name in found:
                raise ValueError(f"two {self.kind}s are named {own.name!r}")
            found[own.name] = own, "fibrostage"
        kinds = tuple({type(item) for item, _ in found.values()})
        for point in entry_points(group=self.group) if self.group else ():
            package = point.dist.name if point.dist is not None else point.module
            try:
                item: T = point.load()
                why = self._wrong(point, item, kinds, found)
            except (Exception, SystemExit) as error:
                why = f"does not load: {error}"
            if why:
                self._broken[point.name] = BrokenPlugin(self.kind, point.name, package, why)
            else:
                found[point.name] = item, package
        return found

    def _wrong(self, point: EntryPoint, item: T, kinds: tuple[type, ...], found: dict[str, tuple[T, str]]) -> str:
        """What is wrong with another package's thing; nothing where it will do."""
        if kinds and not isinstance(item, kinds):
            return f"is no {self.kind}"
        if getattr(item, "name", None) != point.name:
            return "has another name of its own"
        if point.name in found:
            return f"is left out: there is a {self.kind} of that name already, of {found[point.name][1]}"
        return self._refusal(item, found)

    def _refusal(self, item: T, found: dict[str, tuple[T, str]]) -> str:
        return "" if self._refuses is None else self._refuses(item, [one for one, _ in found.values()])

    @property
    def broken(self) -> tuple[BrokenPlugin, ...]:
        """What installed packages offer and cannot be used."""
        self.names()
        return tuple(self._broken.values())

    def leave_out(self, name: str, why: str) -> None:
        """Takes out what turned out to be unusable when it was first used; it is kept in `broken` from then on."""
        _, package = self._found.pop(name)
        self._broken[name] = BrokenPlugin(self.kind, name, package, why)

    def __getitem__(self, name: str) -> T:
        try:
            return self._found[name][0]
        except KeyError:
            if name in self._broken:
                raise PlanError(f"{self._broken[name]}; mend or uninstall {self._broken[name].package}") from None
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
        if why := self._refusal(item, self._found):
            raise PlanError(f"the {self.kind} {item.name!r} {why}")
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
