"""Numbers in words, as a sentence has them."""


def counted(count: int, noun: str) -> str:
    """1 concept, 2 concepts, 50,257 tokens.

    Args:
        count: how many.
        noun: in the singular.

    Returns:
        Words, the number with commas.
    """
    return f"{count:,} {noun}" + ("s" if count != 1 else "")


def sizes(concepts: int, states: int, tokens: int) -> str:
    """5 concepts, 100 states, 1 token.

    Args:
        concepts: C.
        states: H.
        tokens: V.

    Returns:
        Words.
    """
    return ", ".join((counted(concepts, "concept"), counted(states, "state"), counted(tokens, "token")))


def cpu_time(seconds: float) -> str:
    """6 CPU seconds, 12 CPU minutes.

    Returns:
        Words; minutes from 100 seconds upwards.
    """
    return f"{seconds:.0f} CPU seconds" if seconds < 100 else f"{seconds / 60:.0f} CPU minutes"
