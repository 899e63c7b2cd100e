"""What a run does, and for how long."""

from dataclasses import dataclass
from random import Random

from .faults import FAULTS, GENTLE_FAULTS


@dataclass(frozen=True)
class Plan:
    """One run. The seed fixes every choice, but not how the processes interleave.

    Attributes:
        seconds: of chaos; setting up and the checks at the end come on top.
        clients: threads that send events without pause; erasing and filling months have threads of their own.
        moves_months: whether months are filled while the run goes on, so that `tracker maintain` moves them to partitions.
        drops_months: whether events that are too old are sent, and `tracker maintain --keep` deletes them.
        erases_under_load: whether a user's events go on being sent while the user is erased.
        awaits_rejections: whether users are erased only when what was refused of theirs is seen to be kept.
        questions: how many random ones are asked at the end.
    """

    seed: int
    seconds: float = 150
    collectors: int = 2
    clients: int = 3
    moves_months: bool = True
    drops_months: bool = True
    erases_under_load: bool = True
    awaits_rejections: bool = False
    faults: tuple[str, ...] = tuple(FAULTS)
    questions: int = 60

    def random(self, name: str) -> Random:
        """The source of choices of one part of the run."""
        return Random(f"{self.seed} {name}")


def gentle(seed: int, seconds: float) -> Plan:
    """For a slow machine that has other things to do."""
    return Plan(
        seed,
        seconds,
        clients=2,
        faults=GENTLE_FAULTS,
        questions=20,
    )
