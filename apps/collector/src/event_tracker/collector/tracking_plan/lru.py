"""Which of many things are kept: those used last."""

from typing import NamedTuple


class _Held(NamedTuple):
    owner: str
    weight: int


class LruCache:
    """Numbers of things that weigh something, up to a weight together. What one owner has many of gives way to that of others."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held: dict[int, _Held] = {}
        self._weights: dict[str, int] = {}
        self._weight = 0

    def __contains__(self, number: int) -> bool:
        return number in self._held

    def use(self, owner: str, number: int, weight: int) -> list[int]:
        """Keep this one. What gives way: of the owner who has most, the least lately used; never this one."""
        held = self._held.pop(number, None)
        if held:
            self._held[number] = held  # the last one now
            return []
        self._held[number] = _Held(owner, weight)
        self._add(owner, weight)
        given_way = []
        while self._weight > self._most and len(self._held) > 1:
            owners = {held.owner for one, held in self._held.items() if one != number}
            heaviest = max(owners, key=self._weights.__getitem__)
            oldest = next(one for one, held in self._held.items() if held.owner == heaviest)
            self.drop(oldest)
            given_way.append(oldest)
        return given_way

    def drop(self, number: int) -> None:
        """Keep it no longer, if it was kept."""
        held = self._held.pop(number, None)
        if held:
            self._add(held.owner, -held.weight)

    def clear(self) -> None:
        """Keep nothing any more."""
        self._held.clear()
        self._weights.clear()
        self._weight = 0

    def _add(self, owner: str, weight: int) -> None:
        self._weight += weight
        self._weights[owner] = self._weights.get(owner, 0) + weight
        if not self._weights[owner]:
            del self._weights[owner]
