import re
from dataclasses import asdict, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.accounts.session import (
    GRACE_SECONDS,
    Link,
    Outcome,
    RefreshToken,
    Session,
    begin,
    new_nonce,
    pack_links,
    renew,
    unpack_links,
)
from app.errors import InvalidCredential

NOW, LIFETIME = 1_800_000_000.0, 1000.0


def use(session: Session, token: RefreshToken, *, at: float = NOW):
    return renew(session, token, now=at, lifetime=LIFETIME, nonce=new_nonce())


@pytest.fixture
def begun() -> tuple[Session, RefreshToken]:
    return begin("ann", now=NOW, lifetime=LIFETIME)


@given(st.binary(min_size=16, max_size=16), st.binary(min_size=32, max_size=32))
def test_law_a_token_reads_as_it_was_written(session, secret):
    token = RefreshToken(session, secret)
    assert RefreshToken.parse(token.text) == token
    assert re.fullmatch(r"rt_[A-Za-z0-9_-]{64}", token.text)


@given(st.text() | st.text(st.sampled_from("rt_Aa0-+/= é"), min_size=67, max_size=67))
def test_law_any_other_text_is_refused(text):
    with pytest.raises(InvalidCredential):
        RefreshToken.parse(text if not re.fullmatch(r"rt_[A-Za-z0-9_-]{64}", text) else "")


@pytest.mark.parametrize("wrong", ["+", "/", "=", " ", "é", "\n", ""])
def test_one_wrong_character_is_refused(begun, wrong):
    text = begun[1].text
    for changed in (text[:10] + wrong + text[11:], text[:-1] + wrong, text + "A"):
        with pytest.raises(InvalidCredential):
            RefreshToken.parse(changed)


def test_no_repr_tells_a_secret(begun):
    session, token = begun
    for told in (repr(session), repr(token)):
        assert str(token.secret) not in told and str(session.token_hash) not in told


def test_what_is_kept_does_not_hold_the_token(begun):
    session, token = begun
    renewed = use(session, token)
    kept = repr(asdict(renewed.session)) + pack_links(renewed.session.links).hex()
    for secret in (token.secret, renewed.token.secret):
        assert repr(secret) not in kept and secret.hex() not in kept
    assert token.session.hex() not in session.id


def test_a_token_renews_its_session_once(begun):
    session, token = begun
    renewal = use(session, token, at=NOW + 500)
    assert renewal.outcome is Outcome.RENEWED
    assert renewal.token.text != token.text
    assert renewal.session.expires_at == NOW + 500 + LIFETIME
    assert renewal.session.id == session.id == renewal.token.session_id
    assert use(renewal.session, renewal.token, at=NOW + 900).outcome is Outcome.RENEWED


def test_a_session_expires_at_its_end(begun):
    session, token = begun
    assert use(session, token, at=NOW + LIFETIME - 0.1).outcome is Outcome.RENEWED
    ended = use(session, token, at=NOW + LIFETIME)
    assert (ended.outcome, ended.session, ended.token) == (Outcome.EXPIRED, None, None)


def test_who_asks_twice_at_once_gets_the_same_token(begun):
    session, token = begun
    first = use(session, token)
    again = use(first.session, token, at=NOW + GRACE_SECONDS)
    assert (again.outcome, again.token) == (Outcome.REPEATED, first.token)
    assert again.session == first.session, "the moment is not prolonged"


def test_after_the_moment_a_used_token_ends_the_session(begun):
    session, token = begun
    first = use(session, token)
    ended = use(first.session, token, at=NOW + GRACE_SECONDS + 0.1)
    assert (ended.outcome, ended.session, ended.token) == (Outcome.REUSED, None, None)


def test_who_asks_often_at_once_and_is_overtaken_gets_what_is_current(begun):
    session, token = begun
    first = use(session, token)
    second = use(first.session, first.token, at=NOW + 1)
    third = use(second.session, second.token, at=NOW + 2)
    for late in (token, first.token, second.token):
        again = use(third.session, late, at=NOW + GRACE_SECONDS)
        assert (again.outcome, again.token) == (Outcome.REPEATED, third.token)
    assert use(third.session, token, at=NOW + GRACE_SECONDS + 0.1).outcome is Outcome.REUSED
    assert use(third.session, first.token, at=NOW + GRACE_SECONDS + 0.1).outcome is Outcome.REPEATED


def test_what_is_kept_of_a_session_is_bounded(begun):
    session, token = begun
    used = []
    for _ in range(80):
        used.append(token)
        renewal = use(session, token)
        session, token = renewal.session, renewal.token
    assert len(session.links) == 64
    assert use(session, used[-64]).token == token
    assert use(session, used[-65]).outcome is Outcome.REUSED


@given(
    st.lists(st.builds(Link, st.binary(min_size=32, max_size=32), st.binary(min_size=16, max_size=16), st.floats(0)))
)
def test_law_links_are_read_as_they_were_written(links):
    assert unpack_links(pack_links(tuple(links))) == tuple(links)


def test_a_thief_within_the_moment_is_found_out_when_the_second_of_the_two_renews(begun):
    session, token = begun
    owner = use(session, token)
    thief = use(owner.session, token, at=NOW + 1)
    stolen = use(thief.session, thief.token, at=NOW + 60)
    assert stolen.outcome is Outcome.RENEWED
    assert use(stolen.session, owner.token, at=NOW + 600).outcome is Outcome.REUSED


def test_a_made_up_secret_ends_the_session_that_it_names(begun):
    session, token = begun
    assert use(session, replace(token, secret=bytes(32))).outcome is Outcome.REUSED


def test_without_the_nonce_nobody_computes_the_next_token(begun):
    session, token = begun
    assert use(session, token).token != use(session, token).token


@given(st.lists(st.tuples(st.integers(0, 5), st.floats(0.0, 30.0)), max_size=12))
def test_law_of_all_tokens_ever_made_at_most_one_renews(uses):
    session, token = begin("ann", now=NOW, lifetime=LIFETIME)
    made, replaced_at, now = [token], [], NOW
    for back, gap in uses:
        now += gap
        which = max(0, len(made) - 1 - back)
        presented = made[which]
        renewal = use(session, presented, at=now)
        is_current = presented == made[-1]
        assert (renewal.outcome is Outcome.RENEWED) == is_current
        if renewal.session is None:
            assert not is_current and now - replaced_at[which] > GRACE_SECONDS
            return
        session = renewal.session
        if is_current:
            made.append(renewal.token)
            replaced_at.append(now)
        else:
            assert renewal.token == made[-1], "a line, never a fork"
            assert now - replaced_at[which] <= GRACE_SECONDS
