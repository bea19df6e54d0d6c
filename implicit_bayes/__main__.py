"""``python -m implicit_bayes`` is the console script ``implicit-bayes``."""

from implicit_bayes.benchmarks.cli.process import main

if __name__ == "__main__":
    main()
