"""The application: doors mounted over engines, and the order in which a request passes what stands before them."""

from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from app import __version__
from app.api.accounts.rest import rest as accounts_rest
from app.api.accounts.routes import OPEN_PATHS as ACCOUNTS_OPEN_PATHS
from app.api.danmu.conversation import DanmuLimits
from app.api.danmu.messages import MAX_MESSAGE_BYTES
from app.api.danmu.rest import rest as danmu_rest
from app.api.danmu.router import router as danmu_router
from app.api.health import health
from app.api.lipsync.images import FORM_BYTES as LIPSYNC_FORM_BYTES
from app.api.lipsync.images import IMAGES_PATH as LIPSYNC_IMAGES_PATH
from app.api.lipsync.images import images as lipsync_images
from app.api.lipsync.limits import LipsyncLimits
from app.api.lipsync.messages import MAX_MESSAGE_BYTES as LIPSYNC_MESSAGE_BYTES
from app.api.lipsync.rest import REST_PATH as LIPSYNC_REST_PATH
from app.api.lipsync.rest import rest as lipsync_rest
from app.api.lipsync.router import PATH as LIPSYNC_PATH
from app.api.lipsync.router import router as lipsync_router
from app.api.openai.failure import describe as describe_for_openai
from app.api.openai.rest import PATHS as OPENAI_PATHS
from app.api.openai.rest import rest as openai_rest
from app.api.pages import PORTRAITS_PATH, pages
from app.api.speak.limits import SpeakLimits
from app.api.speak.messages import MAX_MESSAGE_BYTES as SPEAK_MESSAGE_BYTES
from app.api.speak.rest import OPEN_PATHS as SPEAK_OPEN_PATHS
from app.api.speak.rest import rest as speak_rest
from app.api.speak.router import router as speak_router
from app.api.speak.urls import PREFIX as SPEAK_PREFIX
from app.api.stream.limits import StreamLimits
from app.api.stream.messages import MAX_MESSAGE_BYTES as STREAM_MESSAGE_BYTES
from app.api.stream.monitoring import monitoring
from app.api.stream.recognize import PATH as RECOGNIZE_PATH
from app.api.stream.recognize import recognize
from app.api.stream.router import PREFIX as STREAM_PREFIX
from app.api.stream.router import router as stream_router
from app.api.stream.streams import Streams
from app.api.stream.tracks import IMPORT_PATH
from app.api.stream.tracks import PATH as TRACKS_PATH
from app.api.stream.tracks import tracks as tracks_rest
from app.api.stream.uploads import Uploads
from app.api.telephony.audio import audio
from app.api.telephony.callback import PATH as CALLBACK_PATH
from app.api.telephony.callback import callback
from app.api.telephony.callbacks import callbacks
from app.api.telephony.limits import CallLimits
from app.api.telephony.messages import ECHO_MESSAGE_BYTES, PLAY_MESSAGE_BYTES
from app.api.telephony.ncco import PREFIX as NCCO_PREFIX
from app.api.telephony.ncco import ncco
from app.api.telephony.router import ECHO_PATH, PLAY_PREFIX
from app.api.telephony.router import router as telephony_router
from app.api.wyoming.conversation import WyomingLimits
from app.api.wyoming.server import serve as serve_wyoming
from app.errors import ChorusError
from app.runtime.access import AccessMiddleware
from app.runtime.body_limit import BodyLimit
from app.runtime.connections import AdmissionLimits
from app.runtime.credentials import CredentialMiddleware, RequireIdentity
from app.runtime.metrics import MetricsMiddleware
from app.runtime.refusal import plainly
from app.runtime.server import SocketLimits
from app.runtime.session import SessionLimits
from app.services import Services
from app.settings import Settings

