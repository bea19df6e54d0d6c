"""Where theory meets data and models: verification, curves, figures, the command line."""
