"""`make chaos`: exits with 1 if anything was found to be wrong, and says what, and with which seed."""

import argparse
import random
import signal
import sys
import traceback

from .plan import Plan, gentle
from .report import MAX_CHARACTERS, Report
from .run import run


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--seed", type=int, help="by default another one each time; it is printed")
    parser.add_argument("--seconds", type=float, default=150, help="how long things are broken")
    parser.add_argument("--gentle", action="store_true", help="what the tests run: less at once, and less broken")
    return parser.parse_args()


def main() -> int:
    options = read_options()
    # A SIGTERM ends it as Ctrl-C does: services and server are stopped on the way out.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    seed = random.SystemRandom().randrange(100_000) if options.seed is None else options.seed
    print(f"seed {seed}", flush=True)
    report = Report()
    plan = gentle(seed, options.seconds) if options.gentle else Plan(seed, options.seconds)
    try:
        run(plan, report)
    except KeyboardInterrupt:
        return 130
    except Exception:  # whatever it is, what was found by then is said as well
        report.find("the run itself broke", traceback.format_exc()[-MAX_CHARACTERS:])
    print(f"\ndone: {report.summary()}")
    report.print_findings()
    print(f"\n{'FAILED' if report.findings else 'nothing wrong'}: seed {seed}, {options.seconds:.0f} s", flush=True)
    return 1 if report.findings else 0


if __name__ == "__main__":
    sys.exit(main())
