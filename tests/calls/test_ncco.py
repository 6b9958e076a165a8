import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.calls import ncco
from app.calls.ncco import Dtmf, Speech
from app.calls.ncco_endpoint import endpoint
from app.errors import InvalidInput
from tests.calls.vonage import vonage_writes

REPORTS = "https://example.org/callback"
PHONE = endpoint("447700900000")


def test_the_samples_are_those_of_the_document():
    assert ncco.talk() == {"action": "talk", "text": "This is a sample Vonage NCCO talk action."}
    assert ncco.connect(endpoint("sip:a@b"), event_url=REPORTS) == {
        "action": "connect",
        "endpoint": [{"type": "sip", "uri": "sip:a@b"}],
        "eventUrl": [REPORTS],
        "randomFromNumber": True,
    }


@pytest.mark.parametrize(
    "action",
    [
        ncco.talk(),
        ncco.talk("你好", language="cmn-CN", style=2, premium=True, level=-0.5, loop=0, barge_in=True),
        ncco.talk("x" * ncco.MAX_TEXT),
        ncco.connect(PHONE, event_url=REPORTS),
        ncco.connect(PHONE, event_url=REPORTS, random_from_number=False),
        ncco.connect(PHONE, event_url=REPORTS, caller="+447700900001", random_from_number=False),
        ncco.connect(
            PHONE, event_url=REPORTS, timeout=30, limit=7200, machine_detection="hangup", event_method="POST"
        ),
        ncco.record(event_url=REPORTS),
        ncco.record(
            event_url=REPORTS, format="ogg", split="conversation", channels=32, end_on_silence=3, end_on_key="*",
            time_out=7200, beep_start=True, event_method="GET",
        ),
        ncco.stream("https://example.org/audio/a.mp3"),
        ncco.stream("https://example.org/audio/a.mp3", level=1, loop=3, barge_in=False),
        ncco.collect(event_url=REPORTS, dtmf=Dtmf()),
        ncco.collect(
            event_url=REPORTS,
            dtmf=Dtmf(time_out=10, max_digits=20, submit_on_hash=True),
            speech=Speech("en-GB", ["yes", "no"], 0.4, 60, 1, True, 100),
            event_method="POST",
        ),
        ncco.conversation("room", event_url=REPORTS),
        ncco.conversation(
            "room", event_url=REPORTS, music_on_hold_url="https://example.org/a.mp3", start_on_enter=False,
            end_on_exit=True, record=True, can_speak=[], can_hear=["63f61863-4a51-4f6b-86e1-46edebcf9356"], mute=True,
            event_method="POST",
        ),
        ncco.notify({}, event_url=REPORTS),
        ncco.notify({"step": 1, "deep": {"list": [None, 0.5]}}, event_url=REPORTS, event_method="POST"),
    ],
    ids=lambda action: action["action"],
)  # fmt: skip
def test_the_vendor_takes_every_action_as_it_is(action):
    assert vonage_writes(action) == action


def test_a_caller_and_any_number_are_either_or():
    named = ncco.connect(PHONE, event_url=REPORTS, caller=" 447700900001")

    assert named["from"] == "447700900001" and "randomFromNumber" not in named
    with pytest.raises(InvalidInput) as caught:
        ncco.connect(PHONE, event_url=REPORTS, caller="447700900001", random_from_number=True)
    assert caught.value.field == "randomFromNumber"


def test_a_caller_is_a_phone_number():
    with pytest.raises(InvalidInput, match="'ann' must be a phone number") as caught:
        ncco.connect(PHONE, event_url=REPORTS, caller="ann")
    assert caught.value.field == "from"


def test_channels_bring_their_split_along():
    action = ncco.record(event_url=REPORTS, channels=2)

    assert action["split"] == "conversation" and vonage_writes(action) == action


def test_words_and_keys_are_named_as_they_are_asked_for():
    action = ncco.collect(event_url=REPORTS, speech=Speech(language="de-DE"))

    assert action["type"] == ["speech"] and action["speech"] == {"language": "de-DE"} and "dtmf" not in action


def test_an_input_of_nothing_is_none():
    with pytest.raises(InvalidInput) as caught:
        ncco.collect(event_url=REPORTS)
    assert caught.value.field == "type"


def test_who_is_muted_cannot_be_heard_by_some():
    with pytest.raises(InvalidInput) as caught:
        ncco.conversation("room", event_url=REPORTS, can_speak=["63f61863"], mute=True)
    assert caught.value.field == "mute"


@pytest.mark.parametrize(
    "host, url",
    [
        ("http://localhost:8000", "http://localhost:8000/callback"),
        ("http://localhost:8000/", "http://localhost:8000/callback"),
        ("https://calls.example.org/callback", "https://calls.example.org/callback"),
        ("https://calls.example.org/callback/", "https://calls.example.org/callback"),
        ("https://calls.example.org//callback//", "https://calls.example.org/callback"),
        ("https://calls.example.org/callback/callback", "https://calls.example.org/callback"),
        ("https://example.org/chorus", "https://example.org/chorus/callback"),
        ("https://example.org/chorus/callback/", "https://example.org/chorus/callback"),
        ("https://example.org/mycallback", "https://example.org/mycallback/callback"),
        ("https://example.org/?a=b#c", "https://example.org/callback"),
        ("  https://example.org  ", "https://example.org/callback"),
        ("calls.example.org", "https://calls.example.org/callback"),
        ("calls.example.org:8443/callback", "https://calls.example.org:8443/callback"),
        ("https://[2001:db8::1]:8443/x", "https://[2001:db8::1]:8443/x/callback"),
    ],
)  # fmt: skip
def test_reports_go_to_one_callback(host, url):
    assert ncco.event_url(host) == url


@given(
    st.lists(st.sampled_from(["callback", "chorus", "", "Callback", "callback2", "v1"]), max_size=6).map("/".join),
    st.sampled_from(["", "/", "//"]),
)
def test_whatever_the_path_it_ends_in_exactly_one_callback(path, end):
    url = ncco.event_url(f"https://example.org/{path}{end}")

    assert url.endswith("/callback") and not url.removesuffix("/callback").endswith("/callback")
    assert ncco.event_url(url) == url


@pytest.mark.parametrize(
    "host", ["", " ", "ftp://example.org", "https://", "https://h:port", "https://a b", "/callback", "https://h\n/x"]
)
def test_what_is_no_address_is_refused(host):
    with pytest.raises(InvalidInput, match="must be an address") as caught:
        ncco.event_url(host)
    assert caught.value.field == "HOST_NAME"
