"""A least-recently-used cache with weights and owners."""

from typing import NamedTuple


class _Entry(NamedTuple):
    owner: str
    weight: int


class LruCache:
    """Keeps numbers, each with a weight and an owner, up to a total weight. It evicts from the owner with the greatest weight."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._entries: dict[int, _Entry] = {}
        self._weights: dict[str, int] = {}
        self._weight = 0

    def __contains__(self, number: int) -> bool:
        return number in self._entries

    def use(self, owner: str, number: int, weight: int) -> list[int]:
        """Keep this number, and return those evicted: the least recently used of the heaviest owner; never this one."""
        entry = self._entries.pop(number, None)
        if entry:
            self._entries[number] = entry  # now the most recently used
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
        """Remove a number, if it is kept."""
        entry = self._entries.pop(number, None)
        if entry:
            self._add(entry.owner, -entry.weight)

    def clear(self) -> None:
        """Remove everything."""
        self._entries.clear()
        self._weights.clear()
        self._weight = 0

    def _add(self, owner: str, weight: int) -> None:
        self._weight += weight
        self._weights[owner] = self._weights.get(owner, 0) + weight
        if not self._weights[owner]:
            del self._weights[owner]
