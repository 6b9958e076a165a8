"""A process that does nothing but merge: an index with one track more each time, whose generation it says then."""

import sys
from pathlib import Path

from app.fingerprint.index import Index
from tests.fingerprint.indexes import track


def main() -> None:
    index = Index(Path(sys.argv[1]))
    while True:
        generation = index.generation + 1
        index.add(generation, track(generation))
        index.reached(generation)
        assert index.merge()
        print(generation, flush=True)


if __name__ == "__main__":
    main()
