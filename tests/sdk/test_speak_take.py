import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.sdk.errors import BrokenReply
from app.sdk.speak_prosody import AffectProsody, Prosody, SignalProsody, SimpleProsody, read_prosody, write_prosody
from app.sdk.speak_take import Status, TakeRequest, Webhook, read_take, read_webhook, write_take
from app.sdk.speech import read
from tests.sdk.fake_speak import take

numbers = st.integers(-10, 10)
prosodies: st.SearchStrategy[Prosody] = st.one_of(
    [
        st.builds(SimpleProsody, numbers, numbers, numbers),
        st.builds(AffectProsody, numbers, numbers, numbers, numbers, numbers),
        st.builds(SignalProsody, numbers, numbers, numbers, numbers),
    ]
)


@given(prosodies)
def test_a_prosody_that_was_written_is_read(prosody: Prosody) -> None:
    assert read_prosody(write_prosody(prosody)) == prosody


def test_what_is_not_given_is_not_written() -> None:
    assert write_take(TakeRequest.of("v1", "Hi.")) == {"voice_id": "v1", "text": "Hi."}


def test_everything_that_is_given_is_written() -> None:
    request = TakeRequest.of(
        "v1",
        "Hi.",
        override_language="en-GB",
        style=("narrator",),
        prosody=AffectProsody(arousal=3),
        status_webhook="https://x/s",
        done_webhook="https://x/d",
        user_data=0,
    )

    assert write_take(request) == {
        "voice_id": "v1",
        "text": "Hi.",
        "override_language": "en-GB",
        "style": ["narrator"],
        "prosody": {"pitch": 0, "pace": 0, "valence": 0, "dominance": 0, "arousal": 3},
        "status_webhook": {"post_url": "https://x/s"},
        "done_webhook": {"post_url": "https://x/d"},
        "user_data": 0,
    }


def test_a_take_is_read_with_or_without_what_may_be_missing() -> None:
    full = read_take(take("ready", prosody={"pitch": 1, "pace": 0, "tilt": 0, "pitch_range": 2}, user_data="mine"))
    bare = read_take({"take_id": "t1", "voice_id": "v1", "text": "", "status": "waiting", "timestamp_ms": 5})

    assert (full.prosody, full.user_data) == (SignalProsody(pitch=1, pitch_range=2), "mine")
    assert (bare.info, bare.style, bare.prosody, bare.user_data) == (None, (), None, None)


@pytest.mark.parametrize(
    ("written", "webhook"),
    [
        (None, None),
        ("https://x", Webhook("https://x")),
        ({"post_url": "https://x"}, Webhook("https://x")),
        ({"post_url": "https://x", "timestamp_ms": 5, "status_code": 204}, Webhook("https://x", 5, 204)),
    ],
)
def test_a_webhook_is_text_or_an_object(written: object, webhook: Webhook | None) -> None:
    assert read_webhook(written) == webhook  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [{"status": "done"}, {"info": {"duration": 1}}, {"prosody": {"speed": 1}}])
def test_what_breaks_the_protocol_is_a_broken_reply(wrong: dict[str, object]) -> None:
    with pytest.raises(BrokenReply):
        read(read_take, take() | wrong)


def test_statuses_come_one_after_the_other_and_end_in_one_of_three() -> None:
    assert [status.rank for status in Status] == [0, 1, 2, 3, 4, 5, 5, 5]
    assert [status for status in Status if status.is_done] == [Status.READY, Status.ERROR, Status.TIMEOUT]
