"""XTTS-v2 by coqui-tts 0.28: the one module that imports torch. Runs in the worker process.

The recordings are read with soundfile, never with `torchaudio.load`, which needs torchcodec and shared libraries of
FFmpeg. Texts are cut before they come here, by the limits that `introduce` tells.
"""

import hashlib
import json
import pickle
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import soundfile  # type: ignore[import-not-found, import-untyped, unused-ignore]
import torch  # type: ignore[import-not-found, unused-ignore]
from TTS.config.shared_configs import BaseDatasetConfig  # type: ignore[import-not-found, import-untyped, unused-ignore]
from TTS.tts.configs import xtts_config  # type: ignore[import-not-found, import-untyped, unused-ignore]
from TTS.tts.models.xtts import Xtts  # type: ignore[import-not-found, import-untyped, unused-ignore]

from app.audio.pcm import Pcm, to_bytes
from app.audio.trim import LEAD_SECONDS, TAIL_SECONDS, Trimmer
from app.tts.backends.xtts_latents import LatentCache, Latents, references
from app.tts.backends.xtts_messages import Fault, Introduction, Speaker, UnknownSpeaker
from app.tts.backends.xtts_pieces import fitting

SAMPLE_RATE = 24_000
"""Hz, of all that the model makes."""
SHORTEST_REFERENCE = 1.0
"""Seconds; the library itself refuses less than a third of one. Good voices need six and more."""
SILENCE = 1e-3
"""Peak below which a recording holds no voice."""

EXTRA_PACKAGES = {"zh-cn": ("pypinyin",), "ja": ("cutlet", "fugashi")}
"""What the tokenizer imports when it meets the language for the first time: looked for when the model is loaded."""

LEGACY = [
    BaseDatasetConfig,
    xtts_config.XttsConfig,
    (xtts_config.XttsArgs, "TTS.tts.models.xtts.XttsArgs"),
    (xtts_config.XttsAudioConfig, "TTS.tts.models.xtts.XttsAudioConfig"),
]
"""Classes pickled in the published `model.pth`, two of them under the names of their time."""

FOREIGN = ("torch_mel_spectrogram_style_encoder.", "torch_mel_spectrogram_dvae.", "dvae.")
"""Weights of the trainer's, which the model has no place for."""

BROKEN = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    pickle.UnpicklingError,
)
"""What torch and coqui-tts raise for damaged files and for texts that they cannot read."""


def load(model: Path, voices: Path, *, device: str, threads: int) -> "Engine":
    """Load the model in folder `model`; `device` is `auto` (a GPU if there is one), `cpu`, `cuda` or `cuda:1`.

    `threads` of the CPU, 0 for torch's own choice.

    Raises:
        Fault: the model is damaged, there is no such device, or too little memory.
    """
    if threads:
        torch.set_num_threads(threads)
    with told(f"the model in {model} cannot be loaded", "fetch its files again"):
        chosen = choose_device(device)
        config = xtts_config.XttsConfig()
        config.load_json(str(model / "config.json"))
        json.loads((model / "vocab.json").read_text("utf-8"))  # tokenizers raises a bare Exception for a damaged one
        network = Network(config)
        network.load_checkpoint(config, checkpoint_dir=str(model), eval=True)
        network.to(chosen)
    return Engine(network, config, chosen, voices)


class Network(Xtts):  # type: ignore[misc, unused-ignore]
    """The library's model, which leaves the user's files as they are.

    The library rewrites the published `model.pth` in place, without the classes pickled in it, when it loads it first:
    its checksum changes, a folder that is read-only is an error, and a kill in the middle costs two gigabytes.
    """

    def get_compatible_checkpoint_state_dict(self, model_path: Path) -> dict[str, Any]:
        """Read the weights; nothing else in the file is executed."""
        with torch.serialization.safe_globals(LEGACY):
            weights = torch.load(model_path, map_location="cpu", weights_only=True)["model"]
        named = ((name.removeprefix("xtts."), tensor) for name, tensor in weights.items())
        return {name: tensor for name, tensor in named if not name.startswith(FOREIGN)}


