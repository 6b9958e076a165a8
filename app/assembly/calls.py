"""The sound of calls, built out of settings."""

from collections.abc import Mapping
from functools import partial

from app.calls.audio_files import AudioFiles
from app.calls.echo import Echo
from app.calls.processor import MakeProcessor
from app.calls.recognize import Recognize
from app.calls.speak import Speak
from app.fingerprint.catalogue import Catalogue
from app.fingerprint.hearings import Hearings
from app.runtime.workers import Workers
from app.settings import Settings
from app.tts.synthesizer import Synthesizer


def build_audio_files(settings: Settings, workers: Workers) -> AudioFiles:
    """Return the folder of files that are played and given away."""
    return AudioFiles(settings.audio_files_dir, workers)


def build_processors(synthesizer: Synthesizer, hearings: Hearings, catalogue: Catalogue) -> Mapping[str, MakeProcessor]:
    """Return what may work on a call, by the name by which a client chooses it."""
    return {
        "echo": Echo,
        "recognize": partial(Recognize, hearings, catalogue.find),
        "speak": partial(Speak, synthesizer),
    }
