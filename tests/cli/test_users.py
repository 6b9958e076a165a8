import argparse
import io
import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.cli import users as command
from app.settings import Settings
from tests.databases import database_url

__all__ = ["database_url"]

ROOT = Path(__file__).parents[2]
PASSWORD = "correct horse"


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str


Run = Callable[..., Done]


@pytest.fixture
def users(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command in this process, where nobody is at a terminal."""
    settings = Settings(_env_file=None, data_dir=tmp_path)

    def run(*arguments: str, pipe: str = "", settings: Settings = settings) -> Done:
        monkeypatch.setattr(sys, "stdin", io.StringIO(pipe))
        parser = argparse.ArgumentParser(prog="python -m app")
        command.add_parser(parser.add_subparsers())
        try:
            chosen = parser.parse_args(["users", *arguments])
            code = chosen.run(settings, chosen)
        except SystemExit as exit:
            code = exit.code
        return Done(code, *capsys.readouterr())

    return run


def listed(users: Run) -> list[dict]:
    return json.loads(users("list", "--json").out)


def add(users: Run, email: str, *options: str) -> Done:
    return users("add", email, "--password-stdin", *options, pipe=f"{PASSWORD}\n")


def test_the_life_of_a_user(users):
    added = add(users, "ann@example.org", "--role", "admin", "--full-name", "Ann")
    assert (added.code, added.err) == (0, "")
    (ann,) = listed(users)
    assert ann["id"] in added.out
    assert (ann["email"], ann["name"], ann["full_name"]) == ("ann@example.org", "ann", "Ann")
    assert (ann["roles"], ann["is_active"], ann["last_login_at"]) == (["admin"], True, None)
    for arguments, told in (
        (("roles", "ann", "--remove", "admin"), "has no roles"),
        (("roles", ann["id"], "--add", "admin"), "has the roles admin"),
        (("disable", "ANN@example.org"), "logged out everywhere"),
    ):
        done = users(*arguments)
        assert (done.code, told in done.out) == (0, True), done.err
    assert re.search(r"ann@example.org +ann +disabled admin +never", users("list").out)
    assert users("enable", "ann").code == 0
    assert listed(users) == [ann]
    refused = users("delete", "ann")
    assert (refused.code, refused.err) == (1, "users: nothing was deleted: --yes does it without asking\n")
    assert users("delete", "ann", "--yes").code == 0
    assert listed(users) == []


def test_the_life_of_a_key(users):
    add(users, "ann@example.org")
    made = users("keys", "add", "ann", "overlay", "--days", "2")
    assert re.fullmatch(r"sk_[\w-]{43}\n", made.out)
    shown = users("keys", "list", "ann").out.splitlines()[1]
    id, name, prefix = shown.split()[:3]
    assert (name, prefix) == ("overlay", f"{made.out[:11]}…")
    assert made.out.strip() not in shown
    assert users("keys", "revoke", "ann", id).code == 0
    assert len(users("keys", "list", "ann").out.splitlines()) == 1
    assert users("keys", "revoke", "ann", id).code == 1


def test_what_cannot_be_done_is_said_for_humans(users):
    add(users, "ann@example.org")
    for arguments, pipe, told in (
        (("add", "ANN@example.org", "--password-stdin"), f"{PASSWORD}\n", "already registered"),
        (("add", "ann", "--password-stdin"), f"{PASSWORD}\n", "looks like ann@example.org"),
        (("add", "bob@example.org", "--password-stdin"), "short\n", "8 to 256 characters"),
        (("add", "bob@example.org", "--password-stdin"), "", "8 to 256 characters"),
        (("add", "bob@example.org"), f"{PASSWORD}\n", "--password-stdin reads it from a pipe"),
        (("password", "bob", "--password-stdin"), f"{PASSWORD}\n", "there is no such account"),
        (("disable", "\x01\udcff"), "", "there is no such account"),
        (("keys", "add", "ann", ""), "", "1 to 100 printable characters"),
        (("keys", "add", "ann", "x", "--days", "-1"), "", "3650 days"),
    ):
        done = users(*arguments, pipe=pipe)
        assert (done.code, done.out) == (1, ""), arguments
        assert done.err.startswith("users: ") and told in done.err
        assert len(done.err.splitlines()) == 1
    assert len(listed(users)) == 1


@pytest.mark.parametrize("arguments", [(), ("add",), ("sing",), ("roles", "ann", "--add", "god"), ("keys",)])
def test_a_wrong_argument_is_a_matter_of_usage(users, arguments):
    done = users(*arguments)
    assert done.code == 2
    assert "usage: python -m app users" in done.err


@pytest.mark.parametrize("arguments", [("add", "ann@example.org", "--password", "x"), ("password", "ann", "x")])
def test_a_password_is_never_an_argument(users, arguments):
    assert users(*arguments).code == 2


@pytest.fixture
def environment(tmp_path: Path, database_url: str) -> dict[str, str]:
    return {**os.environ, "DATA_DIR": str(tmp_path), "DATABASE_URL": database_url}


def start(environment: dict[str, str], *arguments: str, pipe: str = "") -> Done:
    """Run the command in a process of its own."""
    program = [sys.executable, "-m", "app", "users", *arguments]
    done = subprocess.run(program, cwd=ROOT, env=environment, input=pipe, capture_output=True, text=True, timeout=60)
    return Done(done.returncode, done.stdout, done.stderr)


def test_a_process_says_what_it_did_and_nothing_else(environment):
    added = start(environment, "add", "ann@example.org", "--password-stdin", pipe=f"{PASSWORD}\r\n")
    assert (added.code, added.err, added.out.startswith("ann@example.org is a user now")) == (0, "", True)
    again = start(environment, "add", "ann@example.org", "--password-stdin", pipe=PASSWORD)
    assert (again.code, again.out) == (1, "")
    assert again.err == "users: the user name or the email address is already registered\n"


def test_a_database_that_does_not_answer_is_said(tmp_path):
    url = "postgresql://ann:hush@127.0.0.1:1/none"
    done = start({**os.environ, "DATA_DIR": str(tmp_path), "DATABASE_URL": url}, "list")
    assert (done.code, len(done.err.splitlines())) == (2, 1)
    assert done.err.startswith("chorus: ") and "hush" not in done.err


def type_at(data: Path, arguments: list[str], answers: list[tuple[str, str]]) -> tuple[int, str]:
    """Run the command at a terminal: wait for each prompt and type the answer. Returns exit code and what was shown."""
    ours, theirs = pty.openpty()
    program = subprocess.Popen(
        [sys.executable, "-m", "app", "users", *arguments],
        cwd=ROOT,
        env={**os.environ, "DATA_DIR": str(data), "DATABASE_URL": ""},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    shown = ""
    for prompt, answer in answers:
        while prompt not in shown.rpartition("\n")[2]:
            shown += os.read(ours, 1024).decode()
        os.write(ours, f"{answer}\n".encode())
    with suppress(OSError):  # the other side has closed
        while True:
            shown += os.read(ours, 1024).decode()
    os.close(ours)
    return program.wait(60), shown


def test_a_password_is_typed_twice_and_not_shown(tmp_path, users):
    typed = [("Password: ", PASSWORD), ("Again: ", PASSWORD)]
    code, shown = type_at(tmp_path, ["add", "ann@example.org"], typed)
    assert (code, PASSWORD in shown, len(listed(users))) == (0, False, 1)
    differing = [("Password: ", PASSWORD), ("Again: ", "another horse")]
    code, shown = type_at(tmp_path, ["password", "ann"], differing)
    assert (code, "the two passwords differ" in shown) == (1, True)


@pytest.mark.parametrize(("answer", "code", "left"), [("no", 1, 1), ("yes", 0, 0)])
def test_a_deletion_is_confirmed(tmp_path, users, answer, code, left):
    add(users, "ann@example.org")
    assert type_at(tmp_path, ["delete", "ann"], [("Type yes: ", answer)])[0] == code
    assert len(listed(users)) == left
