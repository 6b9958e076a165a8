"""The TCP door of the Wyoming protocol."""

import logging

import anyio
from anyio.abc import SocketAttribute, SocketStream, TaskStatus

from app.api.wyoming import messages
from app.api.wyoming.conversation import GONE, Conversation, WyomingLimits
from app.errors import ChorusError
from app.runtime.connections import Gate
from app.tts.synthesizer import Synthesizer

logger = logging.getLogger(__name__)

REFUSAL_SECONDS = 5.0


async def serve(
    synthesizer: Synthesizer,
    gate: Gate,
    limits: WyomingLimits,
    *,
    host: str,
    port: int,
    version: str,
    task_status: TaskStatus[int] = anyio.TASK_STATUS_IGNORED,
) -> None:
    """Serve until cancelled, which ends every conversation; starts (`group.start`) with the port it listens on.

    Args:
        synthesizer: speaks.
        gate: counts the connections; draining it lets what is spoken be finished.
        limits: of one connection.
        host: address to listen on; a name is looked up.
        port: 0 takes a free one.
        version: of the server, for its description.
        task_status: of the task group that starts it.

    Raises:
        OSError: the port cannot be listened on.
    """

    async def converse(stream: SocketStream) -> None:
        async with stream:
            try:
                await _converse(stream, synthesizer, gate, limits, version)
            except Exception:  # the border of this door: a fault of ours with one client must not end the others
                logger.exception("a conversation over Wyoming failed")

    async with await anyio.create_tcp_listener(local_host=host, local_port=port) as listener:
        bound = listener.extra(SocketAttribute.local_port)
        logger.info("serving Wyoming on %s:%d", host, bound)
        task_status.started(bound)
        await listener.serve(converse)


async def _converse(
    stream: SocketStream, synthesizer: Synthesizer, gate: Gate, limits: WyomingLimits, version: str
) -> None:
    address = stream.extra(SocketAttribute.remote_address, None)
    try:
        connection = gate.admit(address[0] if isinstance(address, tuple) else "")
    except ChorusError as error:
        await _refuse(stream, error)
        return
    with connection:
        conversation = Conversation(synthesizer, stream, limits, client=connection.client, version=version)
        connection.session = conversation
        await conversation.run()


async def _refuse(stream: SocketStream, error: ChorusError) -> None:
    with anyio.move_on_after(REFUSAL_SECONDS):
        try:
            await stream.send(messages.encode_failure(error))
        except GONE:
            logger.debug("a Wyoming client left before it was refused")
