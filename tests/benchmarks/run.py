"""`make bench`: puts `tests/` on the path and hands over to `benchmarks.bench`, so that it runs as a plain script."""

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from benchmarks.bench import main

    sys.exit(main())
