"""Ours beside other libraries, task by task; ``compare`` times in turns, in CPU seconds, and checks that they agree."""
