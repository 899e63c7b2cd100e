"""Fuzz one target with atheris, guided by coverage: python tests/fuzz TARGET SECONDS. Exits with 0 if nothing was found.

What it tried stays in .fuzz/TARGET/corpus and is where the next run starts; what broke is .fuzz/TARGET/crash-*, and
`python tests/fuzz TARGET 0 FILE` tries it again.
"""

import sys
from pathlib import Path

import atheris
from seeds import SEEDS, WORDS

with atheris.instrument_imports(include=["event_tracker", "json", "base64", "marshmallow", "urllib"]):
    import targets

ROOT = Path(__file__).parents[2]
MAX_BYTES = 20_000
SLOW_SECONDS = 5
"""A single input that takes longer is a finding: a request of its size would hold up all others."""


def main(name: str, seconds: str, *files: str) -> None:
    """Never returns: libFuzzer ends the process."""
    folder = ROOT / ".fuzz" / name
    corpus = folder / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(SEEDS[name]):
        (corpus / f"seed-{number}").write_bytes(seed)
    words = folder / "words"
    words.write_text("".join(f'"{escaped(word)}"\n' for word in WORDS))
    options = [
        f"-max_total_time={seconds}",
        f"-max_len={MAX_BYTES}",
        f"-timeout={SLOW_SECONDS}",
        f"-dict={words}",
        f"-artifact_prefix={folder}/",
        "-print_final_stats=1",
        "-verbosity=0",
    ]
    atheris.Setup([sys.argv[0], *options, *(files or [str(corpus)])], targets.TARGETS[name])
    atheris.Fuzz()


def escaped(word: bytes) -> str:
    """As libFuzzer's dictionaries want it."""
    return "".join(f"\\x{byte:02x}" for byte in word)


if __name__ == "__main__":
    main(*sys.argv[1:])
