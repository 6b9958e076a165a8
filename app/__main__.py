"""The command line: `python -m app serve`, `token`, `users`, `ingest`, `tracks`."""

import argparse
import gc
import sys
from collections.abc import Sequence

from pydantic import ValidationError

import app.blas  # noqa: F401 before NumPy
from app.cli import ingest, tracks, users
from app.errors import ChorusError
from app.main import create_app, socket_limits
from app.runtime import logs
from app.runtime.server import Server, make_config
from app.services import Services
from app.settings import Settings

SECONDS_PER_DAY = 86_400.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit status."""
    chosen = _parser().parse_args(arguments)
    try:
        overrides = {name: value for name in ("host", "port") if (value := getattr(chosen, name, None)) is not None}
        settings = Settings(**overrides)
        logs.configure(settings.log_level, json=settings.log_format == "json")
        return int(chosen.run(settings, chosen))
    except (ChorusError, ValidationError) as error:
        print(f"chorus: {error}", file=sys.stderr)
        return 2


def serve(settings: Settings, chosen: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT, then drain."""
    app = create_app(settings)
    services: Services = app.state.services
    config = make_config(
        app,
        host=settings.host,
        port=settings.port,
        limits_for=socket_limits,
        graceful_timeout=settings.shutdown_seconds,
        forwarded_allow_ips=settings.forwarded_allow_ips,
    )
    server = Server(config, drain=services.connections.drain)
    _settle()
    server.run()
    return 0 if server.started else 1


def _settle() -> None:
    """Exempt all that is there by now, and stays, from the search for garbage.

    Those are 175,000 objects, for which everybody who speaks or listens was stopped for 100 ms at a time, measured.
    """
    gc.collect()
    gc.freeze()


def issue_token(settings: Settings, chosen: argparse.Namespace) -> int:
    """Print a bearer token."""
    authority = Services(settings).authority
    print(authority.issue(chosen.subject, expires_in=chosen.days * SECONDS_PER_DAY, roles=chosen.role))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m app", description="Chorus: a server for live audio on the web.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    serving = commands.add_parser("serve", help="start the server")
    serving.add_argument("--host", help="address to listen on (HOST)")
    serving.add_argument("--port", type=int, help="TCP port (PORT)")
    serving.set_defaults(run=serve)
    token = commands.add_parser("token", help="print a bearer token, for AUTH_REQUIRED=true")
    token.add_argument("subject", help="whose token it is")
    token.add_argument("--days", type=float, default=30.0, help="how long it is good for (default 30)")
    token.add_argument("--role", action="append", default=[], help="a role it carries, such as admin; may be repeated")
    token.set_defaults(run=issue_token)
    users.add_parser(commands)
    ingest.add_parser(commands)
    tracks.add_parser(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
