"""Takes and voices as the golden files tell of them."""

import json
from pathlib import Path
from typing import Any

from app.takes.model import Model
from app.takes.part import Part
from app.takes.prosody import AffectProsody, ProsodyKind, SimpleProsody
from app.takes.take import Recorded, Status, Take, TakeRequest, Webhook, Wording
from app.takes.voice import Design, Voice, VoiceGender, VoiceRequest

GOLDEN = Path(__file__).parents[2] / "golden" / "speak"

TAKE_ID, VOICE_ID = "t01jwq2c6hpt6b1v8a9w4dkz7sf", "v01jwq2c5b4f0r8xk2n6m3t9ye"

TAKE = Take(
    id=TAKE_ID,
    owner="ann",
    request=TakeRequest(
        Wording(
            "Hello there, I am Daisys! And this is my voice.",
            override_language="en-GB",
            style=("calm",),
            prosody=SimpleProsody(0, 2, -3),
            done_webhook=Webhook("https://example.com/done", timestamp_ms=1_750_000_002_500, status_code=200),
        ),
        VOICE_ID,
        user_data="line 7",
    ),
    status=Status.READY,
    timestamp_ms=1_750_000_000_000,
    recorded=Recorded(66_150, 22_050, ("Hello there, I am Daisys!", "And this is my voice.")),
)

VOICE = Voice(
    id=VOICE_ID,
    owner="ann",
    request=VoiceRequest(
        "Deborah",
        "espeak",
        VoiceGender.FEMALE,
        default_style=("calm",),
        default_prosody=AffectProsody(1, 0, 2, -1, 3),
        example=Wording("Hello there"),
    ),
    design=Design(7, VoiceGender.FEMALE),
    status=Status.READY,
    timestamp_ms=1_750_000_000_000,
    example_take_id=TAKE_ID,
)

MODEL = Model(
    "espeak",
    "Espeak",
    ("en-US", "nl-NL"),
    (VoiceGender.FEMALE, VoiceGender.MALE, VoiceGender.NONBINARY),
    (("neutral", "calm"), ("soft", "loud")),
    tuple(ProsodyKind),
    ("gender", "description"),
)

PARTS = (
    Part(0, bytes(range(256)) * 40, 22_050, "Hello there, I am Daisys!"),
    Part(1, bytes(range(255, -1, -1)) * 20, 22_050, "And this is my voice."),
)


def golden(name: str) -> Any:
    return json.loads((GOLDEN / f"{name}.json").read_text())
