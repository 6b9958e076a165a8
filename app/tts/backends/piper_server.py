"""The client of a piper HTTP server, `python -m piper.http_server` of piper-tts 1.8.

What is used of its protocol, as the source of 1.8.0 has it:

- `GET /voices` answers with a JSON object: the configuration (`*.onnx.json`) of each voice by its name.
- `POST /synthesize` takes a JSON object with `text`, `voice`, `speaker_id`, `length_scale` and answers with a wav file.
  Its content type says HTML, an error is a page with status 500, and a voice that it does not have is silently replaced
  by its default: so only voices that it listed are asked for.

It speaks one request at a time and does not notice that a client has gone.
"""

import json
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import anyio

from app.audio import wav
from app.errors import (
    BackendUnavailable,
    DeadlineExceeded,
    InvalidAudio,
    InvalidInput,
    TextTooLong,
    Unavailable,
    WorkerFailed,
)
from app.runtime.http import HttpClient, Reply
from app.tts import pieces
from app.tts.backends.piper_voices import BACKEND, Model, read_model
from app.tts.model_worker import Job, Part, finish
from app.tts.speech import Sound, Voice

log = logging.getLogger(__name__)

PRIVATE_NETWORKS = ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1/128", "fc00::/7")
"""Where a server that an operator names is likely to be."""

NOT_RUNNING = "it is not running"
SAMPLE_RATE = 22050
PIECE_CHARACTERS = 200
FIRST_PIECE_CHARACTERS = 24
LARGEST_SAMPLE_BYTES = 2 * 48_000
"""Of a second of sound: bounds what is read of an answer."""


class PiperServer:
    """piper on another machine, or in another container.

    Args:
        url: where its routes are: `http://10.0.0.7:5000`.
        allowed_networks: besides the public internet, where it may be.
        deadline: seconds for one answer.
        refresh: seconds between two looks at its voices, which also tell whether it is there.
        longest: seconds of speech in one answer.
        start_timeout: seconds that the start waits for the first answer; it may come later.
        sleep: waits between them.
    """

    def __init__(
        self,
        url: str,
        *,
        allowed_networks: Iterable[str] = PRIVATE_NETWORKS,
        deadline: float = 60.0,
        refresh: float = 30.0,
        longest: float = 240.0,
        start_timeout: float = 2.0,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        self.problem: str | None = NOT_RUNNING
        self.models: Mapping[str, Model] = {}
        self._url = url.rstrip("/")
        self._allowed_networks = tuple(allowed_networks)
        self._deadline = deadline
        self._refresh_seconds = refresh
        self._start_timeout = start_timeout
        self._max_bytes = int(longest * LARGEST_SAMPLE_BYTES)
        self._sleep = sleep
        self._client: HttpClient | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Ask it for its voices now and again."""
        async with self._make_client() as self._client, anyio.create_task_group() as group:
            self.problem = f"the piper server at {self._url} has not answered yet"
            has_looked = anyio.Event()
            group.start_soon(self._keep_looking, has_looked)
            try:
                with anyio.move_on_after(self._start_timeout):
                    await has_looked.wait()
                yield
            finally:
                group.cancel_scope.cancel()
                self.problem, self._client = NOT_RUNNING, None

    async def speak(self, job: Job, model: Model, voice: Voice, *, whole: bool) -> AsyncGenerator[Sound, None]:
        """Yield the answers to one request, or to one for each piece of the text unless `whole`.

        Raises:
            TextTooLong: the text makes more than the job's `max_seconds`.
            BackendUnavailable: it is not there.
            WorkerFailed: it answered with an error.
            DeadlineExceeded: it came to no end.
        """
        parts = [job.text]
        if not whole:
            parts = pieces.split(
                job.text, size=PIECE_CHARACTERS, first_size=FIRST_PIECE_CHARACTERS, language=voice.language
            )
        left = job.max_seconds
        for text in parts:
            part = await self._ask(text, job, model)
            left -= len(part.samples) / part.sample_rate
            if left < 0:
                raise _too_long(job)
            for pcm, _ in finish(iter([part]), job, sample_rate=SAMPLE_RATE):
                yield Sound(pcm)

    async def _ask(self, text: str, job: Job, model: Model) -> Part:
        name, _, speaker = job.voice.partition("#")
        body: dict[str, str | float] = {"text": text, "voice": name, "length_scale": model.length_scale / job.speed}
        if speaker:
            body["speaker_id"] = int(speaker)
        reply = await self._call("POST", "/synthesize", json.dumps(body).encode())
        if reply.status != 200:
            raise WorkerFailed(f"the piper server answered with status {reply.status}")
        if reply.truncated:
            raise _too_long(job)
        try:
            header = wav.parse_header(reply.body)
        except InvalidAudio as error:
            raise WorkerFailed(f"the piper server did not answer with a wav file: {error}") from error
        return Part(header.mono(header.payload(reply.body)), header.sample_rate)

    async def _call(self, method: str, path: str, content: bytes = b"") -> Reply:
        """Make one call.

        Raises:
            BackendUnavailable: the server cannot be reached.
            DeadlineExceeded: it did not answer in time.
        """
        if self._client is None:
            raise BackendUnavailable(BACKEND, reason=NOT_RUNNING)
        headers = {"content-type": "application/json"}
        try:
            return await self._client.call(method, self._url + path, headers=headers, content=content)
        except DeadlineExceeded:
            raise
        except (Unavailable, InvalidInput) as error:
            self.problem = f"no piper server can be called at {self._url} ({error}): start it, or change PIPER_URL"
            raise BackendUnavailable(BACKEND, reason=self.problem) from error

    def _make_client(self) -> HttpClient:
        return HttpClient(
            ports=(_port(self._url),),
            allowed_networks=self._allowed_networks,
            deadline=self._deadline,
            max_body_bytes=self._max_bytes,
        )

    async def _keep_looking(self, has_looked: anyio.Event) -> None:
        while True:
            await self._refresh()
            has_looked.set()
            await self._sleep(self._refresh_seconds)

    async def _refresh(self) -> None:
        try:
            reply = await self._call("GET", "/voices")
        except BackendUnavailable:
            return
        except DeadlineExceeded as error:
            self.problem = f"the piper server at {self._url} does not answer ({error})"
            return
        models = _read_voices(reply)
        if models:
            self.models, self.problem = models, None
        else:
            self.problem = (
                f"{self._url}/voices answers with status {reply.status} and names no voice: "
                "a piper HTTP server of piper-tts 1.8 or later is needed"
            )


def _read_voices(reply: Reply) -> dict[str, Model]:
    """Read what `/voices` answered; voices that it cannot speak itself are left out."""
    try:
        configs: Any = json.loads(reply.body) if reply.status == 200 and not reply.truncated else None
    except ValueError:
        return {}
    models: dict[str, Model] = {}
    for name, config in configs.items() if isinstance(configs, dict) else ():
        try:
            models[name] = read_model(name, config)
        except InvalidInput as error:
            log.warning("voice '%s' of the piper server is left out: %s", name, error)
    return models


def _port(url: str) -> int:
    parts = urlsplit(url)
    return parts.port or (443 if parts.scheme == "https" else 80)


def _too_long(job: Job) -> TextTooLong:
    limit = int(job.max_seconds)
    message = f"text of {len(job.text)} characters makes more than {limit} seconds of speech"
    return TextTooLong(message, length=limit + 1, limit=limit, unit="seconds")
