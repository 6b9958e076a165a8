"""Stores that forget when they go; verified by the suites of the real ones (test_sql.py, test_sql_deliveries.py)."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from app.takes.deliveries import Delivery, Hook
from app.takes.store import Page
from app.takes.take import Take, Webhook
from app.takes.voice import Voice

Item = TypeVar("Item", Take, Voice)


class FakeStore:
    """`app.takes.store.Store`; its calls to webhooks are those of `deliveries`."""

    def __init__(self) -> None:
        self.takes: dict[str, Take] = {}
        self.voices: dict[str, Voice] = {}
        self.makers: dict[str, str] = {}
        self.deliveries = FakeDeliveries(self)

    async def add_takes(self, takes: Sequence[Take], *, maker: str, deliveries: Sequence[Delivery] = ()) -> None:
        assert not any(take.id in self.takes for take in takes)
        self.takes |= {take.id: take for take in takes}
        self.makers |= {take.id: maker for take in takes}
        await self.deliveries.add(deliveries)

    async def save_take(self, take: Take, *, deliveries: Sequence[Delivery] = ()) -> bool:
        kept = await self.find_take(take.owner, take.id)
        if kept is None or kept.status.is_done:
            return False
        self.takes[take.id] = replace(kept, status=take.status, recorded=take.recorded, error=take.error)
        await self.deliveries.add(deliveries)
        return True

    async def find_take(self, owner: str, take_id: str) -> Take | None:
        take = self.takes.get(take_id)
        return take if take and take.owner == owner else None

    async def list_takes(self, owner: str, page: Page) -> list[Take]:
        return _page([take for take in self.takes.values() if take.owner == owner], page)

    async def delete_take(self, owner: str, take_id: str) -> bool:
        found = await self.find_take(owner, take_id)
        return found is not None and self.takes.pop(take_id) is found

    async def known_takes(self, take_ids: Collection[str]) -> frozenset[str]:
        return frozenset(take_ids) & self.takes.keys()

    async def unfinished_takes(self, maker: str, *, limit: int, after: str = "") -> list[Take]:
        return [take for take in self._unfinished(self.takes, maker) if take.id > after][:limit]

    async def overdue_takes(self, *, before_ms: int, limit: int) -> list[Take]:
        late = [take for take in self.takes.values() if take.timestamp_ms < before_ms and not take.status.is_done]
        return sorted(late, key=_time)[:limit]

    async def add_voice(self, voice: Voice, *, maker: str = "", deliveries: Sequence[Delivery] = ()) -> None:
        if voice.id not in self.voices:
            self.voices[voice.id] = voice
            self.makers[voice.id] = maker
            await self.deliveries.add(deliveries)

    async def save_voice(self, voice: Voice, *, deliveries: Sequence[Delivery] = ()) -> bool:
        kept = self.voices.get(voice.id)
        if kept is None or kept.owner != voice.owner or kept.status.is_done:
            return False
        self.voices[voice.id] = replace(kept, status=voice.status, example_take_id=voice.example_take_id)
        await self.deliveries.add(deliveries)
        return True

    async def change_voice(self, owner: str, voice_id: str, change: Callable[[Voice], Voice]) -> Voice | None:
        kept = self.voices.get(voice_id)
        if kept is None or kept.owner != owner:
            return None
        wanted = change(kept)
        self.voices[voice_id] = replace(kept, request=wanted.request, design=wanted.design)
        return self.voices[voice_id]

    async def find_voice(self, owner: str, voice_id: str) -> Voice | None:
        voice = self.voices.get(voice_id)
        return voice if voice and voice.owner in (owner, None) else None

    async def list_voices(self, owner: str, page: Page) -> list[Voice]:
        return _page([voice for voice in self.voices.values() if voice.owner in (owner, None)], page)

    async def delete_voice(self, owner: str, voice_id: str) -> bool:
        found = self.voices.get(voice_id)
        return found is not None and found.owner == owner and self.voices.pop(voice_id) is found

    async def unfinished_voices(self, maker: str) -> list[Voice]:
        return self._unfinished(self.voices, maker)

    def _unfinished(self, items: dict[str, Item], maker: str) -> list[Item]:
        mine = [item for item in items.values() if self.makers[item.id] == maker and not item.status.is_done]
        return sorted(mine, key=lambda item: item.id)


@dataclass
class FakeDeliveries:
    """`app.takes.deliveries.Deliveries`."""

    store: FakeStore
    owed: dict[str, Delivery] = field(default_factory=dict)

    async def add(self, deliveries: Sequence[Delivery]) -> None:
        self.owed = {delivery.id: delivery for delivery in deliveries} | self.owed

    async def claim(self, *, now_ms: int, until_ms: int, limit: int, busy: Collection[str] = ()) -> list[Delivery]:
        due = sorted((each for each in self._first(busy) if each.next_ms <= now_ms), key=lambda it: (it.next_ms, it.id))
        firsts = {each.receiver: each for each in reversed(due)}
        due = [each for each in due if each is firsts[each.receiver]]
        claimed = [replace(each, next_ms=until_ms, attempts=each.attempts + 1) for each in due[:limit]]
        self.owed |= {each.id: each for each in claimed}
        return claimed

    async def settle(
        self, delivery: Delivery, *, timestamp_ms: int, status_code: int | None, retry_ms: int | None = None
    ) -> bool:
        if not self._is_held(delivery):
            return False
        if retry_ms is None:
            del self.owed[delivery.id]
        else:
            self.owed[delivery.id] = replace(delivery, next_ms=retry_ms)
        self._note(delivery, timestamp_ms, status_code)
        return True

    async def give_back(self, delivery: Delivery) -> None:
        if self._is_held(delivery):
            self.owed[delivery.id] = replace(delivery, next_ms=0, attempts=delivery.attempts - 1)

    async def next_ms(self, *, busy: Collection[str] = ()) -> int | None:
        return min((each.next_ms for each in self._first(busy)), default=None)

    def _first(self, busy: Collection[str]) -> list[Delivery]:
        lanes: dict[tuple[str, Hook], Delivery] = {}
        for _, each in sorted(self.owed.items()):
            lanes.setdefault((each.subject, each.hook), each)
        return [each for each in lanes.values() if each.receiver not in busy]

    def _is_held(self, delivery: Delivery) -> bool:
        kept = self.owed.get(delivery.id)
        return kept is not None and kept.attempts == delivery.attempts

    def _note(self, delivery: Delivery, timestamp_ms: int, status_code: int | None) -> None:
        def called(webhook: Webhook | None) -> Webhook | None:
            return webhook and replace(webhook, timestamp_ms=timestamp_ms, status_code=status_code)

        take, voice = self.store.takes.get(delivery.subject), self.store.voices.get(delivery.subject)
        if take and take.owner == delivery.owner:
            name = f"{delivery.hook}_webhook"
            wording = replace(take.request.wording, **{name: called(getattr(take.request.wording, name))})
            self.store.takes[take.id] = replace(take, request=replace(take.request, wording=wording))
        if voice and voice.owner == delivery.owner and delivery.hook is Hook.DONE:
            request = replace(voice.request, done_webhook=called(voice.request.done_webhook))
            self.store.voices[voice.id] = replace(voice, request=request)


def _page(items: list[Item], page: Page) -> list[Item]:
    wanted = [item for item in items if _is_wanted(item, page)]
    return sorted(wanted, key=_time, reverse=True)[page.offset : page.offset + page.length]


def _is_wanted(item: Take | Voice, page: Page) -> bool:
    return (
        (page.ids is None or item.id in page.ids)
        and (page.older is None or item.timestamp_ms <= page.older)
        and (page.newer is None or item.timestamp_ms >= page.newer)
    )


def _time(item: Take | Voice) -> tuple[int, str]:
    return item.timestamp_ms, item.id
