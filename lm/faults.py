"""What ends a training or the reading of one, said in one line; light to import, so that a program can name them."""


class CheckpointError(Exception):
    """A checkpoint that cannot be written or read; one line that says which and why."""


class TrainingStopped(Exception):
    """Training cannot go on; the last good state is kept. One line says why, and what to do."""
