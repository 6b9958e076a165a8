"""What users are called, and by which text two names are the same.

An email address has an `@` and a user name has none, so one text says without doubt which of the two it is. Both are
compared by their `login_key`: Ann and ann are one user.
"""

import re
import unicodedata
from typing import Final

from app.errors import InvalidInput

MIN_NAME_CHARACTERS: Final = 3
MAX_NAME_CHARACTERS: Final = 100
MAX_EMAIL_CHARACTERS: Final = 254
"""RFC 5321, 4.5.3.1.3: a path has 256, its two angle brackets among them."""
MAX_FULL_NAME_CHARACTERS: Final = 200
MAX_LOGIN_CHARACTERS: Final = max(MAX_NAME_CHARACTERS, MAX_EMAIL_CHARACTERS)

_NAME: Final = re.compile(r"[\w.-]+")
_LABEL: Final = r"\w(?:[\w-]{0,61}\w)?"
# Not the whole of RFC 5322, which nobody uses: what stands before the `@` unquoted, and a host, which at home may
# have one label (admin@localhost).
_EMAIL: Final = re.compile(rf"""[^\s@"(),:;<>\[\\\]]{{1,64}}@{_LABEL}(?:\.{_LABEL})*""")


def parse_name(text: str) -> str:
    """Return a user name: 3 to 100 letters or digits of any script, `.`, `_`, `-`.

    Raises:
        InvalidInput: it breaks this rule.
    """
    name = unicodedata.normalize("NFC", text)
    if not MIN_NAME_CHARACTERS <= len(name) <= MAX_NAME_CHARACTERS or not _NAME.fullmatch(name):
        raise InvalidInput(
            f"a user name has {MIN_NAME_CHARACTERS} to {MAX_NAME_CHARACTERS} letters, digits, '.', '_' or '-'",
            field="name",
        )
    return name


def parse_email(text: str) -> str:
    """Return an email address; whether anybody reads it is not asked.

    Raises:
        InvalidInput: it has not the form of one.
    """
    email = unicodedata.normalize("NFC", text)
    if len(email) > MAX_EMAIL_CHARACTERS or not email.isprintable() or not _EMAIL.fullmatch(email):
        raise InvalidInput("an email address looks like ann@example.org", field="email")
    return email


def parse_full_name(text: str) -> str:
    """Return what a user wants to be called, without the blanks around it.

    Raises:
        InvalidInput: it is too long, or has characters that do not print.
    """
    full_name = unicodedata.normalize("NFC", text).strip()
    if len(full_name) > MAX_FULL_NAME_CHARACTERS or not full_name.isprintable():
        raise InvalidInput(f"a full name has up to {MAX_FULL_NAME_CHARACTERS} printable characters", field="full_name")
    return full_name


def login_key(text: str) -> str:
    """Return what is equal for the names that stand for one user (Unicode 16, 3.13.5: NFKC and case folding).

    What is too long for a name, or does not print, is nobody's, and its key is empty.
    """
    if len(text) > MAX_LOGIN_CHARACTERS or not text.isprintable():
        return ""
    key = text
    for _ in range(2):  # once is not always enough: folding may leave what composes again
        key = unicodedata.normalize("NFKC", unicodedata.normalize("NFD", key).casefold())
    return key


def suggest_name(email: str) -> str:
    """Return a user name for an email address, of the part before the `@`: `ann` for ann@example.org."""
    cleaned = re.sub(r"[^\w.-]", "", email.partition("@")[0])[:MAX_NAME_CHARACTERS]
    return cleaned if len(cleaned) >= MIN_NAME_CHARACTERS else f"user-{cleaned}" if cleaned else "user"
