"""Which calls to webhooks a change of a take or a voice owes."""

import time
from collections.abc import Callable, Iterator

from app.takes.deliveries import Delivery, Hook
from app.takes.ids import Ids, Kind
from app.takes.take import Take, Webhook
from app.takes.voice import Voice

Render = Callable[[Take | Voice], bytes]
"""Writes a take or a voice as a door does, which is the body of a call."""


class Hooks:
    """Writes out calls that are owed; `app.takes.webhooks` makes them."""

    def __init__(self, render: Render, ids: Ids, *, clock: Callable[[], float] = time.time) -> None:
        """Make calls whose body is of `render`; `clock` is in seconds since the epoch."""
        self._render = render
        self._ids = ids
        self._clock = clock

    def owed(self, item: Take | Voice) -> list[Delivery]:
        """Return the calls that tell of the status that an item has now: of every one, and of the last alone."""
        return [self._delivery(item, hook, webhook) for hook, webhook in _called(item)]

    def _delivery(self, item: Take | Voice, hook: Hook, webhook: Webhook) -> Delivery:
        return Delivery(
            id=self._ids.new(Kind.DELIVERY),
            owner=item.owner or "",
            subject=item.id,
            hook=hook,
            url=webhook.post_url,
            body=self._render(item),
            next_ms=int(self._clock() * 1000),
        )


def _called(item: Take | Voice) -> Iterator[tuple[Hook, Webhook]]:
    done = item.request.wording.done_webhook if isinstance(item, Take) else item.request.done_webhook
    if isinstance(item, Take) and item.request.wording.status_webhook is not None:
        yield Hook.STATUS, item.request.wording.status_webhook
    if item.status.is_done and done is not None:
        yield Hook.DONE, done
