"""Who reads what next: items in the order they are wanted, none to two readers by accident, some twice on purpose."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from fibrostage.ledger.state import Reading, State

APART = 5  # readings of others between an item and its repetition


def next_item(
    state: State,
    who: str,
    readers: int,
    repeats: float,
    leased: Mapping[int, Collection[str]],
    skipped: Collection[int] = (),
) -> int | None:
    """The item that a reader is given next, or None where nothing more waits for this reader.

    A repetition comes first where one is due; then, in the order of asking, whatever fewer than `readers` have read,
    counting those who have it open (`leased`, by item), and this reader neither has read nor has open. What was
    `skipped` comes last.
    """
    mine = {item for item, holders in leased.items() if who in holders}
    again = repetition(state, who, repeats)
    if again is not None and again not in mine:
        return again
    waiting = [item for item in wanted(state, readers, leased) if item not in mine and not read_by(state, item, who)]
    return min(waiting, key=lambda item: item in skipped, default=None)


def wanted(state: State, readers: int, leased: Mapping[int, Collection[str]]) -> list[int]:
    """Items that were asked for and need another reader, in the order of asking."""
    items = dict.fromkeys(item for query in state.issued for item in query.items)
    return [
        item
        for item in items
        if item not in state.settled
        and (item in state.pending or item in state.readings)
        and len(readers_of(state, item).union(leased.get(item, ()))) < readers
    ]


def readers_of(state: State, item: int) -> set[str]:
    """Who has read an item."""
    return {reading.who for reading in state.readings.get(item, ())}


def read_by(state: State, item: int, who: str) -> bool:
    """Whether somebody has read an item."""
    return who in readers_of(state, item)


def readings_of(state: State, who: str) -> list[tuple[int, Reading]]:
    """Everything that a reader said and did not take back, with its item, in order."""
    own = [(item, each) for item, readings in state.readings.items() for each in readings if each.who == who]
    return sorted(own, key=lambda pair: pair[1].seq)


def repetition(state: State, who: str, share: float) -> int | None:
    """An item that the reader is to read a second time, where so large a share is due and one lies far enough back."""
    own = [item for item, _ in readings_of(state, who)]
    twice = {item for item in own if own.count(item) > 1}
    first = list(dict.fromkeys(own))
    if not share or len(twice) >= int(share * len(first)):
        return None
    recent = set(own[-APART:])
    candidates = [item for item in first if item not in twice and item not in recent]
    return candidates[0] if candidates else None
