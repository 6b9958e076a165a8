"""`python -m app users`: the accounts, on the machine of the server.

It works on the server's database, also while that runs; what it changes counts there within some seconds. Exit codes:
0 done; 1 it could not be done, and nothing changed; 2 a wrong argument or setting, or no database; 130 interrupted.
"""

import argparse
import json
import logging
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, TypeAlias

import anyio

from app.accounts.account import ROLES, Account
from app.accounts.accounts import Accounts
from app.accounts.api_key import ApiKey
from app.assembly.accounts import open_accounts
from app.cli.table import moment, say_table
from app.cli.terminal import Terminal
from app.errors import InvalidInput, NotFound
from app.settings import Settings

DONE, REFUSED, INTERRUPTED = 0, 1, 130

Command: TypeAlias = Callable[[Accounts, argparse.Namespace, Terminal], Awaitable[None]]

_WHO_HELP: Final = "email address, user name or id"


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `users` to the command line; what it chooses is run by `chosen.run(settings, chosen)`."""
    users = commands.add_parser("users", help="show and change the accounts")
    kinds = users.add_subparsers(required=True, metavar="COMMAND")
    _add_people(kinds)
    _add_keys(kinds.add_parser("keys", help="API keys of an account").add_subparsers(required=True, metavar="COMMAND"))


def run(settings: Settings, chosen: argparse.Namespace, terminal: Terminal | None = None) -> int:
    """Run the chosen command; returns the exit status.

    Raises:
        Unavailable: the database does not answer.
    """
    terminal = terminal or Terminal()
    logging.getLogger("alembic").setLevel(logging.WARNING)  # nobody asked how the database is doing
    try:
        _ask(chosen, terminal)
        anyio.run(_run, settings, chosen, terminal)
    except (NotFound, InvalidInput) as error:
        print(f"users: {error}", file=sys.stderr)
        return REFUSED
    except KeyboardInterrupt:
        print("\nusers: interrupted", file=sys.stderr)
        return INTERRUPTED
    return DONE


def _ask(chosen: argparse.Namespace, terminal: Terminal) -> None:
    if getattr(chosen, "asks_password", False):
        chosen.password = terminal.ask_password(from_pipe=chosen.password_stdin)
    if not getattr(chosen, "yes", True) and not terminal.confirms(f"{chosen.who} and its API keys will be gone."):
        raise InvalidInput("nothing was deleted: --yes does it without asking")


async def _run(settings: Settings, chosen: argparse.Namespace, terminal: Terminal) -> None:
    async with open_accounts(settings) as accounts:
        await chosen.command(accounts, chosen, terminal)


async def _add(accounts: Accounts, chosen: argparse.Namespace, terminal: Terminal) -> None:
    account = await accounts.create(
        email=chosen.email,
        password=chosen.password,
        name=chosen.name,
        full_name=chosen.full_name,
        roles=chosen.role,
    )
    terminal.say(f"{account.email} is a user now, with the user name {account.name} and the id {account.id}")


async def _list(accounts: Accounts, chosen: argparse.Namespace, terminal: Terminal) -> None:
    everybody = await accounts.list()
    if chosen.json:
        terminal.say(json.dumps([_describe(account) for account in everybody], ensure_ascii=False, indent=2))
        return
    rows = [
        (account.id, account.email, account.name, _standing(account), moment(account.last_login_at))
        for account in everybody
    ]
    say_table(terminal, ("id", "email", "name", "is", "last login"), rows)


async def _set_password(accounts: Accounts, chosen: argparse.Namespace, terminal: Terminal) -> None:
    account = await accounts.find(chosen.who)
    await accounts.change(account.id, password=chosen.password)
    terminal.say(f"{account.email} has a new password, and is logged out everywhere; API keys stay")


async def _change_roles(accounts: Accounts, chosen: argparse.Namespace, terminal: Terminal) -> None:
    account = await accounts.find(chosen.who)
    roles = (account.roles | set(chosen.add)) - set(chosen.remove)
    if roles != account.roles:
        account = await accounts.set_roles(account.id, roles)
    terminal.say(f"{account.email} has {'the roles ' + ', '.join(sorted(roles)) if roles else 'no roles'}")


async def _set_active(accounts: Accounts, chosen: argparse.Namespace, terminal: Terminal, *, is_active: bool) -> None:
    account = await accounts.find(chosen.who)
    await accounts.set_active(account.id, is_active)
    consequence = "may come in" if is_active else "is logged out everywhere, and its API keys open nothing"
    terminal.say(f"{account.email} {consequence}")


async def _delete(accounts: Accounts, chosen: argparse.Namespace, terminal: Terminal) -> None:
    account = await accounts.find(chosen.who)
    await accounts.delete(account.id)
    terminal.say(f"{account.email} is gone")


async def _add_key(accounts: Accounts, chosen: argparse.Namespace, terminal: Terminal) -> None:
    account = await accounts.find(chosen.who)
    _, key = await accounts.keys.create(account.id, chosen.name, days=chosen.days)
    terminal.say(key)


async def _list_keys(accounts: Accounts, chosen: argparse.Namespace, terminal: Terminal) -> None:
    account = await accounts.find(chosen.who)
    rows = [
        (key.id, key.name, f"{key.prefix}…", moment(key.created_at), moment(key.last_used_at), _end(key))
        for key in await accounts.keys.list(account.id)
    ]
    say_table(terminal, ("id", "name", "key", "made", "last used", "expires"), rows)


async def _revoke_key(accounts: Accounts, chosen: argparse.Namespace, terminal: Terminal) -> None:
    account = await accounts.find(chosen.who)
    await accounts.keys.revoke(account.id, chosen.key_id)
    terminal.say("the key opens nothing any more")


def _add_people(kinds: Any) -> None:
    add = _parser(kinds, "add", "make an account", _add)
    add.add_argument("email", metavar="EMAIL")
    add.add_argument("--name", help="user name (default: what stands before the @)")
    add.add_argument("--full-name")
    add.add_argument("--role", action="append", default=[], choices=sorted(ROLES), help="may be repeated")
    _add_password(add)
    listing = _parser(kinds, "list", "show all accounts", _list)
    listing.add_argument("--json", action="store_true", help="for programs")
    _add_password(_parser_about(kinds, "password", "set a password", _set_password))
    roles = _parser_about(kinds, "roles", "show or change roles", _change_roles)
    for option in ("--add", "--remove"):
        roles.add_argument(option, action="append", default=[], choices=sorted(ROLES), metavar="ROLE")
    _parser_about(kinds, "disable", "keep somebody out", partial(_set_active, is_active=False))
    _parser_about(kinds, "enable", "let somebody in again", partial(_set_active, is_active=True))
    delete = _parser_about(kinds, "delete", "forget an account and its keys", _delete)
    delete.add_argument("--yes", action="store_true", help="do not ask")


def _add_keys(kinds: Any) -> None:
    add = _parser_about(kinds, "add", "make a key and print it, this once", _add_key)
    add.add_argument("name", metavar="NAME", help="what it is for")
    add.add_argument("--days", type=float, help="after which it expires (default: never)")
    _parser_about(kinds, "list", "show the keys", _list_keys)
    revoke = _parser_about(kinds, "revoke", "end a key", _revoke_key)
    revoke.add_argument("key_id", metavar="ID", help="as `list` shows it")


def _parser(kinds: Any, name: str, help: str, command: Command) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = kinds.add_parser(name, help=help)
    parser.set_defaults(run=run, command=command)
    return parser


def _parser_about(kinds: Any, name: str, help: str, command: Command) -> argparse.ArgumentParser:
    parser = _parser(kinds, name, help, command)
    parser.add_argument("who", metavar="WHO", help=_WHO_HELP)
    return parser


def _add_password(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(asks_password=True)
    parser.add_argument("--password-stdin", action="store_true", help="read the password from standard input")


def _describe(account: Account) -> dict[str, Any]:
    return {
        "id": account.id,
        "email": account.email,
        "name": account.name,
        "full_name": account.full_name,
        "roles": sorted(account.roles),
        "is_active": account.is_active,
        "created_at": moment(account.created_at),
        "last_login_at": None if account.last_login_at is None else moment(account.last_login_at),
    }


def _standing(account: Account) -> str:
    return " ".join([*([] if account.is_active else ["disabled"]), *sorted(account.roles)]) or "user"


def _end(key: ApiKey) -> str:
    if key.expires_at is None:
        return "never"
    return f"{moment(key.expires_at)}{' (is over)' if key.has_expired(datetime.now(UTC).timestamp()) else ''}"
