"""Clients of live recognition, `/ws/stream/{client_id}`: sound goes out, and what plays comes back.

Asynchronous:

    async with StreamClient("ws://localhost:8000", API_KEY) as client:
        async for event in client.follow("mix.mp3"):  # or a Microphone(), or samples
            if isinstance(event, Matched):
                print(event.matches[0].title, event.matches[0].start_time)

    async with StreamClient("ws://localhost:8000", API_KEY, on_match=show) as client:
        await client.listen()  # to the microphone, until it is cancelled

Plain:

    with SyncStreamClient("ws://localhost:8000", API_KEY) as client:
        for event in client.follow("mix.mp3"):
            ...

Needs the package `websockets`. With `av` (PyAV) it plays files of any kind, without it plain WAV; a microphone needs
`sounddevice`. Samples may be numpy arrays, which it does not need itself.
"""

from app.sdk.backoff import Backoff
from app.sdk.errors import ClientError, ConnectionLost, NotConnected, Refused
from app.sdk.stream_client import StreamClient
from app.sdk.stream_errors import MissingPackage, SourceFailed
from app.sdk.stream_events import Event, Match, Matched, Problem, Stats, Status
from app.sdk.stream_file import SoundFile
from app.sdk.stream_microphone import Microphone
from app.sdk.stream_source import Samples, Sound, Source
from app.sdk.stream_sync import SyncStreamClient

SoundHashClient = StreamClient
"""The name of the client in the document of this protocol."""

__all__ = [
    "Backoff",
    "ClientError",
    "ConnectionLost",
    "Event",
    "Match",
    "Matched",
    "Microphone",
    "MissingPackage",
    "NotConnected",
    "Problem",
    "Refused",
    "Samples",
    "Sound",
    "SoundFile",
    "SoundHashClient",
    "Source",
    "SourceFailed",
    "Stats",
    "Status",
    "StreamClient",
    "SyncStreamClient",
]
