"""Passwords that cost nothing."""

from argon2 import PasswordHasher

from app.accounts.passwords import PASSWORD_POOL, Passwords
from app.runtime.workers import Workers

QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


def quick_passwords(hasher: PasswordHasher = QUICK) -> Passwords:
    return Passwords(Workers({PASSWORD_POOL: 2}), hasher=hasher)
