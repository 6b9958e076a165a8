import gc
import io
import os
import stat

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.errors import Unavailable
from app.takes.draft import Draft
from tests.takes.shelves import no_room_behind


class Keeper:
    def __init__(self, most: int = 1 << 40) -> None:
        self.most = most
        self.reserved: list[int] = []

    def reserve(self, draft: Draft, size_bytes: int) -> None:
        if size_bytes > self.most:
            raise Unavailable("no room")
        self.reserved.append(size_bytes)

    def keep(self, draft: Draft) -> None:
        draft.own_path.replace(draft.path)

    def drop(self, draft: Draft) -> bool:
        draft.own_path.unlink()
        return True


def test_a_draft_has_not_its_name_before_it_is_kept(tmp_path):
    draft = Draft(tmp_path / "new" / "a.wav", Keeper())
    draft.write(b"abc")
    assert [path.name for path in (tmp_path / "new").iterdir()] == [draft.own_path.name] != ["a.wav"]
    draft.keep()
    assert (tmp_path / "new" / "a.wav").read_bytes() == b"abc"


def test_nothing_is_left_of_a_dropped_one(tmp_path):
    draft = Draft(tmp_path / "a.wav", Keeper())
    draft.drop()
    assert list(tmp_path.iterdir()) == []


def test_only_its_owner_may_read_it(tmp_path):
    draft = Draft(tmp_path / "new" / "a.wav", Keeper())
    assert stat.S_IMODE(draft.own_path.stat().st_mode) == 0o600
    assert stat.S_IMODE(draft.own_path.parent.stat().st_mode) == 0o700


def test_room_is_asked_for_only_where_it_grows(tmp_path):
    keeper = Keeper()
    draft = Draft(tmp_path / "a", keeper)
    draft.write(b"abcd")
    draft.seek(1)
    draft.write(b"BC")
    draft.write(b"DE")
    assert (keeper.reserved, draft.size_bytes, draft.own_path.read_bytes()) == ([0, 4, 5], 5, b"aBCDE")


def test_without_room_nothing_is_written(tmp_path):
    draft = Draft(tmp_path / "a", Keeper(most=5))
    draft.write(b"abc")
    with pytest.raises(Unavailable):
        draft.write(b"def")
    assert (draft.tell(), draft.size_bytes, draft.own_path.read_bytes()) == (3, 3, b"abc")


def test_a_full_disk_does_not_move_the_position(tmp_path):
    draft = Draft(tmp_path / "a", Keeper())
    draft.write(b"abc")
    with no_room_behind(5), pytest.raises(OSError, match="large"):
        draft.write(b"defgh")
    assert (draft.tell(), draft.size_bytes) == (3, 3)
    draft.write(b"DEFGH")
    assert draft.own_path.read_bytes() == b"abcDEFGH"


def test_before_the_file_there_is_no_place(tmp_path):
    with pytest.raises(io.UnsupportedOperation):
        Draft(tmp_path / "a", Keeper()).seek(-1)


STEPS = st.lists(
    st.tuples(st.just("write"), st.binary(max_size=20), st.just(0))
    | st.tuples(st.just("seek"), st.integers(0, 40), st.sampled_from([os.SEEK_SET, os.SEEK_CUR, os.SEEK_END]))
)


@given(steps=STEPS)
@settings(deadline=None)
def test_it_is_written_like_any_file(tmp_path_factory, steps):
    draft, model = Draft(tmp_path_factory.mktemp("draft") / "a", Keeper()), io.BytesIO()
    for step, argument, whence in steps:
        if step == "write":
            assert draft.write(argument) == model.write(argument)
        else:
            assert draft.seek(argument, whence) == model.seek(argument, whence)
        assert draft.tell() == model.tell()
    assert draft.own_path.read_bytes() == model.getvalue()
    assert draft.size_bytes == len(model.getvalue())


def test_the_file_closes_when_nobody_has_it(tmp_path):
    draft = Draft(tmp_path / "a", Keeper())
    number = draft.file.number
    del draft
    gc.collect()
    with pytest.raises(OSError, match="descriptor"):
        os.fstat(number)
