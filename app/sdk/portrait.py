"""Clients of talking portraits, `/ws/lip-sync`: a picture and a text or a sound go out, and a video comes back.

Asynchronous:

    async with Portraits("ws://localhost:8000") as portraits:
        portrait = await portraits.speak("ada.jpg", text="Good evening!")
        Path("ada.mp4").write_bytes(portrait.video)

        async for event in portraits.stream("ada.jpg", "evening.wav"):  # while it is drawn
            if isinstance(event, Fragment):
                player.write(event.data)

Plain:

    with SyncPortraits("ws://localhost:8000") as portraits:
        portrait = portraits.speak("ada.jpg", "evening.wav", model="nota_wav2lip", on_progress=print)

Needs the package `websockets`, nothing else.
"""

from app.sdk.backoff import Backoff
from app.sdk.errors import BrokenReply, ClientError, ConnectionLost, NotConnected, Refused, RequestFailed
from app.sdk.portrait_client import OnProgress, Portraits
from app.sdk.portrait_events import Event, Fragment, Opening, Portrait, Progress
from app.sdk.portrait_request import Drawing, Media, Voicing
from app.sdk.portrait_sync import SyncPortraits

__all__ = [
    "Backoff",
    "BrokenReply",
    "ClientError",
    "ConnectionLost",
    "Drawing",
    "Event",
    "Fragment",
    "Media",
    "NotConnected",
    "OnProgress",
    "Opening",
    "Portrait",
    "Portraits",
    "Progress",
    "Refused",
    "RequestFailed",
    "SyncPortraits",
    "Voicing",
]
