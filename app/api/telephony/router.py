"""`/ws/echo` and `/ws/play/{filename}`: the WebSockets of calls.

Who may not connect, or asks for something that there is not, is refused in the handshake. A file that is not played
ends its connection after that, with the document's code and reason.
"""

from collections.abc import Mapping
from contextlib import suppress

from fastapi import APIRouter, WebSocket

from app.api.admission import abort_of, admit, divert_of, send_now_of
from app.api.telephony import messages
from app.api.telephony.conversation import Conversation
from app.api.telephony.failure import ending, failure
from app.api.telephony.limits import CallLimits
from app.api.telephony.playing import Playing
from app.calls.audio_files import AudioFiles
from app.calls.processor import MakeProcessor
from app.calls.shared_reads import SharedReads
from app.calls.sounds import Sounds
from app.errors import ChorusError, InvalidInput
from app.runtime.connections import Gate
from app.runtime.session import GONE, Ending

ECHO_PATH = "/ws/echo"
PLAY_PREFIX = "/ws/play/"


def router(
    processors: Mapping[str, MakeProcessor],
    files: AudioFiles,
    reads: SharedReads,
    sounds: Sounds,
    gate: Gate,
    limits: CallLimits,
) -> APIRouter:
    """Open the WebSockets of calls.

    Args:
        processors: by the name by which a client chooses one; `echo` is among them.
        files: that may be played.
        reads: reads them as they are.
        sounds: reads them as the sound of calls.
        gate: counts the connections of both.
        limits: of this door.
    """
    routes = APIRouter()

    @routes.websocket(ECHO_PATH)
    async def converse(socket: WebSocket) -> None:
        try:
            options = messages.decode_echo_options(socket.query_params, processors=processors)
        except InvalidInput as error:
            await socket.send_denial_response(failure(error))
            return
        connection = await admit(socket, gate)
        if connection is None:
            return
        with connection:
            await socket.accept()
            conversation = Conversation(
                processors[options.processor],
                socket,
                limits,
                options,
                divert=divert_of(socket),
                send_now=send_now_of(socket),
                abort=abort_of(socket),
            )
            connection.session = conversation.session
            await conversation.run()

    @routes.websocket(PLAY_PREFIX + "{filename}")
    async def play(socket: WebSocket, filename: str) -> None:
        try:
            options = messages.decode_play_options(socket.query_params)
        except InvalidInput as error:
            await socket.send_denial_response(failure(error))
            return
        connection = await admit(socket, gate)
        if connection is None:
            return
        with connection:
            await socket.accept()
            try:
                file = await files.find(filename)
            except ChorusError as error:
                await _turn_away(socket, ending(error))
                return
            playing = Playing(
                file,
                reads,
                sounds,
                socket,
                limits,
                options,
                divert=divert_of(socket),
                send_now=send_now_of(socket),
                abort=abort_of(socket),
            )
            connection.session = playing.session
            await playing.run()

    return routes


async def _turn_away(socket: WebSocket, ends: Ending) -> None:
    with suppress(*GONE):
        await socket.close(ends.code, ends.reason)