def choose_device(name: str) -> Any:
    """Return the torch device of that name.

    Raises:
        Fault: torch sees no such GPU.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise Fault(
            f"torch {torch.__version__} sees no GPU for '{name}': choose the device 'cpu', or install its driver"
        )
    return device


class Engine:
    """A loaded model."""

    def __init__(self, network: Any, config: Any, device: Any, voices: Path) -> None:
        self._network = network
        self._config = config
        self._device = device
        self._latents = LatentCache(fingerprint(network))
        self._references = references(voices)
        manager = network.speaker_manager
        self._own: dict[str, Any] = manager.speakers if manager else {}
        self._languages = [code for code in config.languages if self._is_readable(code)]

    def introduce(self) -> Introduction:
        """Tell what it is able to do; recordings come before the model's own speakers."""
        own = [Speaker(name) for name in self._own if name not in self._references]
        limits = self._network.tokenizer.char_limits
        return Introduction(
            limits=tuple((code, limits[code.partition("-")[0]]) for code in self._languages),
            speakers=(*(reference.speaker for reference in self._references.values()), *own),
            device=str(self._device),
            gpu_memory_usage=self.memory_usage(),
        )

    def memory_usage(self) -> float | None:
        """Return the fraction of the GPU's memory that is in use, by anyone; None without a GPU."""
        if self._device.type != "cuda":
            return None
        free, total = torch.cuda.mem_get_info(self._device)
        return float(1 - free / total)

    def speak(
        self, pieces: Sequence[str], *, language: str, speaker: str, speed: float, chunk_tokens: int
    ) -> Iterator[bytes]:
        """Yield int16 PCM at 24 kHz, as soon as `chunk_tokens` tokens are made.

        The silence that the model leaves around the speech, sometimes two seconds, is cut.

        Raises:
            UnknownSpeaker: the speaker is not there.
            Fault: the recording cannot be used, the text cannot be read, or the memory is too small.
        """
        with told("this text cannot be spoken", "another one may be"):
            latents = self._find_latents(speaker)
            trimmer = Trimmer(sample_rate=SAMPLE_RATE, lead=LEAD_SECONDS, tail=(0.0, TAIL_SECONDS))
            for part in self._parts(pieces, language):
                for chunk in self._stream(part, language, latents, speed=speed, chunk_tokens=chunk_tokens):
                    yield from _if_any(trimmer.push(chunk))
            yield from _if_any(trimmer.finish())

    def _stream(
        self, part: str, language: str, latents: tuple[Any, Any], *, speed: float, chunk_tokens: int
    ) -> Iterator[Pcm]:
        samples = self._network.inference_stream(
            part,
            language,
            *latents,
            stream_chunk_size=chunk_tokens,
            speed=speed,
            temperature=self._config.temperature,
            length_penalty=self._config.length_penalty,
            repetition_penalty=self._config.repetition_penalty,
            top_k=self._config.top_k,
            top_p=self._config.top_p,
        )
        for chunk in samples:
            yield pcm(chunk)

    def _parts(self, pieces: Sequence[str], language: str) -> Iterator[str]:
        """Yield the pieces, those with too many tokens in parts; numbers make many out of few characters."""
        most = self._network.args.gpt_max_text_tokens - 1
        tokenizer = self._network.tokenizer
        for piece in pieces:
            yield from fitting(piece, lambda text: len(tokenizer.encode(text.strip().lower(), lang=language)) <= most)

    def _find_latents(self, speaker: str) -> tuple[Any, Any]:
        if reference := self._references.get(speaker):
            latents = self._latents.get(reference, self._listen)
            return torch.from_numpy(latents.conditioning), torch.from_numpy(latents.embedding)
        if speaker in self._own:
            return self._own[speaker]["gpt_cond_latent"], self._own[speaker]["speaker_embedding"]
        raise UnknownSpeaker(speaker)

    def _listen(self, recording: Path) -> Latents:
        """Compute the latents of a recording, as `Xtts.get_conditioning_latents` does from a path.

        Raises:
            Fault: it cannot be used.
        """
        samples, sample_rate = read(recording, most_seconds=self._config.max_ref_len)
        audio = torch.from_numpy(samples)[None].to(self._device)
        conditioning = self._network.get_gpt_cond_latents(
            audio, sample_rate, length=self._config.gpt_cond_len, chunk_length=self._config.gpt_cond_chunk_len
        )
        embedding = self._network.get_speaker_embedding(audio, sample_rate)
        return Latents(conditioning.cpu().numpy(), embedding.cpu().numpy())

    def _is_readable(self, language: str) -> bool:
        """Tell whether the packages for a language's script are there; say on standard error what is missing."""
        try:
            for package in EXTRA_PACKAGES.get(language, ()):
                import_module(package)
            if language == "ja":
                self._network.tokenizer.katsu  # noqa: B018 - reads the dictionary now, not at the first request
        except (ImportError, RuntimeError) as error:
            print(f"no '{language}' without a package ({first_line(error)}): install it and restart", file=sys.stderr)
            return False
        return True


