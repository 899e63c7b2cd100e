"""The side-by-side benchmark: this project and others on one machine, in one run, on one PostgreSQL. See README.md."""

import sys
from pathlib import Path

BENCH = Path(__file__).parent
ROOT = BENCH.parent

sys.path.append(str(ROOT / "tests" / "support"))  # what starts Kafka is the tests'
