"""The program of a process that hears streams (`app.fingerprint.ear_process`), one order after another.

python -m app.fingerprint.ear_worker
"""

import traceback
from dataclasses import replace
from pathlib import Path

from app.errors import Unavailable
from app.fingerprint.ear import Batch, Ears, Listened
from app.fingerprint.ear_orders import MAX_BYTES, Answer, Change, Open, Order, decode_order, encode
from app.fingerprint.follower import add, remove
from app.fingerprint.index import Index
from app.fingerprint.recognizer import Recognizer
from app.fingerprint.warm_up import warm_up
from app.runtime.child import Channel, run


class Worker:
    """Follows orders."""

    def __init__(self) -> None:
        self._index: Index | None = None
        self._ears = Ears(self._make)
        self._window, self._hop = 3.0, 0.5

    def follow(self, order: Order) -> Answer:
        """Do what is asked."""
        match order:
            case Open():
                self._open(order)
            case _ if self._index is None:
                return Answer(None, [])
            case Change():
                self._change(self._index, order)
            case Batch():
                listened = [_told(one) for one in self._ears.hear(order)]
                return Answer(self._index.generation, listened)
        assert self._index is not None
        return Answer(self._index.generation, [])

    def _open(self, order: Open) -> None:
        self._index = Index(Path(order.folder), origin=order.origin)
        self._ears = Ears(self._make)
        self._window, self._hop = order.window, order.hop

    def _change(self, index: Index, change: Change) -> None:
        if not index.refresh():  # else it has more than this, maybe, and the answer says from where to go on
            remove(index, change.removed)
            add(index, change.stored)
            index.reached(change.generation)

    def _make(self, sample_rate: int) -> Recognizer:
        if self._index is None:
            raise Unavailable("the index of tracks is not open")
        return Recognizer(self._index, sample_rate=sample_rate, window=self._window, hop=self._hop)


def _told(listened: Listened) -> Listened:
    """Return what can be told to another process: an error of ours, whatever it was."""
    error = listened.error
    if error is None:
        return listened
    if isinstance(error, Unavailable):
        return replace(listened, error=Unavailable(str(error)))
    return replace(listened, error=RuntimeError("".join(traceback.format_exception(error))))


def program(channel: Channel) -> None:
    """Serve until the server has gone."""
    warm_up()
    worker = Worker()
    channel.ready()
    for request in channel.requests():
        channel.chunk(encode(worker.follow(decode_order(request))))
        channel.end()


if __name__ == "__main__":
    run(program, max_frame_bytes=MAX_BYTES)
