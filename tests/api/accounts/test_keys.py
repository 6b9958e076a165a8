import pytest

from tests.api.accounts.door import API, door

pytestmark = pytest.mark.anyio

KEYS = f"{API}/api-keys"


async def test_a_key_is_shown_once_and_opens_doors_until_it_is_revoked():
    async with door() as opened:
        await opened.ann()
        bearer = (await opened.log_in())["access_token"]
        made = await opened.post(KEYS, {"key_name": "overlay", "rate_limit_per_minute": 100}, bearer=bearer)
        assert made.status_code == 201
        key = made.json()["api_key"]
        (listed,) = (await opened.send("GET", KEYS, bearer=bearer)).json()
        assert listed == {name: value for name, value in made.json().items() if name != "api_key"}
        assert (listed["key_name"], listed["is_active"], listed["expires_at"]) == ("overlay", True, None)
        assert key.startswith(listed["key_prefix"]) and len(listed["key_prefix"]) == 11
        me = await opened.send("GET", f"{API}/me", bearer=key)
        assert me.json()["username"] == "ann"
        for status in (204, 404):
            assert (await opened.send("DELETE", f"{KEYS}/{listed['id']}", bearer=bearer)).status_code == status
        assert (await opened.send("GET", f"{API}/me", bearer=key)).status_code == 401
        assert (await opened.send("GET", KEYS, bearer=bearer)).json() == []


async def test_a_key_expires():
    async with door() as opened:
        await opened.ann()
        bearer = (await opened.log_in())["access_token"]
        made = (await opened.post(KEYS, {"key_name": "overlay", "expires_in_days": 1}, bearer=bearer)).json()
        assert (made["created_at"], made["expires_at"]) == ("2027-01-15T08:00:00Z", "2027-01-16T08:00:00Z")
        opened.engine.clock.now += 86_400
        assert (await opened.send("GET", f"{API}/me", bearer=made["api_key"])).status_code == 401


@pytest.mark.parametrize(
    "body", [{}, {"key_name": ""}, {"key_name": "x" * 101}, {"key_name": "x", "expires_in_days": 0}]
)
async def test_a_key_that_breaks_a_rule_is_not_made(body):
    async with door() as opened:
        await opened.ann()
        bearer = (await opened.log_in())["access_token"]
        assert (await opened.post(KEYS, body, bearer=bearer)).status_code == 422
        assert (await opened.send("GET", KEYS, bearer=bearer)).json() == []


async def test_a_key_makes_and_changes_nothing():
    async with door() as opened:
        account = await opened.ann()
        kept, key = await opened.engine.keys.create(account.id, "leaked")
        for method, path, body in (
            ("POST", KEYS, {"key_name": "another"}),
            ("GET", KEYS, None),
            ("DELETE", f"{KEYS}/{kept.id}", None),
            ("PUT", f"{API}/me", {"full_name": "Eve"}),
        ):
            refused = await opened.send(method, path, body, bearer=key)
            assert refused.status_code == 403
            assert "needs a login" in refused.json()["detail"]
        assert len(await opened.engine.keys.list(account.id)) == 1


async def test_a_key_of_somebody_else_is_not_there():
    async with door() as opened:
        bob = await opened.ann(email="bob@example.org")
        kept, _ = await opened.engine.keys.create(bob.id, "his")
        await opened.ann()
        bearer = (await opened.log_in())["access_token"]
        for id in (kept.id, "%00", "..%2fme", "%ff"):
            assert (await opened.send("DELETE", f"{KEYS}/{id}", bearer=bearer)).status_code == 404
        assert await opened.engine.keys.list(bob.id)
