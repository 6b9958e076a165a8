"""A store of callbacks in memory, held to the suite of the real ones."""

from collections.abc import Sequence

from app.calls.callback import MAX_KEPT_BYTES, Arrival, Callback
from app.calls.callbacks import Found, Wanted


class FakeCallbacks:
    def __init__(self) -> None:
        self._kept: list[tuple[int, Arrival]] = []

    async def add(self, arrivals: Sequence[Arrival], *, keep: int) -> None:
        last = self._kept[-1][0] if self._kept else 0
        self._kept += enumerate(arrivals, last + 1)
        self._kept = self._kept[-keep:]

    async def search(self, wanted: Wanted) -> Found:
        found = [_callback(id, arrival) for id, arrival in reversed(self._kept) if _is_wanted(arrival, wanted)]
        return Found(found[wanted.offset : wanted.offset + wanted.length], len(found))


def _is_wanted(arrival: Arrival, wanted: Wanted) -> bool:
    since = -1 if wanted.since_ms is None else wanted.since_ms
    until = arrival.received_ms + 1 if wanted.until_ms is None else wanted.until_ms
    return since <= arrival.received_ms < until and set(wanted.fields) <= set(arrival.fields)


def _callback(id: int, arrival: Arrival) -> Callback:
    return Callback(
        id=id,
        received_ms=arrival.received_ms,
        method=arrival.method,
        query=arrival.query[:MAX_KEPT_BYTES],
        body=arrival.body[:MAX_KEPT_BYTES],
        size=len(arrival.body),
        kind=arrival.kind,
        signed=arrival.signed,
    )
