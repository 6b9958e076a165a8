"""Every setting, flat, from environment variables and `.env`. Only the composition root reads it.

Sizes are in bytes, times in seconds unless the name says otherwise; 0 means no limit. `.env.example` lists them all.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, PositiveInt, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

Names = Annotated[tuple[str, ...], NoDecode]
"""Comma-separated in the environment."""

Ports = Annotated[tuple[Annotated[int, Field(ge=1, le=65535)], ...], NoDecode]
"""Comma-separated in the environment."""

Seconds = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=0)]
Bytes = Annotated[int, Field(ge=0)]


class Settings(BaseSettings):
    """What an operator may choose. Field names in capitals are the variables."""

    model_config = SettingsConfigDict(
        env_file=".env", env_file_encoding="utf-8", extra="ignore", frozen=True, use_attribute_docstrings=True
    )

    host: str = "127.0.0.1"
    """Address to listen on; 0.0.0.0 opens the server to the network."""
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    """TCP port; 0 takes a free one."""
    forwarded_allow_ips: Names = ()
    """Proxies whose X-Forwarded-For and X-Forwarded-Proto are believed."""
    cors_origins: Names = ("*",)
    """Origins of web pages that may use the REST routes."""
    shutdown_seconds: Seconds = 30.0
    """How long running jobs may take to finish after SIGTERM."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """Least level that is logged."""
    log_format: Literal["text", "json"] = "text"
    """Lines for people or for machines."""

    data_dir: Path = Path("data")
    """Where the server keeps what it must not lose."""
    models_dir: Path = Path("models")
    """Weights of the optional backends; see models/README.md."""
    database_url: str = ""
    """SQLAlchemy URL; empty for a SQLite file in DATA_DIR."""

    auth_required: bool = False
    """True closes all but /health, /ready, /callback, pages and logging in to callers without a credential."""
    auth_secret: str = ""
    """Key of bearer tokens and signed URLs, at least 32 characters; empty keeps a generated one in DATA_DIR."""
    api_keys: Names = ()
    """API keys, at least 16 characters each."""
    anonymous_keys: Names = ("not-needed",)
    """Credentials that stand for none, for clients that must send one, such as OpenAI's."""
    admin_email: str = ""
    """The first administrator, who is made at the start together with ADMIN_PASSWORD; empty makes none."""
    admin_password: str = ""
    """The password that it begins with, 8 to 256 characters; another one here later is said and not applied."""
    registration_open: bool = False
    """True lets everybody who reaches the server make an account; else `python -m app users add` does."""
    registrations_per_hour: Count = 10
    """Registrations from one address (IPv6: one /64)."""
    login_attempts: Count = 5
    """Wrong passwords for one account from one address before each further one has to wait, a minute at most."""
    access_token_seconds: PositiveInt = 1800
    """How long an access token is good for."""
    refresh_token_seconds: PositiveInt = 7 * 24 * 3600
    """How long a login lasts without being renewed; each renewal begins it anew."""

    tts_backends: Names = ("espeak", "edge", "piper", "kokoro", "xtts")
    """Speech backends to start, in order of preference. edge sends the text to Microsoft; without it nothing leaves."""
    tts_default_backend: str = "auto"
    """The backend that speaks first when none is named; auto leaves it to the quality."""
    tts_default_language: str = "zh-CN"
    """Language (BCP 47) of texts that do not show theirs, such as 666."""
    tts_workers: Count = 0
    """Processes of the embedded voice; 0 takes one a core, at most four."""
    tts_words_per_minute: Annotated[int, Field(ge=80, le=450)] = 260
    """How fast the embedded voice speaks, as espeak-ng counts words."""
    tts_loudness_lufs: Annotated[float, Field(ge=-31, le=-12)] = -16.0
    """How loud every voice is, in LUFS (ITU-R BS.1770), with true peaks of at most -1 dBFS."""
    tts_handover_seconds: Annotated[float, Field(gt=0)] = 8.0
    """What a backend may take before another one speaks in its place, where none is named."""
    tts_catch_up: Annotated[float, Field(ge=1, le=3)] = 1.5
    """How many times faster lines are spoken while many wait, at most; 1 for never."""
    tts_queue_depth: Count = 256
    """Requests that may wait for one backend."""
    tts_cache_bytes: Bytes = 64 * 1024 * 1024
    """Memory for finished speech; 0 turns the cache off."""
    tts_cache_seconds: Seconds = 3600.0
    """How long finished speech is kept; 0 for as long as there is room."""
    tts_disk_cache_bytes: Bytes = 512 * 1024 * 1024
    """Disk for finished speech of costly voices, under DATA_DIR/cache; 0 turns it off and removes what is there."""
    tts_disk_cache_seconds: Seconds = 7 * 24 * 3600.0
    """How long finished speech is kept on disk; 0 for as long as there is room."""
    tts_max_speech_seconds: PositiveInt = 600
    """Longest speech of one utterance."""

    edge_proxy: str = ""
    """HTTP proxy on the way to Microsoft; empty takes the one of the environment, if any."""
    edge_ca_file: str = ""
    """PEM file of authorities that edge trusts besides the usual ones, for a proxy that opens TLS."""
    edge_pace: Annotated[float, Field(ge=0.5, le=2)] = 1.2
    """What speed 1 means for edge, as a factor of its voices' natural pace, which is that of a news reader."""
    edge_connections: PositiveInt = 4
    """Utterances that edge speaks at the same time; the service refuses those who ask for many."""
    piper_url: str = ""
    """A piper HTTP server that speaks instead of piper here: http://10.0.0.7:5000."""
    piper_workers: PositiveInt = 1
    """Processes of piper, or utterances at the same time where PIPER_URL speaks."""
    piper_voices_in_memory: PositiveInt = 3
    """Voices that each process of piper holds, some 100 MB each; others are loaded when they are asked for."""
    kokoro_model: str = "kokoro-v1.0.onnx"
    """The model's file in MODELS_DIR/kokoro; kokoro-v1.0.int8.onnx is smaller and a little rougher."""
    kokoro_workers: PositiveInt = 1
    """Processes of Kokoro; each uses all cores and holds its own copy of the model, some 700 MB."""
    xtts_device: str = "auto"
    """Where XTTS runs: auto, cpu, cuda or cuda:1."""
    xtts_python: str = ""
    """Interpreter that has coqui-tts; empty takes the server's own."""
    xtts_threads: Count = 0
    """Threads of XTTS on the CPU; 0 leaves it to torch."""
    coqui_tos_agreed: bool = False
    """Whether you agree to the Coqui Public Model License of the XTTS weights: no commercial use."""

    takes_disk_bytes: Bytes = 4 * 1024 * 1024 * 1024
    """Disk for the audio of takes, under DATA_DIR/takes; the oldest takes lose theirs first."""
    takes_disk_seconds: Seconds = 30 * 24 * 3600.0
    """How long the audio of takes is kept; 0 for as long as there is room."""
    takes_max_characters: Count = 20_000
    """Longest text of one take."""
    takes_max_batch: Count = 1000
    """Takes that may be asked for at once."""
    takes_max_waiting: Count = 2000
    """Takes of one account that may wait to be made."""
    takes_at_once: Count = 0
    """Takes made at the same time while nobody listens to them; 0 makes one a core, at most four."""
    speak_max_connections: Count = 1000
    """WebSockets of the speak API, all accounts together."""
    speak_max_connections_per_account: Count = 100
    """WebSockets of the speak API of one account."""
    webhook_secret: str = ""
    """Signs calls of webhooks: whsec_ and base64, or 24 characters; empty keeps one in DATA_DIR/webhook.secret."""
    webhook_ports: Ports = (80, 443)
    """TCP ports that webhooks may be called on."""
    webhook_networks: Names = ()
    """Networks that webhooks may be called in although they are not public: 192.168.1.0/24."""
    webhook_attempts: PositiveInt = 8
    """How often a webhook that does not answer is called; the waits between grow from seconds to hours."""

    sound_readers: Count = 0
    """Processes that read sound files for the catalogue; 0 takes one a core, at most four."""
    tracks_max_seconds: PositiveInt = 6 * 3600
    """Longest sound of one track."""
    tracks_max_upload_bytes: Bytes = 1024 * 1024 * 1024
    """Largest sound file that may be uploaded as a track."""
    tracks_max_import_bytes: Bytes = 16 * 1024 * 1024 * 1024
    """Largest archive of a catalogue that may be uploaded."""
    recognize_max_bytes: Bytes = 256 * 1024 * 1024
    """Largest file that may be sent to be recognised."""
    recognize_max_seconds: PositiveInt = 4 * 3600
    """Longest sound that may be sent to be recognised."""
    recognize_at_once: PositiveInt = 2
    """Files that are recognised at the same time."""
    recognize_max_waiting: Count = 16
    """Files that may wait to be recognised, while they arrive and afterwards; others are refused."""

    lipsync_timeout_seconds: Annotated[float, Field(gt=0)] = 300.0
    """Longest time from the order of a talking portrait to its video, waiting included."""
    lipsync_max_audio_bytes: Bytes = 50 * 1024 * 1024
    """Largest sound file that a portrait may speak."""
    lipsync_max_image_bytes: Bytes = 10 * 1024 * 1024
    """Largest picture file that may speak."""
    lipsync_max_video_bytes: Bytes = 50 * 1024 * 1024
    """Largest film of a talking head that may be made to speak."""
    lipsync_max_video_seconds: PositiveInt = 120
    """Longest such film; it is played forth and back for as long as the sound lasts."""
    lipsync_max_seconds: PositiveInt = 3600
    """Longest sound that a portrait may speak."""
    lipsync_at_once: Count = 0
    """Portraits that are drawn at the same time; 0 takes one a core, at most four."""
    lipsync_max_waiting: Count = 16
    """Portraits that may wait for that."""
    lipsync_cache_bytes: Bytes = 256 * 1024 * 1024
    """Memory for pictures that have spoken, so that they are looked at once."""
    lipsync_album_bytes: Bytes = 128 * 1024 * 1024
    """Memory for the files of pictures that were sent, so that they can be named instead; 0 keeps none."""
    lipsync_device: str = "auto"
    """Where the portrait networks run: auto, cpu, cuda or cuda:1."""
    lipsync_faces: Literal["mesh", "face-alignment"] = "mesh"
    """Who looks for faces: mesh, the models of the set-up; face-alignment, before these, by its package and weights."""
    lipsync_max_connections: Count = 0
    """Connections to /ws/lip-sync, all addresses together."""
    lipsync_max_connections_per_ip: Count = 0
    """Those from one address (IPv6: one /64)."""

    wyoming_port: Annotated[int, Field(ge=0, le=65535)] = 0
    """TCP port of the Wyoming protocol, for Home Assistant: usually 10200; 0 turns it off."""
    wyoming_max_connections: Count = 64
    """Connections of the Wyoming protocol."""

    audio_files_dir: Path = Path("audio_files")
    """Folder of the sound files that /ws/play plays and /audio gives away."""
    calls_max_connections: Count = 1000
    """Connections to /ws/echo and /ws/play, all addresses together."""
    calls_max_connections_per_ip: Count = 0
    """Those from one address (IPv6: one /64); a call platform has few."""
    calls_idle_timeout_seconds: Seconds = 300.0
    """Time without a message after which /ws/echo is closed; 0 never closes it."""
    host_name: str = "http://localhost:8000"
    """Where a call platform reaches this server; it reports to /callback there, whether that is said here or not."""
    vonage_signature_secret: str = ""
    """Signature secret of the Vonage account; with it, /callback takes what that account signed and nothing else."""
    callbacks_kept: Count = 10_000
    """Reports of call platforms that are kept, the newest ones."""

    danmu_max_connections: Count = 2000
    """Connections to /ws, all addresses together."""
    danmu_max_connections_per_ip: Count = 10
    """Connections to /ws from one address (IPv6: one /64)."""
    danmu_max_messages_per_minute: Count = 60
    """Requests of one connection to /ws; heartbeat_ack is free."""
    danmu_heartbeat_seconds: Seconds = 30.0
    """Silence on /ws after which the server sends a heartbeat; 0 sends none."""
    danmu_idle_timeout_seconds: Seconds = 300.0
    """Time without a message of the client after which /ws is closed; 0 never closes it."""

    streaming_buffer_duration: Annotated[float, Field(ge=1, le=30)] = 3.0
    """Seconds of a live stream that are looked at together."""
    streaming_hop_duration: Annotated[float, Field(ge=0.1, le=10)] = 0.5
    """Seconds of a live stream's audio from one look to the next."""
    fingerprint_sample_rate: Annotated[int, Field(ge=8000, le=96_000)] = 22_050
    """Hz of live streams that name no sample_rate."""
    websocket_max_connections: Count = 100
    """Connections to /ws/stream, all addresses together."""
    stream_max_connections_per_ip: Count = 10
    """Connections to /ws/stream from one address (IPv6: one /64)."""
    stream_max_attempts_per_minute: Count = 30
    """Attempts of one address to connect to /ws/stream."""
    stream_max_bytes_per_second: Bytes = 204_800
    """Audio of one live stream; two seconds of it may come at once."""
    stream_max_messages_per_minute: Count = 1000
    """Messages of one live stream."""
    stream_idle_timeout_seconds: Seconds = 300.0
    """Time without audio after which /ws/stream is closed; 0 never closes it."""

    @field_validator(
        "forwarded_allow_ips",
        "cors_origins",
        "api_keys",
        "anonymous_keys",
        "tts_backends",
        "webhook_ports",
        "webhook_networks",
        mode="before",
    )
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value
