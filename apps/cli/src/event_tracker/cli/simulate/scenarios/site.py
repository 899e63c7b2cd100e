"""A scenario as a web site: the properties that its page views have, by the person and the visit.

Nothing is random here. What differs between people is dealt by their number, so the shares are known, and no other number of a
scenario changes.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from typing import Any, NamedTuple

PAGE_VIEW = "page_view"

Properties = Mapping[str, Any]


class Share(NamedTuple):
    """What this percentage of some people have."""

    percent: int
    properties: Properties


@dataclass(frozen=True, eq=False)
class Site:
    """A web site.

    Attributes:
        host: its name.
        titles: of its pages.
        clients: browsers and systems, by the trait `device`.
        cities: by the trait `country`.
        arrivals: where somebody comes from at their first visit, by the trait `referrer`.
        returns: where somebody comes from at a later visit.
    """

    host: str
    titles: Mapping[str, str]
    clients: Mapping[str, Sequence[Share]]
    cities: Mapping[str, Sequence[Share]]
    arrivals: Mapping[str | None, Properties]
    returns: Sequence[Share]

    def of_person(self, traits: Mapping[str, str | None], number: int) -> dict[str, Any]:
        """The properties of all events of the person with this number."""
        device, country = str(traits["device"]), str(traits["country"])
        # Numbers of people are dealt their paces in turn, so each property takes another digit of the number.
        return {
            "$device_type": device,
            "$country": country,
            **_of_share(self.clients[device], number),
            **_of_share(self.cities.get(country, ()), number // 7),
        }

    def of_visit(self, traits: Mapping[str, str | None], chance: int, *, is_first: bool) -> Properties:
        """The properties of the page views of a visit. `chance` is one of the visit's own, from 0."""
        arrived = self.arrivals[traits["referrer"]] if is_first else _of_share(self.returns, chance)
        return {"host": self.host, **arrived}

    def of_page(self, page: str) -> Properties:
        """The properties of a view of a page."""
        return {"title": self.titles[page]} if page in self.titles else {}


def _of_share(shares: Sequence[Share], number: int) -> Properties:
    """What a number is dealt: of 100 in a row, each share gets its percentage. The last share gets what is missing to 100 %."""
    if not shares:
        return {}
    slots: Iterator[Properties] = chain.from_iterable(repeat(share.properties, share.percent) for share in shares)
    # 37 has no divisor in common with 100, so neighbours get different shares.
    place = number * 37 % 100
    return next((one for slot, one in enumerate(slots) if slot == place), shares[-1].properties)
