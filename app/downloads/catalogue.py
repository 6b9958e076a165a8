"""What `scripts/download_models` can fetch: where it is, under which licence, and how it is known to be right.

A checksum stands here only if several independent sources agree on it. Where none is known, that of the first download
is kept beside the file. Sizes are those that the publishers' own lists give.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from app.errors import NotFound
from app.runtime.download import Source

PIPER_URL = "https://huggingface.co/rhasspy/piper-voices/resolve/main"
KOKORO_URL = "https://github.com/thewh1teagle/kokoro-onnx/releases/download/model-files-v1.0"
FAN_URL = "https://www.adrianbulat.com/downloads/python-fan"
WAV2LIP_URL = "https://netspresso-huggingface-demo-checkpoint.s3.us-east-2.amazonaws.com/compressed-wav2lip"
"""Where nota-wav2lip's own demo fetches both networks from."""
XTTS_URL = "https://huggingface.co/coqui/XTTS-v2/resolve/main"

SEE_CARD = "the voice's own, see MODEL_CARD"

_VOICE = re.compile(r"(?P<family>[a-z]{2,3})_(?P<region>[A-Z]{2})-(?P<name>\w+)-(?P<quality>x_low|low|medium|high)")


@dataclass(frozen=True, slots=True)
class Item:
    """Something to be fetched by name."""

    name: str
    about: str
    licence: str
    files: Mapping[str, Source]
    """By the path within the models' folder."""
    consent: str | None = None
    """What has to be agreed to before it is fetched; None: nothing."""

    @property
    def size(self) -> int | None:
        """Bytes of all files; None if one is not known."""
        sizes = [source.size for source in self.files.values()]
        return sum(size or 0 for size in sizes) if None not in sizes else None

    @property
    def is_proven(self) -> bool:
        """Whether every file's checksum is known."""
        return all(source.sha256 for source in self.files.values())


def find(name: str) -> Item:
    """Return the item of a name, which may be any voice of rhasspy/piper-voices.

    Raises:
        NotFound: nothing can have this name.
    """
    return ITEMS[ALIASES.get(name, name)] if ALIASES.get(name, name) in ITEMS else piper_voice(name)


def piper_voice(
    name: str,
    *,
    about: str = "a voice of piper",
    licence: str = SEE_CARD,
    consent: str | None = None,
    model: tuple[int | None, str | None] = (None, None),
    config: tuple[int | None, str | None] = (None, None),
) -> Item:
    """Return a voice of rhasspy/piper-voices; `model` and `config` are size and SHA-256 of its files.

    Raises:
        NotFound: no voice can have this name.
    """
    match = _VOICE.fullmatch(name)
    if match is None:
        raise NotFound(f"'{name}' is neither in the list nor the name of a piper voice such as zh_CN-huayan-medium")
    family, region, own_name, quality = match.groups()
    folder = f"{PIPER_URL}/{family}/{family}_{region}/{own_name}/{quality}"
    files = {
        f"piper/{name}.onnx": Source(f"{folder}/{name}.onnx", *model),
        f"piper/{name}.onnx.json": Source(f"{folder}/{name}.onnx.json", *config),
    }
    return Item(name, about, licence.replace("MODEL_CARD", f"{folder}/MODEL_CARD"), files, consent)


def _kokoro(name: str, file: str, size: int, sha256: str, about: str) -> Item:
    voices = Source(
        f"{KOKORO_URL}/voices-v1.0.bin",
        28_214_398,
        "bca610b8308e8d99f32e6fe4197e7ec01679264efed0cac9140fe9c29f1fbf7d",
    )
    model = Source(f"{KOKORO_URL}/{file}", size, sha256)
    return Item(name, about, "Apache-2.0", {f"kokoro/{file}": model, "kokoro/voices-v1.0.bin": voices})


def _wav2lip(name: str, file: str, about: str, licence: str, consent: str) -> Item:
    return Item(name, about, licence, {f"lipsync/{file}": Source(f"{WAV2LIP_URL}/{file}")}, consent)


_ALL = (
    piper_voice(
        "zh_CN-huayan-medium",
        about="piper: Mandarin, female, 22 kHz",
        model=(63_201_294, "9929917bf8cabb26fd528ea44d3a6699c11e87317a14765312420be230be0f3d"),
        config=(4_822, "d521dc45504a8ccc99e325822b35946dd701840bfb07e3dbb31a40929ed6a82b"),
    ),
    piper_voice(
        "en_GB-alan-medium",
        about="piper: British English, male, 22 kHz",
        model=(63_201_294, "0a309668932205e762801f1efc2736cd4b0120329622adf62be09e56339d3330"),
        config=(4_888, "c0f0d124e5895c00e7c03b35dcc8287f319a6998a365b182deb5c8e752ee8c1e"),
    ),
    piper_voice(
        "en_US-lessac-medium",
        about="piper: American English, female, 22 kHz",
        licence="Blizzard 2013 recordings: research only, see MODEL_CARD",
        consent="its recordings are licensed for research only: no commercial use",
        model=(63_201_294, "5efe09e69902187827af646e1a6e9d269dee769f9877d17b16b1b46eeaaf019f"),
        config=(4_885, "efe19c417bed055f2d69908248c6ba650fa135bc868b0e6abb3da181dab690a0"),
    ),
    _kokoro(
        "kokoro",
        "kokoro-v1.0.onnx",
        325_532_387,
        "7d5df8ecf7d4b1878015a32686053fd0eebe2bc377234608764cc0ef3636a6c5",
        "Kokoro 82M with its voices in nine languages",
    ),
    _kokoro(
        "kokoro-int8",
        "kokoro-v1.0.int8.onnx",
        92_361_271,
        "6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb",
        "the same in 8 bits: smaller, a little rougher",
    ),
    Item(
        "face-alignment",
        "S3FD and FAN: faces and 68 points of each",
        "not stated for the weights (code: BSD)",
        {f"faces/{name}": Source(f"{FAN_URL}/{name}") for name in ("s3fd-619a316812.pth", "2DFAN4-11f355bf06.pth.tar")},
    ),
    Item(
        "xtts",
        "XTTS v2: cloned voices in 17 languages (2 GB)",
        "CPML (Coqui Public Model License): non-commercial",
        {
            f"xtts/{name}": Source(f"{XTTS_URL}/{name}")
            for name in ("config.json", "vocab.json", "speakers_xtts.pth", "model.pth")
        },
        "the Coqui Public Model License (https://coqui.ai/cpml) allows non-commercial use only, and nobody sells "
        "another licence any more",
    ),
    _wav2lip(
        "nota_wav2lip",
        "lrs3-nota-wav2lip.pth",
        "portraits: Wav2Lip with a 29th of the parameters (5 MB)",
        "Nota AI: research and non-commercial use",
        "Nota AI allows research and non-commercial use only (https://github.com/Nota-NetsPresso/nota-wav2lip)",
    ),
    _wav2lip(
        "wav2lip",
        "lrs3-wav2lip.pth",
        "portraits: Wav2Lip (139 MB)",
        "Wav2Lip and Nota AI: research and non-commercial use",
        "the authors of Wav2Lip (https://github.com/Rudrabha/Wav2Lip) and Nota AI, who trained these weights, allow "
        "research and non-commercial use only",
    ),
)

ITEMS: Mapping[str, Item] = {item.name: item for item in _ALL}

ALIASES: Mapping[str, str] = {"piper": "zh_CN-huayan-medium"}
"""What a backend's name stands for."""
