import json

from hypothesis import given
from hypothesis import strategies as st

from app.takes import documents
from app.takes.prosody import AffectProsody, SignalProsody, SimpleProsody
from app.takes.shape import Shape
from app.takes.take import Recorded, TakeRequest, Webhook, Wording
from app.takes.voice import Design, VoiceGender, VoiceRequest

STEPS = st.integers(-10, 10)
PROSODIES = st.none() | st.one_of(
    st.builds(SimpleProsody, STEPS, STEPS, STEPS),
    st.builds(AffectProsody, STEPS, STEPS, STEPS, STEPS, STEPS),
    st.builds(SignalProsody, STEPS, STEPS, STEPS, STEPS),
)
TEXTS = st.text(max_size=20)
STYLES = st.lists(TEXTS, max_size=3).map(tuple)
WEBHOOKS = st.none() | st.builds(Webhook, TEXTS, st.none() | st.integers(), st.none() | st.integers())
WORDINGS = st.builds(Wording, TEXTS, st.none() | TEXTS, STYLES, PROSODIES, WEBHOOKS, WEBHOOKS)
USER_DATA = st.none() | TEXTS | st.integers() | st.floats(allow_nan=False)
TAKE_REQUESTS = st.builds(TakeRequest, WORDINGS, TEXTS, USER_DATA)
GENDERS = st.sampled_from(VoiceGender)
VOICE_REQUESTS = st.builds(
    VoiceRequest, TEXTS, TEXTS, GENDERS, st.none() | TEXTS, STYLES, PROSODIES, st.none() | WORDINGS, WEBHOOKS
)
FLOATS = st.floats(allow_nan=False)
DESIGNS = st.builds(
    Design, st.integers(0, 2**63 - 1), GENDERS, st.builds(Shape, FLOATS, FLOATS, FLOATS, FLOATS, FLOATS, FLOATS)
)
RECORDED = st.none() | st.builds(Recorded, st.integers(0), st.integers(0), STYLES)


@given(TAKE_REQUESTS)
def test_what_a_take_was_asked_for_comes_back(request):
    text = documents.dump_take_request(request)
    assert documents.load_take_request(text) == request
    assert type(documents.load_take_request(text).user_data) is type(request.user_data)
    assert text.isascii() and "\0" not in text


@given(RECORDED, st.none() | TEXTS)
def test_what_became_of_a_take_comes_back(recorded, error):
    assert documents.load_outcome(documents.dump_outcome(recorded, error)) == (recorded, error)


@given(VOICE_REQUESTS)
def test_what_a_voice_was_asked_for_comes_back(request):
    assert documents.load_voice_request(documents.dump_voice_request(request)) == request


@given(DESIGNS)
def test_a_design_comes_back(design):
    assert documents.load_design(documents.dump_design(design)) == design


def test_what_an_older_server_left_out_is_the_default():
    take = documents.load_take_request('{"wording":{"text":"Hi."},"voice_id":"v1"}')
    assert take == TakeRequest(Wording("Hi."), "v1")
    voice = documents.load_voice_request('{"name":"A","model":"espeak","gender":"male"}')
    assert voice == VoiceRequest("A", "espeak", VoiceGender.MALE)
    assert documents.load_design('{"seed":1,"gender":"male"}') == Design(1, VoiceGender.MALE)


def test_what_a_newer_server_added_is_passed_over():
    document = json.loads(documents.dump_design(Design(1, VoiceGender.MALE, Shape(pitch=2.0))))
    document["shape"]["wobble"] = 3.0
    assert documents.load_design(json.dumps(document)).shape == Shape(pitch=2.0)
