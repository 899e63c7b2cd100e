"""Which of many things are kept: those used last."""

from typing import NamedTuple


class _Entry(NamedTuple):
    owner: str
    weight: int


class LruCache:
    """Numbers of things that weigh something, up to a weight together. What one owner has many of gives way to that of others."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._entries: dict[int, _Entry] = {}
        self._weights: dict[str, int] = {}
        self._weight = 0

    def __contains__(self, number: int) -> bool:
        return number in self._entries

    def use(self, owner: str, number: int, weight: int) -> list[int]:
        """Keep this one. What gives way: of the owner who has most, the least lately used; never this one."""
        entry = self._entries.pop(number, None)
        if entry:
            self._entries[number] = entry  # the last one now
            return []
        self._entries[number] = _Entry(owner, weight)
        self._add(owner, weight)
        evicted = []
        while self._weight > self._most and len(self._entries) > 1:
            owners = {entry.owner for one, entry in self._entries.items() if one != number}
            heaviest = max(owners, key=self._weights.__getitem__)
            oldest = next(one for one, entry in self._entries.items() if entry.owner == heaviest)
            self.drop(oldest)
            evicted.append(oldest)
        return evicted

    def drop(self, number: int) -> None:
        """Keep it no longer, if it was kept."""
        entry = self._entries.pop(number, None)
        if entry:
            self._add(entry.owner, -entry.weight)

    def clear(self) -> None:
        """Keep nothing any more."""
        self._entries.clear()
        self._weights.clear()
        self._weight = 0

    def _add(self, owner: str, weight: int) -> None:
        self._weight += weight
        self._weights[owner] = self._weights.get(owner, 0) + weight
        if not self._weights[owner]:
            del self._weights[owner]
