from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.errors import Corrupt, Unavailable
from app.runtime.download import Downloader, Source, check
from tests.file_server import FileServer, serving

CONTENT = bytes(range(256)) * 4000
"""A megabyte, four times what is read at once."""


@pytest.fixture
def files() -> Iterator[FileServer]:
    with serving(CONTENT) as server:
        yield server


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def downloader(pauses: list[float]) -> Iterator[Downloader]:
    with Downloader(sleep=pauses.append, timeout=10) as made:
        yield made


def known(files: FileServer) -> Source:
    return Source(f"{files.url}/model", len(files.content), files.sha256)


def test_file_is_fetched_and_proven(files: FileServer, downloader: Downloader, tmp_path: Path) -> None:
    path = tmp_path / "piper" / "model"
    fetched = downloader.fetch(known(files), path)
    assert path.read_bytes() == CONTENT
    assert (fetched.sha256, fetched.is_new, fetched.is_proven) == (files.sha256, True, True)
    assert [each.name for each in path.parent.iterdir()] == ["model"]


def test_file_that_is_there_is_not_fetched_again(files: FileServer, downloader: Downloader, tmp_path: Path) -> None:
    (tmp_path / "model").write_bytes(CONTENT)
    assert not downloader.fetch(known(files), tmp_path / "model").is_new
    assert files.ranges == []


@pytest.mark.parametrize("there", [b"", CONTENT[:-1], b"x" * len(CONTENT)])
def test_damaged_file_is_replaced(files: FileServer, downloader: Downloader, tmp_path: Path, there: bytes) -> None:
    (tmp_path / "model").write_bytes(there)
    assert downloader.fetch(known(files), tmp_path / "model").is_new
    assert (tmp_path / "model").read_bytes() == CONTENT


def test_progress_is_told(files: FileServer, downloader: Downloader, tmp_path: Path) -> None:
    told: list[tuple[int, int | None]] = []
    downloader.fetch(known(files), tmp_path / "model", progress=lambda done, total: told.append((done, total)))
    assert told[0] == (0, len(CONTENT))
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_redirects_are_followed(files: FileServer, downloader: Downloader, tmp_path: Path) -> None:
    files.redirects = {"/model": "/elsewhere/model"}
    assert downloader.fetch(known(files), tmp_path / "model").is_new


# --- broken connections ---


def test_cut_connection_is_taken_up_where_it_broke(
    files: FileServer, downloader: Downloader, tmp_path: Path, pauses: list[float]
) -> None:
    files.cut_after = [300_000, 200_000]
    downloader.fetch(known(files), tmp_path / "model")
    assert (tmp_path / "model").read_bytes() == CONTENT
    assert files.ranges == [None, "bytes=300000-", "bytes=500000-"]
    assert pauses == [1, 1]


def test_part_of_an_earlier_run_is_used(files: FileServer, downloader: Downloader, tmp_path: Path) -> None:
    (tmp_path / "model.part").write_bytes(CONTENT[:1000])
    downloader.fetch(known(files), tmp_path / "model")
    assert (tmp_path / "model").read_bytes() == CONTENT
    assert files.ranges == ["bytes=1000-"]


def test_whole_part_of_an_earlier_run_needs_no_request(
    files: FileServer, downloader: Downloader, tmp_path: Path
) -> None:
    (tmp_path / "model.part").write_bytes(CONTENT)
    assert downloader.fetch(known(files), tmp_path / "model").is_new
    assert files.ranges == []


def test_server_that_knows_no_ranges_sends_all_again(files: FileServer, downloader: Downloader, tmp_path: Path) -> None:
    files.knows_ranges, files.cut_after = False, [300_000]
    downloader.fetch(known(files), tmp_path / "model")
    assert (tmp_path / "model").read_bytes() == CONTENT
    assert files.ranges == [None, "bytes=300000-"]


def test_file_that_changed_meanwhile_is_fetched_anew(files: FileServer, downloader: Downloader, tmp_path: Path) -> None:
    files.etag, files.cut_after, files.status = '"one"', [300_000], [200, 503]
    source = Source(f"{files.url}/model")
    with pytest.raises(Unavailable, match="status 503"):
        downloader.fetch(source, tmp_path / "model")
    files.content, files.etag = CONTENT[::-1], '"two"'
    downloader.fetch(source, tmp_path / "model")
    assert (tmp_path / "model").read_bytes() == CONTENT[::-1]


@pytest.mark.parametrize("part", [b"x" * 1000, b"x" * (len(CONTENT) + 1), b"x" * len(CONTENT)])
def test_part_of_something_else_is_thrown_away(
    files: FileServer, downloader: Downloader, tmp_path: Path, part: bytes
) -> None:
    (tmp_path / "model.part").write_bytes(part)
    downloader.fetch(known(files), tmp_path / "model")
    assert (tmp_path / "model").read_bytes() == CONTENT


def test_part_longer_than_the_file_is_thrown_away(files: FileServer, downloader: Downloader, tmp_path: Path) -> None:
    (tmp_path / "model.part").write_bytes(b"x" * (len(CONTENT) + 1))
    downloader.fetch(Source(f"{files.url}/model"), tmp_path / "model")
    assert (tmp_path / "model").read_bytes() == CONTENT


