"""Behind ``train``: ``setup`` makes a run, ``records`` reads it back, ``cards`` measures shipped weights."""
