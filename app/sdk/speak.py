"""Clients of the speak API, `/v1/speak`: takes and voices, over REST and heard while they are made.

They work with any server of this protocol. Asynchronous:

    async with SpeakClient("http://localhost:8000", email="me@example.com", password="…") as client:
        [model, *_] = await client.models()
        voice = await client.generate_voice("Ada", model.name, "female")
        take = await client.generate_take(voice.voice_id, "Good evening! What a night.")
        await client.download(take.take_id, "evening.mp3", "mp3")

        async with client.stream(model=model.name) as stream:
            async for event in stream.take(voice.voice_id, "Heard while it is made."):
                if isinstance(event, PartReceived):
                    play(event.pcm, event.header.sample_rate)

            await stream.generate_take(voice.voice_id, "Or with callbacks.", mode="chunks", on_audio=hear)

Plain:

    with SyncSpeakClient("http://localhost:8000", token=API_KEY) as client:
        with client.stream(voice_id=voice_id) as stream:
            for event in stream.take(voice_id, "Heard while it is made."):
                ...

Needs the packages `httpx` and `websockets`, nothing else.
"""

from app.sdk.backoff import Backoff
from app.sdk.errors import BrokenReply, ClientError, ConnectionLost, NotConnected, Refused, RequestFailed
from app.sdk.speak_client import Format, SpeakClient
from app.sdk.speak_errors import (
    Denied,
    GenerationFailed,
    InvalidRequest,
    NotFound,
    NotReady,
    Overloaded,
    RateLimited,
    ServerFailed,
)
from app.sdk.speak_events import Audio, ChunkReceived, Ended, Event, PartReceived, StatusChanged
from app.sdk.speak_prosody import AffectProsody, Prosody, SignalProsody, SimpleProsody
from app.sdk.speak_stream import Mode, SpeakStream
from app.sdk.speak_sync import SyncSpeakClient, SyncSpeakStream
from app.sdk.speak_take import Status, Take, TakeInfo, TakeRequest, Webhook, Wording
from app.sdk.speak_voice import Model, Voice, VoiceChange, VoiceGender, VoiceRequest
from app.sdk.speak_wav import WavHeader

__all__ = [
    "AffectProsody",
    "Audio",
    "Backoff",
    "BrokenReply",
    "ChunkReceived",
    "ClientError",
    "ConnectionLost",
    "Denied",
    "Ended",
    "Event",
    "Format",
    "GenerationFailed",
    "InvalidRequest",
    "Mode",
    "Model",
    "NotConnected",
    "NotFound",
    "NotReady",
    "Overloaded",
    "PartReceived",
    "Prosody",
    "RateLimited",
    "Refused",
    "RequestFailed",
    "ServerFailed",
    "SignalProsody",
    "SimpleProsody",
    "SpeakClient",
    "SpeakStream",
    "Status",
    "StatusChanged",
    "SyncSpeakClient",
    "SyncSpeakStream",
    "Take",
    "TakeInfo",
    "TakeRequest",
    "Voice",
    "VoiceChange",
    "VoiceGender",
    "VoiceRequest",
    "WavHeader",
    "Webhook",
    "Wording",
]