def test_server_that_is_away_is_given_up_after_growing_pauses(
    downloader: Downloader, tmp_path: Path, pauses: list[float]
) -> None:
    with pytest.raises(Unavailable, match="go on from 0 bytes"):
        downloader.fetch(Source("http://127.0.0.1:1/model"), tmp_path / "model")
    assert pauses == [1, 2, 4, 8]
    assert not (tmp_path / "model").exists()


def test_what_arrived_stays_for_the_next_run(files: FileServer, tmp_path: Path) -> None:
    files.cut_after = [300_000, 0, 0]
    with Downloader(attempts=2, sleep=lambda seconds: None) as downloader, pytest.raises(Unavailable):
        downloader.fetch(known(files), tmp_path / "model")
    assert (tmp_path / "model.part").read_bytes() == CONTENT[:300_000]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(1, len(CONTENT) // 4), max_size=4), ranges=st.booleans())
def test_any_cuts_lead_to_the_whole_file(
    files: FileServer, tmp_path_factory: pytest.TempPathFactory, cuts: list[int], ranges: bool
) -> None:
    files.cut_after, files.knows_ranges = list(cuts), ranges
    path = tmp_path_factory.mktemp("cuts") / "model"
    with Downloader(sleep=lambda seconds: None) as downloader:
        downloader.fetch(known(files), path)
    assert path.read_bytes() == CONTENT


# --- wrong files ---


def test_wrong_checksum_is_refused_and_nothing_stays(files: FileServer, downloader: Downloader, tmp_path: Path) -> None:
    (tmp_path / "model").write_bytes(b"the old one")
    with pytest.raises(Corrupt, match=f"its SHA-256 is {files.sha256}, must be 0000"):
        downloader.fetch(Source(f"{files.url}/model", sha256="0" * 64), tmp_path / "model")
    assert (tmp_path / "model").read_bytes() == b"the old one"
    assert [each.name for each in tmp_path.iterdir()] == ["model"]


def test_wrong_size_is_refused_before_it_is_read(files: FileServer, downloader: Downloader, tmp_path: Path) -> None:
    with pytest.raises(Corrupt, match="the server has 1,024,000 bytes, announced are 5"):
        downloader.fetch(Source(f"{files.url}/model", 5), tmp_path / "model")


def test_short_file_of_unknown_length_is_refused(files: FileServer, downloader: Downloader, tmp_path: Path) -> None:
    files.tells_length = False
    with pytest.raises(Unavailable):
        downloader.fetch(Source(f"{files.url}/model", len(CONTENT) + 1), tmp_path / "model")


def test_endless_file_is_cut_off(files: FileServer, downloader: Downloader, tmp_path: Path) -> None:
    files.tells_length = False
    with pytest.raises(Corrupt, match="more than the announced 5 bytes"):
        downloader.fetch(Source(f"{files.url}/model", 5), tmp_path / "model")


def test_rest_from_another_place_is_refused_and_all_is_fetched(
    files: FileServer, downloader: Downloader, tmp_path: Path
) -> None:
    files.range_shift = 7
    (tmp_path / "model.part").write_bytes(CONTENT[:1000])
    downloader.fetch(known(files), tmp_path / "model")
    assert (tmp_path / "model").read_bytes() == CONTENT


def test_web_page_is_no_model(files: FileServer, downloader: Downloader, tmp_path: Path) -> None:
    files.content_type = "text/html; charset=utf-8"
    with pytest.raises(Unavailable, match="a web page instead of the file"):
        downloader.fetch(Source(f"{files.url}/model"), tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("status", [403, 404, 500])
def test_other_answers_are_told(files: FileServer, downloader: Downloader, tmp_path: Path, status: int) -> None:
    files.status = [status]
    with pytest.raises(Unavailable, match=f"answers with status {status}"):
        downloader.fetch(known(files), tmp_path / "model")


def test_file_that_does_not_fit_is_not_begun(files: FileServer, downloader: Downloader, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="has room for"):
        downloader.fetch(Source(f"{files.url}/model", 10**18), tmp_path / "model")
    assert files.ranges == []


def test_folder_that_cannot_be_written_is_told(files: FileServer, downloader: Downloader, tmp_path: Path) -> None:
    (tmp_path / "model.part").mkdir()
    with pytest.raises(Unavailable, match=r"model\.part cannot be written"):
        downloader.fetch(Source(f"{files.url}/model"), tmp_path / "model")


# --- where no checksum is known ---


def test_first_checksum_is_kept_and_compared_later(files: FileServer, downloader: Downloader, tmp_path: Path) -> None:
    source, path = Source(f"{files.url}/model"), tmp_path / "model"
    assert not downloader.fetch(source, path).is_proven
    assert (tmp_path / "model.sha256").read_text() == f"{files.sha256}  model\n"
    assert check(source, path) == files.sha256
    path.write_bytes(b"damaged")
    assert check(source, path) is None
    assert downloader.fetch(source, path).is_new


def test_file_put_there_by_hand_is_taken_as_it_is(files: FileServer, downloader: Downloader, tmp_path: Path) -> None:
    (tmp_path / "model").write_bytes(b"my own")
    assert not downloader.fetch(Source(f"{files.url}/model"), tmp_path / "model").is_new


def test_length_that_nobody_tells_ends_with_the_connection(
    files: FileServer, downloader: Downloader, tmp_path: Path
) -> None:
    files.tells_length = False
    assert downloader.fetch(Source(f"{files.url}/model"), tmp_path / "model").sha256 == files.sha256
