"""The takes of this server that wait to be made and that nobody listens to yet.

Accounts take turns, one take each; an account's own takes keep their order. Only ids wait here: what they stand for is
in the store until its turn comes, so a thousand long texts take no memory.
"""

from collections import Counter, OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager

from app.errors import Overloaded


class Backlog:
    """Ids of takes by account, bounded."""

    def __init__(self, *, per_account: int, total: int) -> None:
        """Bound it; 0 means no limit."""
        self._per_account = per_account
        self._total = total
        self._waiting: OrderedDict[str, OrderedDict[str, None]] = OrderedDict()
        self._count = 0
        self._reserved: Counter[str] = Counter()

    def __len__(self) -> int:
        return self._count

    def __contains__(self, take_id: str) -> bool:
        return any(take_id in takes for takes in self._waiting.values())

    @contextmanager
    def room(self, owner: str, more: int) -> Iterator[None]:
        """Hold room for takes that are to be added within the block, whoever else comes meanwhile.

        Raises:
            Overloaded: an account, or all together, would have more waiting than they may.
        """
        self._check(owner, more)
        self._reserved[owner] += more
        try:
            yield
        finally:
            self._reserved[owner] -= more
            self._reserved += Counter()  # forgets accounts without any

    def add(self, owner: str, take_id: str) -> None:
        """Let a take wait."""
        self._waiting.setdefault(owner, OrderedDict())[take_id] = None
        self._count += 1

    def pop(self) -> tuple[str, str] | None:
        """Return owner and id of the take whose turn it is, which waits no longer; None if none does."""
        if not self._waiting:
            return None
        owner, takes = next(iter(self._waiting.items()))
        take_id, _ = takes.popitem(last=False)
        self._took(owner)
        if owner in self._waiting:
            self._waiting.move_to_end(owner)
        return owner, take_id

    def discard(self, owner: str, take_id: str) -> bool:
        """Let a take wait no longer; returns whether it did."""
        takes = self._waiting.get(owner, OrderedDict[str, None]())
        if take_id not in takes:
            return False
        del takes[take_id]
        self._took(owner)
        return True

    def _check(self, owner: str, more: int) -> None:
        own = len(self._waiting.get(owner, ())) + self._reserved[owner]
        if self._per_account and own + more > self._per_account:
            raise Overloaded(f"{own} takes of this account wait, and {more} more, {self._per_account} may")
        everybodys = self._count + self._reserved.total()
        if self._total and everybodys + more > self._total:
            raise Overloaded(f"{everybodys} takes wait, {self._total} may")

    def _took(self, owner: str) -> None:
        self._count -= 1
        if not self._waiting[owner]:
            del self._waiting[owner]
