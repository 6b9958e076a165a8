import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.accounts.names import login_key, parse_email, parse_full_name, parse_name, suggest_name
from app.errors import InvalidInput

names = st.text(st.sampled_from("aBéßİΣσς安ｱ①7._-"), min_size=3, max_size=100)


@pytest.mark.parametrize("name", ["ann", "Ann.B-c_1", "主播小明", "x" * 100, "Ωmega"])
def test_a_name_has_letters_and_digits_of_any_script(name):
    assert parse_name(name) == name


@pytest.mark.parametrize("name", ["", "an", "x" * 101, "an n", "ann@x", "ann\n", "ann\0", "an\ud800n", "<b>", "ann/x"])
def test_other_names_are_refused(name):
    with pytest.raises(InvalidInput, match="a user name has 3 to 100"):
        parse_name(name)


@pytest.mark.parametrize(
    "email", ["ann@example.org", "admin@localhost", "a.b+c'd@x-y.co.uk", "用户@例子.中国", f"{'x' * 64}@example.org"]
)
def test_an_email_address_has_a_user_and_a_host(email):
    assert parse_email(email) == email


@pytest.mark.parametrize(
    "email",
    ["", "ann", "@x.org", "ann@", "a@b@c.org", "a b@c.org", "ann@x..org", "ann@-x.org", "ann@x.org\n", "a\0@x.org"]
    + [f"{'x' * 65}@example.org", f"ann@{'x.' * 130}org", '"a"@x.org', "<a@x.org>", "an\ud800n@x.org"],
)
def test_other_addresses_are_refused(email):
    with pytest.raises(InvalidInput, match="an email address looks like"):
        parse_email(email)


def test_a_full_name_is_what_prints():
    assert parse_full_name("  Ann O'Nym 安 ") == "Ann O'Nym 安"
    for wrong in ("x" * 201, "a\nb", "\u202eabc"):
        with pytest.raises(InvalidInput, match="a full name has up to 200"):
            parse_full_name(wrong)


@pytest.mark.parametrize(("one", "other"), [("Ann", "aNN"), ("Straße", "STRASSE"), ("É", "e\u0301"), ("ｱnn", "アnn")])
def test_names_that_differ_in_case_or_width_are_the_same(one, other):
    assert login_key(one) == login_key(other)


@pytest.mark.parametrize("text", ["", "x" * 255, "ann\0", "an\ud800n", "ann\n"])
def test_what_cannot_be_a_name_has_the_key_of_nobody(text):
    assert login_key(text) == ""


@given(names)
def test_law_a_key_is_the_key_of_itself(name):
    key = login_key(name)
    assert login_key(key) == key != ""
    assert "@" not in key


@given(names)
def test_law_the_upper_case_of_a_name_is_the_same_name(name):
    assert login_key(name.casefold()) == login_key(name)


@pytest.mark.parametrize(
    ("email", "name"),
    [("ann.b@x.org", "ann.b"), ("a+b@x.org", "user-ab"), ("小明明@x.org", "小明明"), ("+@x.org", "user")],
)
def test_a_name_is_suggested_from_an_address(email, name):
    assert suggest_name(email) == parse_name(name) == name