def read(recording: Path, *, most_seconds: float) -> tuple["np.ndarray[tuple[int], np.dtype[np.float32]]", int]:
    """Return the beginning of a recording: float32 samples, shape (n,), mixed down to mono, and their rate in Hz.

    Raises:
        Fault: it is no audio, too short, or silent.
    """
    remedy = "replace it by 6 to 30 seconds of one clear voice, as WAV"
    try:
        with soundfile.SoundFile(str(recording)) as file:
            sample_rate = int(file.samplerate)
            samples = file.read(round(most_seconds * sample_rate), dtype="float32", always_2d=True).mean(axis=1)
    except (OSError, RuntimeError) as error:
        raise Fault(f"the recording {recording} is no audio ({first_line(error)}): {remedy}") from error
    if len(samples) < SHORTEST_REFERENCE * sample_rate:
        raise Fault(f"the recording {recording} is shorter than {SHORTEST_REFERENCE:g} s: {remedy}")
    if not (np.isfinite(samples).all() and np.abs(samples).max() > SILENCE):
        raise Fault(f"the recording {recording} holds no voice: {remedy}")
    return samples, sample_rate


def pcm(samples: Any) -> Pcm:
    """Return a tensor of samples as int16, shape (n,)."""
    converted: Pcm = (samples.float().clamp(-1, 1) * 32767).to(torch.int16).cpu().numpy()
    return converted


def _if_any(samples: Pcm) -> Iterator[bytes]:
    if len(samples):
        yield to_bytes(samples)


def fingerprint(network: Any) -> bytes:
    """Return a hash of the weights, of the beginning of each tensor: it tells a model from its fine-tuning."""
    total = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        total.update(name.encode() + tensor.flatten()[:16].float().cpu().numpy().tobytes())
    return total.digest()


@contextmanager
def told(what: str, remedy: str) -> Iterator[None]:
    """Raise what goes wrong as a fault that says what to do."""
    try:
        yield
    except (torch.cuda.OutOfMemoryError, MemoryError) as error:
        raise _out_of_memory(error) from error
    except BROKEN as error:
        if "allocate memory" in str(error):  # of the CPU, which torch has no class for
            raise _out_of_memory(error) from error
        raise Fault(f"{what} ({type(error).__name__}: {first_line(error)}): {remedy}") from error


def first_line(error: BaseException) -> str:
    """Return the beginning of an error's text."""
    return str(error).strip().partition("\n")[0][:300]


def _out_of_memory(error: BaseException) -> Fault:
    torch.cuda.empty_cache()
    return Fault(f"out of memory ({first_line(error)}): end what else uses it, or choose another device")
