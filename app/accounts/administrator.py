"""The first administrator, whom the settings name."""

import logging
from dataclasses import dataclass, field

from app.accounts.account import ADMIN, Account
from app.accounts.accounts import Accounts
from app.accounts.names import parse_email
from app.accounts.passwords import parse_password
from app.errors import InvalidInput, NotFound, Taken

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Administrator:
    """Who is to be an administrator from the start."""

    email: str
    password: str = field(repr=False)

    @classmethod
    def parse(cls, email: str, password: str) -> "Administrator | None":
        """Return whom ADMIN_EMAIL and ADMIN_PASSWORD name, None if both are empty.

        Raises:
            InvalidInput: one of them is empty or breaks a rule.
        """
        if not email and not password:
            return None
        if not email or not password:
            raise InvalidInput("ADMIN_EMAIL and ADMIN_PASSWORD go together", field="ADMIN_EMAIL")
        return cls(parse_email(email), parse_password(password))


async def appoint(administrator: Administrator, accounts: Accounts) -> None:
    """See to it that there is this administrator. Doing it again, or in two servers at once, changes nothing.

    An account that exists keeps its password: whoever changed it shall not find the old one back after a restart. If
    it is another than the one in the settings, that is said, and the account is given no role either, because it may
    be a stranger's who registered under the address.

    Raises:
        Overloaded: too many passwords wait.
        Unavailable: the store cannot answer now.
    """
    account = await _find_or_create(administrator, accounts)
    if not await accounts.passwords.verify(account.password_hash, administrator.password):
        logger.warning(
            "ADMIN_PASSWORD is not the password of %s and was not applied: `python -m app users password` sets one%s",
            account.email,
            "" if ADMIN in account.roles else "; the account is no administrator",
        )
        return
    if ADMIN not in account.roles:
        await accounts.set_roles(account.id, account.roles | {ADMIN})
        logger.info("%s is an administrator now", account.email)
    if not account.is_active:
        logger.warning("the administrator %s is disabled: `python -m app users enable` lets it in", account.email)


async def _find_or_create(administrator: Administrator, accounts: Accounts) -> Account:
    try:
        return await accounts.find(administrator.email)
    except NotFound:
        pass
    try:
        account = await accounts.create(email=administrator.email, password=administrator.password, roles={ADMIN})
    except Taken:  # another server was faster
        return await accounts.find(administrator.email)
    logger.info("made the administrator %s", account.email)
    return account
