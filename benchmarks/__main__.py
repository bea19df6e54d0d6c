"""``python -m benchmarks`` is the console script ``implicit-bayes``."""

from benchmarks.cli import main

if __name__ == "__main__":
    main()