# A page that has a token cannot give it to its own parts, and a call platform has none of ours.
OPEN_PATHS = (
    "/health",
    "/ready",
    "/web/",
    "/sdk/",
    PORTRAITS_PATH,
    CALLBACK_PATH,
    *ACCOUNTS_OPEN_PATHS,
    *SPEAK_OPEN_PATHS,
)
# Anybody may ask, and a platform that does has signed it: its bearer is no wrong credential of ours.
UNJUDGED_PATHS = (f"{NCCO_PREFIX}/",)
MAX_BODY_BYTES = 1024 * 1024
MESSAGE_BYTES = (
    (SPEAK_PREFIX, SPEAK_MESSAGE_BYTES),
    (STREAM_PREFIX, STREAM_MESSAGE_BYTES),
    (ECHO_PATH, ECHO_MESSAGE_BYTES),
    (PLAY_PREFIX, PLAY_MESSAGE_BYTES),
    (LIPSYNC_PATH, LIPSYNC_MESSAGE_BYTES),
)
MESSAGE_DEADLINE_SECONDS = 60.0  # 1 MiB in a minute is 17 KB/s
LEAST_BYTES_PER_SECOND = 256 * 1024  # of messages that would take longer than that


def create_app(settings: Settings) -> FastAPI:
    """Build the server; its engines start and stop with the application's lifespan."""
    services = Services(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with services:
            if settings.wyoming_port:
                await services.open_door(_wyoming(services, settings))
            yield

    app = FastAPI(title="Chorus", version=__version__, lifespan=lifespan)
    app.state.services = services
    app.include_router(
        health(
            version=__version__,
            database=services.has_database,
            checks={"server": services.is_accepting, "speech": services.can_speak},
            metrics=services.render_metrics,
        )
    )
    app.include_router(pages(version=__version__))
    _open_danmu(app, services, settings)
    app.include_router(openai_rest(services.synthesizer))
    _open_speak(app, services, settings)
    _open_stream(app, services, settings)
    _open_tracks(app, services, settings)
    _open_telephony(app, services, settings)
    _open_lipsync(app, services, settings)
    app.include_router(accounts_rest(services.accounts))
    # The last one added stands outermost.
    app.add_middleware(
        BodyLimit,
        max_bytes=MAX_BODY_BYTES,
        others={
            TRACKS_PATH: settings.tracks_max_upload_bytes,
            IMPORT_PATH: settings.tracks_max_import_bytes,
            LIPSYNC_REST_PATH: LIPSYNC_MESSAGE_BYTES,
            LIPSYNC_IMAGES_PATH: settings.lipsync_max_image_bytes + LIPSYNC_FORM_BYTES,
            RECOGNIZE_PATH: settings.recognize_max_bytes,
        },
        describe=describe_refusal,
    )
    app.add_middleware(
        RequireIdentity,
        authority=services.authority,
        required=settings.auth_required,
        open_paths=OPEN_PATHS if settings.auth_required else (*OPEN_PATHS, *UNJUDGED_PATHS),
        describe=describe_refusal,
    )
    app.add_middleware(CORSMiddleware, allow_origins=settings.cors_origins, allow_methods=["*"], allow_headers=["*"])
    app.add_middleware(MetricsMiddleware, metrics=services.metrics)
    app.add_middleware(AccessMiddleware)
    app.add_middleware(CredentialMiddleware, placeholders=settings.anonymous_keys)
    return app


def describe_refusal(path: str, error: ChorusError) -> Mapping[str, object]:
    """Return what is told to a request that comes to no route, in the words of the door at which it knocked."""
    return describe_for_openai(error) if path.startswith(OPENAI_PATHS) else plainly(path, error)


def socket_limits(path: str) -> SocketLimits:
    """Return what one message may be on a WebSocket path."""
    most = next((most for prefix, most in MESSAGE_BYTES if path.startswith(prefix)), MAX_MESSAGE_BYTES)
    deadline = max(MESSAGE_DEADLINE_SECONDS, most / LEAST_BYTES_PER_SECOND)
    return SocketLimits(max_message_bytes=most, message_deadline=deadline)


def _wyoming(services: Services, settings: Settings) -> Callable[..., Coroutine[Any, Any, None]]:
    gate = services.connections.gate("wyoming", AdmissionLimits(total=settings.wyoming_max_connections))
    return partial(
        serve_wyoming,
        services.synthesizer,
        gate,
        WyomingLimits(),
        host=settings.host,
        port=settings.wyoming_port,
        version=__version__,
    )


def _open_danmu(app: FastAPI, services: Services, settings: Settings) -> None:
    gate = services.connections.gate(
        "/ws",
        AdmissionLimits(total=settings.danmu_max_connections, per_client=settings.danmu_max_connections_per_ip),
    )
    limits = DanmuLimits(
        messages_per_minute=settings.danmu_max_messages_per_minute,
        session=SessionLimits(
            idle_timeout=settings.danmu_idle_timeout_seconds,
            heartbeat_interval=settings.danmu_heartbeat_seconds,
        ),
    )
    app.include_router(danmu_router(services.synthesizer, gate, limits))
    app.include_router(danmu_rest(services.synthesizer, stats=services.stats))


def _open_speak(app: FastAPI, services: Services, settings: Settings) -> None:
    gate = services.connections.gate(
        f"{SPEAK_PREFIX}/ws",
        AdmissionLimits(total=settings.speak_max_connections, per_client=settings.speak_max_connections_per_account),
    )
    limits = SpeakLimits()
    app.include_router(speak_router(services.studio, gate, limits))
    app.include_router(speak_rest(services.studio, services.authority, limits))


def _open_stream(app: FastAPI, services: Services, settings: Settings) -> None:
    limits = StreamLimits(
        connections=settings.websocket_max_connections,
        connections_per_address=settings.stream_max_connections_per_ip,
        attempts_per_minute=settings.stream_max_attempts_per_minute,
        bytes_per_second=settings.stream_max_bytes_per_second,
        messages_per_minute=settings.stream_max_messages_per_minute,
        session=SessionLimits(idle_timeout=settings.stream_idle_timeout_seconds, heartbeat_interval=0.0),
    )
    gate = services.connections.gate(
        "/ws/stream", AdmissionLimits(total=limits.connections, per_client=limits.connections_per_address)
    )
    streams = Streams()
    app.include_router(
        stream_router(
            services.hearings,
            services.catalogue.find,
            streams,
            gate,
            limits,
            sample_rate=settings.fingerprint_sample_rate,
        )
    )
    app.include_router(monitoring(streams))


def _open_telephony(app: FastAPI, services: Services, settings: Settings) -> None:
    gate = services.connections.gate(
        "calls",
        AdmissionLimits(total=settings.calls_max_connections, per_client=settings.calls_max_connections_per_ip),
    )
    limits = CallLimits(idle_timeout=settings.calls_idle_timeout_seconds)
    files, reads, sounds = services.audio_files, services.shared_reads, services.sounds
    app.include_router(telephony_router(services.call_processors, files, reads, sounds, gate, limits))
    app.include_router(audio(files))
    app.include_router(ncco(services.event_url))
    app.include_router(callback(services.callbacks, services.callback_signature))
    app.include_router(callbacks(services.callbacks))


def _open_lipsync(app: FastAPI, services: Services, settings: Settings) -> None:
    gate = services.connections.gate(
        LIPSYNC_PATH,
        AdmissionLimits(total=settings.lipsync_max_connections, per_client=settings.lipsync_max_connections_per_ip),
    )
    limits = LipsyncLimits(
        max_audio_bytes=settings.lipsync_max_audio_bytes,
        max_image_bytes=settings.lipsync_max_image_bytes,
        max_video_bytes=settings.lipsync_max_video_bytes,
    )
    app.include_router(lipsync_router(services.atelier, services.workers, gate, limits))
    app.include_router(lipsync_rest(services.atelier, services.workers, limits))
    app.include_router(lipsync_images(services.atelier, limits))


def _open_tracks(app: FastAPI, services: Services, settings: Settings) -> None:
    uploads = Uploads(settings.data_dir / "uploads", services.workers)
    app.include_router(tracks_rest(services.catalogue, services.intake, uploads, services.workers))
    waiting = settings.recognize_max_waiting
    places = settings.recognize_at_once + waiting if waiting else 0
    app.include_router(recognize(services.identifier, uploads, places=places))
