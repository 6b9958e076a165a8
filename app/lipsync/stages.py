"""All that is to be ready before a portrait can speak: who draws it, and what of its picture or film."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from app.errors import DeadlineExceeded
from app.lipsync.clip import Order
from app.lipsync.engine import Performance
from app.lipsync.engines import Engines
from app.lipsync.errands import Errands
from app.lipsync.film.faces import Cast
from app.lipsync.portraits import Portraits, Posed, Sitter
from app.lipsync.speeds import Speeds


@dataclass(frozen=True, slots=True)
class Stage:
    """One order that is ready to be drawn."""

    performance: Performance
    model_used: str
    fallback_reason: str | None
    pace: str
    """By which name `Speeds` knows how fast it is drawn."""
    size: tuple[int, int]
    """Width and height, pixels."""
    faces: int
    """In the picture, or in the film's first with any."""
    is_rough: bool
    posed: Posed | None
    """What is to be kept for the next one."""


class Stages:
    """Makes orders ready. Used by many threads.

    Args:
        engines: who can draw.
        portraits: finds faces, and keeps what was found.
        speeds: what is known of how fast this machine draws.
        max_film_seconds: that a film may last.
        at_once: orders that are made ready at the same time.
    """

    def __init__(
        self, engines: Engines, portraits: Portraits, speeds: Speeds, *, max_film_seconds: float, at_once: int
    ) -> None:
        self._engines, self._portraits, self._speeds = engines, portraits, speeds
        self._max_film_seconds = max_film_seconds
        self._errands = Errands(at_once)

    def prepare(self, order: Order, expected: int | None, left: Callable[[], float], stop: threading.Event) -> Stage:
        """Load who draws, and look at the picture or the film: for seconds, when it is the first. Blocks.

        Args:
            order: what is asked.
            expected: frames of the video, if they are known.
            left: returns the seconds until it has to be drawn.
            stop: whether it is not wanted any more.

        Raises:
            InvalidInput: one of its subclasses, for a picture, a film, a face or the model.
            Unavailable: a film, and nobody who can draw in films.
            DeadlineExceeded: it cannot be drawn in the time that is left.
            Stopped: the event was set.
        """
        ready = self._filmed if order.video is not None else self._sitting
        return self._errands.run(lambda: ready(order, expected, left, stop), stop, unwanted=self.give_back)

    def give_back(self, stage: Stage) -> None:
        """Keep what was prepared for the next one."""
        if stage.posed is not None:
            self._portraits.give_back(stage.posed)

    def _sitting(self, order: Order, expected: int | None, left: Callable[[], float], stop: threading.Event) -> Stage:
        chosen = self._engines.choose(order.model)
        sitter: Sitter = self._portraits.look_at(order, stop)
        name = chosen.engine.name
        self._refuse_what_is_late(name, sitter.size, expected, left())
        posed = self._portraits.pose(sitter, chosen.engine, order)
        performance = posed.portrait.perform(order)
        return Stage(
            performance, name, chosen.fallback_reason, name, sitter.size, len(sitter.faces), posed.face.is_rough, posed
        )

    def _filmed(self, order: Order, expected: int | None, left: Callable[[], float], stop: threading.Event) -> Stage:
        engine = self._engines.choose_for_film(order.model)
        known: Cast = self._portraits.watch(order, self._max_film_seconds, stop)
        name, pace, size = engine.name, f"{engine.name} in films", known.film.size
        self._refuse_what_is_late(pace, size, expected, left())
        performance = engine.film(known, self._portraits.finder, order)
        return Stage(performance, name, None, pace, size, len(known.faces), known.face.is_rough, None)

    def _refuse_what_is_late(self, pace: str, size: tuple[int, int], expected: int | None, left: float) -> None:
        width, height = size
        each = self._speeds.predict(pace, pixels=width * height)
        if each is not None and expected is not None and each * expected > left:
            raise DeadlineExceeded(
                f"{expected} frames of {width} x {height} would take {pace} {each * expected:.0f} s here "
                f"({1 / each:.0f} frames/s); {left:.0f} s are left"
            )
