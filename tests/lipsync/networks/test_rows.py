import pytest

from app.lipsync.networks import nota, wav2lip
from app.lipsync.networks.plan import Plan
from app.lipsync.networks.rows import cut


@pytest.mark.parametrize(
    ("plan", "reads_from"),
    [(nota.PLAN, [0, 0, 1, 2, 5, 10, 21, 42]), (wav2lip.PLAN, [0, 0, 0, 0, 3, 9, 20, 42])],
)
def test_rows_that_are_not_pasted_are_not_drawn(plan: Plan, reads_from: list[int]) -> None:
    assert [rows.reads_from for rows in cut(plan, 44)] == reads_from


def test_a_doubled_block_writes_from_twice_the_row_it_reads_from() -> None:
    assert [rows.writes_from for rows in cut(nota.PLAN, 44)] == [0, 0, 2, 4, 10, 20, 42, 42]


@pytest.mark.parametrize("plan", [nota.PLAN, wav2lip.PLAN])
def test_the_whole_face_needs_every_row(plan: Plan) -> None:
    assert {rows.reads_from for rows in cut(plan, 0)} == {0}
