"""Ways of speaking that have a name. Those of one group exclude each other; one of each group may be combined."""

from collections.abc import Mapping, Sequence

from app.errors import InvalidInput
from app.takes.shape import Shape

GROUPS: tuple[Mapping[str, Shape], ...] = (
    {
        "neutral": Shape(),
        "lively": Shape(pitch=1.0, spread=0.5, pace=0.1),
        "cheerful": Shape(pitch=1.5, spread=0.6, pace=0.06, timbre=0.5, tilt=1.0),
        "calm": Shape(pitch=-0.5, spread=-0.3, pace=-0.12),
        "solemn": Shape(pitch=-1.5, spread=-0.5, pace=-0.25, tilt=-1.0),
        "newsreader": Shape(spread=0.15, pace=0.06, tilt=0.5),
    },
    {
        # Vocal effort: louder speech is higher and brighter, not only louder (Lombard; Traunmüller and Eriksson 2000).
        "soft": Shape(pitch=-0.7, tilt=-2.0, volume=-6.0),
        "loud": Shape(pitch=1.5, tilt=1.5, volume=4.0),
    },
)
NAMES = tuple(tuple(group) for group in GROUPS)


def shape_of(style: Sequence[str]) -> Shape:
    """Return what styles do to speech together; none do nothing.

    Raises:
        InvalidInput: there is no such style, or two exclude each other.
    """
    shape, chosen = Shape(), dict[int, str]()
    for name in style:
        number = next((number for number, group in enumerate(GROUPS) if name in group), None)
        if number is None:
            known = ", ".join(name for group in NAMES for name in group)
            raise InvalidInput(f"style '{name}' must be of {known}", field="style")
        if number in chosen:
            raise InvalidInput(f"styles '{chosen[number]}' and '{name}' exclude each other", field="style")
        chosen[number] = name
        shape += GROUPS[number][name]
    return shape
