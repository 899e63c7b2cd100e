"""Simulated users of a shop, and their visits. The same seed and number of users give the same visits.

Faker fills pools once, as in `event_tracker.cli.simulate.fake_names`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate
from random import Random
from typing import Any

from faker import Faker

from event_tracker.cli.simulate.fake_names import POOL, FakeNames
from event_tracker.cli.simulate.scenarios.businesses.shop import shop
from event_tracker.cli.simulate.scenarios.businesses.shop_site import site

LEAVE = "leave"

NEXT: dict[str, dict[str, int]] = {
    "page_view": {"page_view": 30, "search": 20, "product_view": 25, "login": 5, LEAVE: 20},
    "search": {"product_view": 60, "search": 15, "page_view": 10, LEAVE: 15},
    "product_view": {"product_view": 25, "add_to_cart": 20, "search": 10, "page_view": 20, LEAVE: 25},
    "add_to_cart": {"checkout": 45, "product_view": 25, "page_view": 10, LEAVE: 20},
    "checkout": {"purchase": 75, "page_view": 5, LEAVE: 20},
    "purchase": {"page_view": 25, "logout": 15, LEAVE: 60},
    "login": {"page_view": 50, "search": 25, "product_view": 20, "logout": 5},
    "logout": {LEAVE: 1},
}
"""For each event type, the next ones and their percentages. A visit begins with a page_view."""

STEPS = {event: (list(following), list(accumulate(following.values()))) for event, following in NEXT.items()}

LATE_SHARE = 0.03
"""The share of visits that are made while the device is offline, and reported hours later."""

LATE_SECONDS = (600.0, 6 * 3600.0)
MEAN_PAUSE_SECONDS = 25.0


TRAITS = {trait.name: trait.percents for trait in (*shop.everywhere, shop.on_arrival)}
"""What the people of the scenario shop have, with percentages. `tracker up --demo` shows both, so they must be alike."""

FIRST_SHARE = 0.4
"""The share of visits that come from where a first visit does; the others come as those of people who come back."""


@dataclass(frozen=True, slots=True)
class Visit:
    """One session of one user.

    Attributes:
        late_by: seconds from its events to their report; 0 for most visits.
        steps: types and properties of its events, in order.
    """

    user_id: str
    session_id: str
    late_by: float
    steps: Iterator[tuple[str, dict[str, Any]]]


class FakeShop:
    """The shop, its users, and the random numbers for them."""

    def __init__(self, seed: int, users: int) -> None:
        self.users = users
        self.random = Random(f"{seed} {users}")  # noqa: S311  # simulated people need no secrets
        fake = Faker("en_US", use_weighting=False)
        fake.seed_instance(seed)
        self.names = FakeNames(seed)
        self.pages = list(site.titles)
        self.terms = [f"{fake.color_name().lower()} {fake.word()}" for _ in range(300)]
        self.products = [(f"{fake.word()}-{number}", self.random.randrange(199, 29_900)) for number in range(500)]
        self.traits = {name: self._pool(percents) for name, percents in TRAITS.items()}

    def _pool(self, percents: Mapping[str | None, int]) -> list[str | None]:
        return self.random.choices(list(percents), list(percents.values()), k=POOL)

    def user_id(self, number: int) -> str:
        """The name of a user: number 0 is the most active one."""
        return f"{self.names.of(number)}-{number}"

    def visit(self, moment: float) -> Visit:
        """A random user's visit at this time. User n visits with a probability proportional to 1/n: few are very active."""
        number = int((self.users + 1) ** self.random.random()) - 1
        late = self.random.random() < LATE_SHARE
        late_by = self.random.uniform(*LATE_SECONDS) if late else 0.0
        # The time is in it because each run has the same random numbers: a second live run would repeat the session ids.
        session_id = f"{int(moment):08x}{self.random.getrandbits(32):08x}"
        return Visit(self.user_id(number), session_id, late_by, self._steps(number))

    def _steps(self, number: int) -> Iterator[tuple[str, dict[str, Any]]]:
        traits = {
            "device": self.traits["device"][number % POOL],
            "country": self.traits["country"][number * 13 % POOL],
            "referrer": self.random.choice(self.traits["referrer"]),
        }
        person = site.of_person(traits, number)
        person |= {"device": traits["device"], "country": traits["country"], "browser": person["$browser"]}
        is_first = self.random.random() < FIRST_SHARE
        came = site.of_visit(traits, self.random.randrange(100), is_first=is_first)
        arrived = {"referrer": traits["referrer"]} if is_first and traits["referrer"] else {}
        product, cents = self.random.choice(self.products)
        step = "page_view"
        while step != LEAVE:
            if step == "product_view":
                product, cents = self.random.choice(self.products)
            viewed = came if step == "page_view" else {}
            yield step, {**person, **viewed, **arrived, **self._about(step, product, cents)}
            arrived = {}
            following, weights = STEPS[step]
            (step,) = self.random.choices(following, cum_weights=weights)

    def _about(self, step: str, product: str, cents: int) -> dict[str, Any]:
        match step:
            case "page_view":
                page = self.random.choice(self.pages)
                return {"page": page, **site.of_page(page)}
            case "search":
                return {"query": self.random.choice(self.terms)}
            case "product_view" | "add_to_cart" | "checkout":
                return {"product": product, "price": cents / 100}
            case "purchase":
                return {"product": product, "amount": cents / 100, "currency": "EUR"}
            case _:
                return {}
