"""Speaks with coqui-tts alone, for `bench_backends.py`: each line of standard input is answered by its first sound.

    PYTHON_WITH_COQUI_TTS scripts/bare_xtts.py FOLDER

FOLDER holds a model and its `speakers_xtts.pth`. Answers `ready` when it is loaded, then the seconds until the first
chunk of a streamed inference is samples in memory, as the library's documentation of streaming measures them.
"""

import os
import sys
import time
from pathlib import Path

from TTS.tts.configs.xtts_config import XttsConfig
from TTS.tts.models.xtts import Xtts


def load(folder: Path) -> Xtts:
    config = XttsConfig()
    config.load_json(str(folder / "config.json"))
    network = Xtts(config)
    network.load_checkpoint(config, checkpoint_dir=str(folder), eval=True)
    return network


def first_sound(network: Xtts, text: str) -> float:
    latents = next(iter(network.speaker_manager.speakers.values()))
    started = time.perf_counter()
    chunks = network.inference_stream(text, "en", latents["gpt_cond_latent"], latents["speaker_embedding"])
    next(chunks).cpu().numpy()
    seconds = time.perf_counter() - started
    chunks.close()
    return seconds


if __name__ == "__main__":
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # the library prints
    loaded = load(Path(sys.argv[1]))
    print("ready", file=answers)
    for line in sys.stdin:
        print(first_sound(loaded, line.strip()), file=answers)
