"""The person in front of a command, or the pipe."""

import sys
from getpass import getpass

from app.errors import InvalidInput


class Terminal:
    """Standard input and output. Everything but `say` blocks."""

    def say(self, text: str) -> None:
        """Print a line."""
        print(text)

    def ask_password(self, *, from_pipe: bool) -> str:
        """Return a new password: typed twice and not shown, or the first line of a pipe.

        Raises:
            InvalidInput: the two differ, or nobody is there to type.
        """
        if from_pipe:
            return sys.stdin.readline().removesuffix("\n").removesuffix("\r")
        if not sys.stdin.isatty():
            raise InvalidInput("nobody is there to type a password: --password-stdin reads it from a pipe")
        password = getpass("Password: ")
        if getpass("Again: ") != password:
            raise InvalidInput("the two passwords differ")
        return password

    def confirms(self, question: str) -> bool:
        """Tell whether somebody is there who types yes."""
        return sys.stdin.isatty() and input(f"{question} Type yes: ").strip().lower() == "yes"
