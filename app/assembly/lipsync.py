"""Talking portraits, built out of settings."""

import os
from functools import partial

from app.assembly.portrait_figures import PortraitFigures
from app.assembly.speaker import SynthesizedSpeaker
from app.lipsync.album import Album
from app.lipsync.atelier import Atelier
from app.lipsync.engines import engines_of
from app.lipsync.faces import face_alignment, model_file
from app.lipsync.faces.face import FaceFinder
from app.lipsync.faces.face_alignment import FaceAlignmentFinder
from app.lipsync.faces.finder import Finder
from app.lipsync.faces.late_finder import LateFinder
from app.lipsync.portraits import Portraits
from app.lipsync.renderer import Limits, Renderer
from app.runtime.queue import WaitingLine
from app.runtime.workers import Workers
from app.settings import Settings
from app.tts.synthesizer import Synthesizer

FACES = "faces"
"""Folder of the models that find faces, within MODELS_DIR."""
MOST_AT_ONCE = 4


def portraits_at_once(settings: Settings) -> int:
    """Return how many portraits are drawn at the same time."""
    return settings.lipsync_at_once or min(os.cpu_count() or 1, MOST_AT_ONCE)


def build_finder(settings: Settings) -> FaceFinder:
    """Return what finds faces.

    Raises:
        Unavailable: it is to be face-alignment, which lacks its package or weights.
        Corrupt: its weights are damaged.
    """
    folder = settings.models_dir / FACES
    if settings.lipsync_faces == "mesh":
        return Finder(folder)
    return Finder(folder, first=FaceAlignmentFinder(folder, device=settings.lipsync_device))


def faces_trouble(settings: Settings) -> str | None:
    """Tell why faces are found roughly, or not at all; None: they are found well. Looks for the files."""
    folder = settings.models_dir / FACES
    lacking = [face_alignment.missing(folder)] if settings.lipsync_faces == "face-alignment" else []
    return "; ".join(trouble for trouble in [*lacking, model_file.missing(folder)] if trouble) or None


def build_atelier(settings: Settings, synthesizer: Synthesizer, workers: Workers, figures: PortraitFigures) -> Atelier:
    """Return what lets pictures speak; models are loaded when they are first wanted. `figures` are told all ends."""
    portraits = Portraits(LateFinder(partial(build_finder, settings)), cache_bytes=settings.lipsync_cache_bytes)
    renderer = Renderer(
        engines_of(settings.models_dir, device=settings.lipsync_device),
        portraits,
        workers,
        line=WaitingLine(concurrency=portraits_at_once(settings), depth=settings.lipsync_max_waiting),
        limits=Limits(
            timeout=settings.lipsync_timeout_seconds,
            max_seconds=settings.lipsync_max_seconds,
            max_audio_bytes=settings.lipsync_max_audio_bytes,
            max_film_seconds=settings.lipsync_max_video_seconds,
        ),
    )
    return Atelier(
        renderer,
        portraits,
        Album(max_bytes=settings.lipsync_album_bytes),
        SynthesizedSpeaker(synthesizer),
        workers,
        timeout=settings.lipsync_timeout_seconds,
        on_end=figures.ended,
        faces_trouble=partial(faces_trouble, settings),
    )
