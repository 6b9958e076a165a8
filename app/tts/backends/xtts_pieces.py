"""Cutting a text so that each part has few enough tokens; what its characters come to, only the tokenizer knows."""

from collections.abc import Callable, Iterator


def fitting(text: str, fits: Callable[[str], bool]) -> Iterator[str]:
    """Yield parts of the text that fit and join to all of it: halves, halved again, cut at a space where one is near.

    A single character that does not fit is yielded all the same.
    """
    if len(text) < 2 or fits(text):
        yield text
        return
    middle = len(text) // 2
    space = text.rfind(" ", middle // 2, middle + middle // 2)
    cut = space + 1 or middle
    yield from fitting(text[:cut], fits)
    yield from fitting(text[cut:], fits)
