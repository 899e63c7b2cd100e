"""Names of simulated users. Faker fills pools once: calling it for each user would take a hundred times as long."""

from faker import Faker

POOL = 997
"""The size of a pool. It is prime, so that values which a user's number selects from several pools don't correlate."""


class FakeNames:
    """First and last names that need no quoting in a shell or a URL; the same for the same seed."""

    def __init__(self, seed: int) -> None:
        fake = Faker("en_US", use_weighting=False)
        fake.seed_instance(seed)
        self._first = [_letters(fake.first_name()) for _ in range(POOL)]
        self._last = [_letters(fake.last_name()) for _ in range(POOL)]

    def of(self, number: int) -> str:
        """The name of a user. Many users have the same name, so the caller must add a number."""
        return f"{self._first[number % POOL]}-{self._last[number * 31 % POOL]}"


def _letters(name: str) -> str:
    return "".join(filter(str.isalpha, name)).lower()
