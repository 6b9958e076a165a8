import pytest

from app.takes.deliveries import Delivery, Hook


@pytest.mark.parametrize(
    ("url", "receiver"),
    [
        ("https://Ann.Example/hook?a=b@c", "ann.example"),
        ("http://ann.example:8080", "ann.example:8080"),
        ("https://user:secret@ann.example/", "ann.example"),
        ("http://[2001:DB8::1]:80/", "[2001:db8::1]:80"),
        ("http://[2001", ""),
        ("nonsense", ""),
    ],
)
def test_who_is_called(url, receiver):
    assert Delivery("w1", "ann", "t1", Hook.DONE, url, b"", 0).receiver == receiver
