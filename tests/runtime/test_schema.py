import importlib
import logging
import pkgutil
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Column, Connection, Integer, Table, create_engine, inspect, text

import app
from app.errors import Unavailable
from app.runtime import schema
from app.runtime.database import READ_POOL, WRITE_POOL, Database
from app.runtime.engines import make_engines, parse_url
from app.runtime.schema import config, differences, metadata, migrate
from app.runtime.workers import Workers
from tests.databases import database_url, sqlite_url

__all__ = ["database_url"]


@pytest.fixture
def url(database_url: str) -> URL:
    return parse_url(database_url)


@pytest.fixture
def connection(url: URL) -> Iterator[Connection]:
    engines = make_engines(url, connections=1)
    with engines.writer.connect() as connection:
        yield connection
    engines.writer.dispose()


def version(connection: Connection) -> str:
    with connection.begin():
        found: str = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
        return found


def tables(connection: Connection) -> set[str]:
    with connection.begin():
        return set(inspect(connection).get_table_names()) - {"alembic_version"}


def add_revision(scripts: Path, name: str, *, after: str, upgrade: str) -> None:
    head = f'import sqlalchemy as sa\nfrom alembic import op\nrevision = "{name}"\ndown_revision = "{after}"\n'
    (scripts / "versions" / f"{name}.py").write_text(f"{head}\ndef upgrade():\n    {upgrade}\n")


SONGS = """\
op.create_table("songs", sa.Column("id", sa.Integer, primary_key=True), sa.Column("title", sa.Text))
    op.create_table("hits", sa.Column("song", sa.Integer, sa.ForeignKey("songs.id", ondelete="CASCADE")))
    op.execute("INSERT INTO songs VALUES (1, 'one')")
    op.execute("INSERT INTO hits VALUES (1)")
"""


@pytest.fixture
def scripts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The migrations of another product: the empty root, then a song and a hit that refers to it."""
    folder = tmp_path / "100% migrations"
    (folder / "versions").mkdir(parents=True)
    for name in ("env.py", "versions/0001_root.py"):
        shutil.copy(schema.SCRIPTS / name, folder / name)
    add_revision(folder, "songs", after="0001", upgrade=SONGS)
    monkeypatch.setattr(schema, "SCRIPTS", folder)
    return folder


def test_revisions_have_one_head() -> None:
    assert len(ScriptDirectory.from_config(config()).get_heads()) == 1


def test_revisions_make_the_tables_that_the_rooms_declare(url: URL, connection: Connection) -> None:
    for module in pkgutil.walk_packages(app.__path__, "app."):
        if module.name.endswith(".sql"):
            importlib.import_module(module.name)
    migrate(url)
    with connection.begin():
        assert differences(connection) == []


def test_differences_are_found(url: URL, connection: Connection) -> None:
    migrate(url)
    table = Table("missing_everywhere", metadata, Column("id", Integer, primary_key=True))
    try:
        with connection.begin():
            assert [difference[0] for difference in differences(connection)] == ["add_table"]
    finally:
        metadata.remove(table)


def test_migrating_again_changes_nothing(url: URL, connection: Connection) -> None:
    migrate(url)
    first = version(connection)
    migrate(url)
    assert version(connection) == first


def test_servers_that_start_together_take_turns(url: URL, connection: Connection, scripts: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(migrate, [url] * 4)) == [None] * 4
    assert tables(connection) == {"songs", "hits"}


def test_failed_revision_leaves_nothing_behind(url: URL, connection: Connection, scripts: Path) -> None:
    add_revision(
        scripts, "bad", after="songs", upgrade='op.execute("CREATE TABLE half (id INTEGER)")\n    raise KeyError("why")'
    )
    with pytest.raises(KeyError):
        migrate(url)
    assert tables(connection) == set()


def test_altered_table_keeps_the_rows_that_refer_to_it(url: URL, connection: Connection, scripts: Path) -> None:
    alter = 'with op.batch_alter_table("songs") as songs: songs.alter_column("title", nullable=False)'
    add_revision(scripts, "alter", after="songs", upgrade=alter)
    migrate(url)
    with connection.begin():
        assert connection.execute(text("SELECT song FROM hits")).scalar_one() == 1


def test_constraints_get_names(url: URL, connection: Connection, scripts: Path) -> None:
    migrate(url)
    assert tables(connection)  # SQLite's pragmas show an old schema until a table is asked for
    with connection.begin():
        (key,) = inspect(connection).get_foreign_keys("hits")
    assert key["name"] == "fk_hits_song_songs"


def test_sqlite_revision_may_leave_no_orphans(tmp_path: Path, scripts: Path) -> None:
    add_revision(scripts, "orphan", after="songs", upgrade='op.execute("DELETE FROM songs")')
    with pytest.raises(Unavailable, match="hits"):
        migrate(parse_url(sqlite_url(tmp_path)))


def test_newer_database_is_refused(url: URL, scripts: Path) -> None:
    migrate(url)
    (scripts / "versions" / "songs.py").unlink()
    with pytest.raises(Unavailable, match="songs"):
        migrate(url)


def test_unreachable_database_is_an_outage() -> None:
    with pytest.raises(Unavailable, match="now") as caught:
        migrate(parse_url("postgresql://ann:hush@127.0.0.1:1/none"))
    assert "hush" not in str(caught.value)


def test_other_errors_are_not_hidden(tmp_path: Path, scripts: Path) -> None:
    add_revision(scripts, "wrong", after="songs", upgrade='op.execute("SELECT * FROM nowhere")')
    with pytest.raises(Exception, match="nowhere"):
        migrate(parse_url(sqlite_url(tmp_path)))


def test_logging_is_left_as_it_is(tmp_path: Path) -> None:
    root = logging.getLogger()
    before = (list(root.handlers), root.level, logging.getLogger("app.access").disabled)
    migrate(parse_url(sqlite_url(tmp_path)))
    assert (list(root.handlers), root.level, logging.getLogger("app.access").disabled) == before


def test_new_revisions_are_written_from_the_template(tmp_path: Path, scripts: Path) -> None:
    shutil.copy(Path(app.__path__[0]) / "migrations" / "script.py.mako", scripts)
    alembic = config()
    engine = create_engine(sqlite_url(tmp_path).replace("/data", ""))
    with engine.connect() as alembic.attributes["connection"]:
        command.revision(alembic, "add takes", rev_id="0002", head="songs")
    engine.dispose()
    written = (scripts / "versions" / "0002_add_takes.py").read_text()
    compile(written, "0002", "exec")
    assert "down_revision = 'songs'" in written


@pytest.mark.anyio
async def test_database_migrates_itself(database_url: str) -> None:
    async with Database(database_url, Workers({READ_POOL: 1, WRITE_POOL: 1})) as database:
        await database.migrate()
        await database.read(lambda c: c.execute(text("SELECT version_num FROM alembic_version")).scalar_one())
