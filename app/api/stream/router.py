"""`/ws/stream/{client_id}`: the WebSocket of live recognition.

Who may not connect at all, or too often, is refused in the handshake. Where there are too many connections, the
document has a client told so by a message and a close; that its automatic reconnection would then come every second is
what the limit of attempts is for, which counts those too.
"""

from fastapi import APIRouter, WebSocket

from app.api.admission import abort_of, divert_of
from app.api.stream import messages
from app.api.stream.conversation import Conversation, FindTracks
from app.api.stream.failure import failure
from app.api.stream.limits import StreamLimits
from app.api.stream.messages import TRY_AGAIN_LATER, Options
from app.api.stream.streams import Streams
from app.errors import ChorusError, RateLimited, TooManyConnections
from app.fingerprint.hearings import Hearings
from app.runtime.connections import Connection, Gate
from app.runtime.credentials import identity_of
from app.runtime.limits import RateWindow, client_key
from app.runtime.session import POLICY

PREFIX = "/ws/stream/"


def router(
    hearings: Hearings,
    find_tracks: FindTracks,
    streams: Streams,
    gate: Gate,
    limits: StreamLimits,
    *,
    sample_rate: int = 22_050,
) -> APIRouter:
    """Open the WebSocket onto the recognition of live streams.

    Args:
        hearings: the engine.
        find_tracks: says what hits are called.
        streams: where they are listed.
        gate: counts connections; it has no limit of attempts, which is kept here.
        limits: of this door; those of `gate` are made of them.
        sample_rate: of streams that name none, in Hz.
    """
    routes = APIRouter()
    attempts = RateWindow(limits.attempts_per_minute)

    @routes.websocket(PREFIX + "{client_id:path}")
    async def listen(socket: WebSocket, client_id: str) -> None:
        host = socket.client.host if socket.client else ""
        identity = identity_of(socket.scope)
        owner = identity.subject if identity else None
        try:
            _count_attempt(attempts, client_key(host))
            messages.check_id(client_id)
            options = messages.decode_options(socket.query_params, sample_rate=sample_rate)
            await streams.make_room(client_id, owner)
            connection = gate.admit(host)
        except TooManyConnections as error:
            is_full = bool(limits.connections) and len(gate) >= limits.connections
            await _turn_away(socket, error, code=TRY_AGAIN_LATER if is_full else POLICY)
        except ChorusError as error:
            await socket.send_denial_response(failure(error))
        else:
            await converse(socket, connection, client_id, owner, options)

    async def converse(
        socket: WebSocket, connection: Connection, client_id: str, owner: str | None, options: Options
    ) -> None:
        with connection:
            await socket.accept()
            conversation = Conversation(
                hearings, find_tracks, socket, limits, options, abort=abort_of(socket), divert=divert_of(socket)
            )
            with streams.enter(client_id, owner, conversation):
                connection.session = conversation.session
                await conversation.run()

    return routes


def _count_attempt(attempts: RateWindow, key: str) -> None:
    if not attempts.attempt(key):
        raise RateLimited("too many attempts to connect within a minute", retry_after=attempts.wait_time(key))


async def _turn_away(socket: WebSocket, error: TooManyConnections, *, code: int) -> None:
    await socket.accept()
    await socket.send_text(messages.encode_error(f"Connection limit exceeded: {error}"))
    await socket.close(code, "too many connections")
