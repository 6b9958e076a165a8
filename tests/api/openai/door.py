"""The door of OpenAI's API alone, on a real server, opened by the official client."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from fastapi import FastAPI
from openai import AsyncOpenAI, OpenAI

from app.api.openai.rest import rest
from app.runtime.auth import Authority, Identity, StaticKeys
from app.runtime.credentials import RequireIdentity
from app.runtime.workers import Workers
from app.tts.backend import Backend
from app.tts.cache import SpeechCache
from app.tts.synthesizer import Synthesizer
from tests.live_server import LiveServer, live_server

KEY = "a key of sixteen or more characters"
CREATED = 1_750_000_000


@dataclass(frozen=True, slots=True)
class Door:
    """A running door, and who knocks."""

    live: LiveServer
    synthesizer: Synthesizer
    client: AsyncOpenAI
    http: httpx.AsyncClient

    @property
    def base_url(self) -> str:
        return f"{self.live.url}/v1"

    def sync_client(self) -> OpenAI:
        return OpenAI(base_url=self.base_url, api_key=KEY, max_retries=0)

    async def speech(self, **body: Any) -> Any:
        return await self.client.audio.speech.create(
            **{"model": "tts-1", "voice": "alloy", "input": "hello there", **body}
        )

    async def post(self, **body: Any) -> httpx.Response:
        """Speak without the client, which would not send what it knows to be wrong."""
        return await self.http.post(
            "/v1/audio/speech", json={"model": "tts-1", "voice": "alloy", "input": "hello", **body}
        )


@asynccontextmanager
async def door(*backends: Backend, required: bool = False, key: str = KEY) -> AsyncIterator[Door]:
    """Open the door behind the server's judge of credentials, and knock with an API key."""
    synthesizer = Synthesizer(backends, workers=Workers({"codec": 2}), cache=SpeechCache(max_bytes=0), queue_depth=100)
    app = FastAPI()
    app.include_router(rest(synthesizer, clock=lambda: CREATED))
    authority = Authority(b"0" * 32, key_stores=[StaticKeys({KEY: Identity("somebody")})])
    app.add_middleware(RequireIdentity, authority=authority, required=required)
    async with (
        synthesizer,
        live_server(app) as live,
        AsyncOpenAI(base_url=f"{live.url}/v1", api_key=key, max_retries=0) as client,
        httpx.AsyncClient(base_url=live.url) as http,
    ):
        yield Door(live, synthesizer, client, http)
