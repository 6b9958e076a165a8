"""The speech engine, built out of settings: the only file that names concrete backends."""

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from app.assembly.speech_figures import SpeechFigures
from app.errors import InvalidInput
from app.runtime.workers import Workers
from app.settings import Settings
from app.tts.backend import Backend
from app.tts.backends.edge import Edge
from app.tts.backends.espeak import Espeak
from app.tts.backends.kokoro import Kokoro
from app.tts.backends.piper import Piper
from app.tts.backends.tone import Tone
from app.tts.backends.xtts import Xtts
from app.tts.cache import SpeechCache
from app.tts.disk_cache import DiskCache
from app.tts.genders import gender_of, is_male
from app.tts.kana import find_reader
from app.tts.leveler import Leveler
from app.tts.synthesizer import Synthesizer

MAX_VOICE_PROCESSES = 4
EDGE_START_SECONDS = 0.5  # a server without the internet must not wait for it

BACKENDS: Mapping[str, Callable[[Settings], Backend]] = {
    "espeak": lambda settings: Espeak(
        workers=settings.tts_workers or min(os.cpu_count() or 1, MAX_VOICE_PROCESSES),
        words_per_minute=settings.tts_words_per_minute,
        max_seconds=settings.tts_max_speech_seconds,
        to_kana=find_reader(),
    ),
    "edge": lambda settings: Edge(
        data_dir=settings.data_dir,
        proxy=settings.edge_proxy or None,
        ca_file=Path(settings.edge_ca_file) if settings.edge_ca_file else None,
        pace=settings.edge_pace,
        concurrency=settings.edge_connections,
        max_seconds=settings.tts_max_speech_seconds,
        start_timeout=EDGE_START_SECONDS,
    ),
    "piper": lambda settings: Piper(
        settings.models_dir,
        url=settings.piper_url,
        workers=settings.piper_workers,
        voices_in_memory=settings.piper_voices_in_memory,
        max_seconds=settings.tts_max_speech_seconds,
        gender_of=gender_of,
    ),
    "kokoro": lambda settings: Kokoro(
        settings.models_dir,
        model=settings.kokoro_model,
        workers=settings.kokoro_workers,
        max_seconds=settings.tts_max_speech_seconds,
        gender_of=gender_of,
    ),
    "xtts": lambda settings: Xtts(
        settings.models_dir / "xtts",
        agreed=settings.coqui_tos_agreed,
        device=settings.xtts_device,
        python=settings.xtts_python or sys.executable,
        threads=settings.xtts_threads,
        max_seconds=settings.tts_max_speech_seconds,
        is_male=is_male,
    ),
    "tone": lambda settings: Tone(),
}
"""Every speech backend that TTS_BACKENDS may name; `tone` beeps, for tests."""


def build_synthesizer(settings: Settings, workers: Workers, figures: SpeechFigures) -> Synthesizer:
    """Return the engine with the backends that the settings name; `figures` are told what it does.

    Raises:
        InvalidInput: there is no such backend.
    """
    return Synthesizer(
        [_backend(name, settings) for name in settings.tts_backends],
        workers=workers,
        cache=SpeechCache(
            max_bytes=settings.tts_cache_bytes, max_age=settings.tts_cache_seconds, on_lookup=figures.looked_up
        ),
        disk=DiskCache(
            settings.data_dir / "cache" / "speech",
            workers=workers,
            max_bytes=settings.tts_disk_cache_bytes,
            max_age=settings.tts_disk_cache_seconds,
            variant=(settings.tts_loudness_lufs, settings.edge_pace),
            on_lookup=figures.looked_up_on_disk,
        ),
        queue_depth=settings.tts_queue_depth,
        default_backend=settings.tts_default_backend,
        default_language=settings.tts_default_language,
        handover_seconds=settings.tts_handover_seconds,
        catch_up=settings.tts_catch_up,
        leveler=Leveler(target_lufs=settings.tts_loudness_lufs, workers=workers),
        on_job=figures.job_ended,
        on_first_audio=figures.statistics.first_audio,
    )


def _backend(name: str, settings: Settings) -> Backend:
    if name not in BACKENDS:
        raise InvalidInput(f"TTS_BACKENDS names '{name}', must be of {', '.join(BACKENDS)}", field="TTS_BACKENDS")
    return BACKENDS[name](settings)
