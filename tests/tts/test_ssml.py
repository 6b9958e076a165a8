from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import InvalidInput
from app.tts.prosody import Prosody
from app.tts.score import Pause
from app.tts.speech import Gender
from app.tts.ssml import (
    MAX_CHARACTERS,
    MAX_DEPTH,
    MAX_SEGMENTS,
    NAMESPACE,
    PARAGRAPH_SECONDS,
    SENTENCE_SECONDS,
    Document,
    SayAs,
    Segment,
    VoiceWish,
    parse,
)
from tests.growth import assert_linear

XML_CHARACTERS = st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff")
ELEMENTS = ("speak", "p", "s", "break", "prosody", "say-as", "voice", "lang", "emphasis", "sub", "mark", "audio", "x:y")
ATTRIBUTES = st.dictionaries(
    st.sampled_from(["time", "strength", "rate", "pitch", "volume", "interpret-as", "gender", "xml:lang", "alias"]),
    st.sampled_from(["1s", "500ms", "slow", "+2st", "female", "zh-CN", "digits", "loud", "50%", NAMESPACE, "", "?"]),
    max_size=2,
)


def within(content: str) -> tuple[Segment | Pause, ...]:
    return parse(f"<speak>{content}</speak>").parts


def test_a_document_as_w3c_writes_it():
    document = parse(
        f'<?xml version="1.0"?><speak version="1.1" xmlns="{NAMESPACE}" xml:lang="en-US">'
        "Hello<!-- quietly --> there</speak>"
    )
    assert document == Document((Segment("Hello there"),), "en-US")


def test_prosody_reaches_inner_elements_and_ends_with_its_own():
    assert within('<prosody rate="slow">a<prosody pitch="+2st">b</prosody></prosody>c') == (
        Segment("a", Prosody(speed=0.75)),
        Segment("b", Prosody(speed=0.75, pitch=2.0)),
        Segment("c"),
    )


@pytest.mark.parametrize(
    ("element", "seconds"),
    [
        ('<break time="500ms"/>', 0.5),
        ('<break time="1.5s"/>', 1.5),
        ('<break strength="strong"/>', 0.7),
        ("<break/>", 0.4),
        ('<break time="1s"/> <break time="2s"/>', 3.0),
    ],
)
def test_a_break_is_a_pause(element, seconds):
    assert within(f"a{element}b")[1] == Pause(seconds)


def test_a_break_of_nothing_is_none():
    assert [part for part in within('a<break strength="none"/>b') if isinstance(part, Pause)] == []


def test_sentences_and_paragraphs_are_apart_and_the_ends_are_not():
    assert within("<p><s>a</s><s>b</s></p> <p>c</p>") == (
        Segment("a"),
        Pause(SENTENCE_SECONDS),
        Segment("b"),
        Pause(PARAGRAPH_SECONDS),
        Segment("c"),
    )


def test_a_break_between_sentences_is_the_pause():
    assert within('<s>a</s><break time="2s"/><s>b</s>') == (Segment("a"), Pause(2.0), Segment("b"))


def test_wishes_for_voices():
    content = (
        '<voice name="zh">a</voice><voice gender="Male" languages="en:US de">b</voice>'
        '<voice gender="female"><lang xml:lang="ja">c</lang></voice>'
    )
    assert [part.voice for part in within(content) if isinstance(part, Segment)] == [
        VoiceWish(name="zh"),
        VoiceWish(language="en-US", gender=Gender.MALE),
        VoiceWish(language="ja", gender=Gender.FEMALE),
    ]


def test_say_as_and_sub_and_emphasis():
    assert within(
        '<say-as interpret-as="date" format="mdy">1/2</say-as><sub alias="World Wide Web">W<b2/></sub>'.replace(
            "<b2/>", ""
        )
    ) == (
        Segment("1/2", say_as=SayAs("date", "mdy")),
        Segment("World Wide Web"),
    )
    assert within("<emphasis>a</emphasis>")[0].prosody != Prosody()


def test_nothing_is_heard_of_marks_and_metadata():
    assert within('a <mark name="x"/><metadata>secret<break/></metadata>b<desc>no</desc>') == (Segment("a b"),)


def test_content_is_heard_of_what_cannot_be_done_but_read():
    assert within('<phoneme ph="x">to</phoneme><w>ma</w> <w>to</w>') == (Segment("toma to"),)


def test_namespaces_are_tolerated():
    assert parse(
        f'<s:speak xmlns:s="{NAMESPACE}" xmlns:mstts="https://www.w3.org/2001/mstts">'
        '<mstts:express-as style="sad">a</mstts:express-as><s:break time="1s"/><unbound:x>b</unbound:x></s:speak>'
    ).parts == (Segment("a"), Pause(1.0), Segment("b"))


def test_the_five_entities_and_references_are_characters():
    assert within("&lt;&gt;&amp;&quot;&apos;&#x4f60;") == (Segment("<>&\"'你"),)


@pytest.mark.parametrize(
    ("markup", "why"),
    [
        ("hello", "syntax error in line 1"),
        ("", "no element found"),
        ("<speak>a", "no element found"),
        ("<p>a</p>", "the root is <p>, must be <speak>"),
        ("<speak><speak/></speak>", "<speak> within"),
        ('<speak><audio src="file:///etc/passwd"/></speak>', "<audio> is not supported; must be one of speak, p"),
        ("<speak><script>x</script></speak>", "<script> is not supported"),
        ("<speak>&nbsp;</speak>", "undefined entity"),
        ("<speak>\x00</speak>", "invalid token"),
        ("<speak>\ud800</speak>", "surrogate"),
        ('<speak><break time="1h"/></speak>', "time '1h' of <break> must be like 500ms"),
        ('<speak><break time="11s"/></speak>', "at most 10s"),
        ('<speak><break strength="big"/></speak>', "strength 'big'"),
        ('<speak><voice gender="x">a</voice></speak>', "gender 'x' of <voice> must be female, male, neutral"),
        ("<speak><voice>a</voice></speak>", "<voice> must have"),
        ("<speak><say-as>a</say-as></speak>", "<say-as> must have a value of interpret-as"),
        ("<speak><sub>a</sub></speak>", "<sub> must have a value of alias"),
        ('<speak xml:lang="*">a</speak>', "must be a tag of BCP 47"),
        (f"<speak>{'a' * MAX_CHARACTERS}</speak>", "characters of markup"),
        ("<speak>" + "<p>" * MAX_DEPTH, "nested more than"),
        ("<speak>" + "a<break/>b" * MAX_SEGMENTS, "more than"),
        ("<speak>" + 'a<break time="10s"/>' * 7, "more than 60 s of pauses"),
    ],
)
def test_the_rest_is_refused_with_the_reason(markup, why):
    with pytest.raises(InvalidInput, match="SSML: .*") as refused:
        parse(markup)
    assert why in str(refused.value)
    assert refused.value.field == "text"
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize(
    "doctype",
    [
        '<!DOCTYPE speak [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>',
        f'<!DOCTYPE speak [<!ENTITY a "{"a" * 50_000}">]>',
        '<!DOCTYPE speak SYSTEM "http://169.254.169.254/latest">',
        '<!DOCTYPE speak [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE speak [<!ENTITY % x SYSTEM "file:///etc/passwd"> %x;]>',
    ],
)
def test_no_document_type_is_read(doctype):
    with pytest.raises(InvalidInput, match="document type"):
        parse(f"{doctype}<speak>{'&a;' * 1000}</speak>")


@pytest.mark.parametrize(
    "markup",
    [
        lambda size: "<speak>" + "<w>a</w>" * (12 * size) + "</speak>",
        lambda size: "<speak>" + "a<!---->" * (12 * size) + "</speak>",
        lambda size: "<speak " + " ".join(f'a{n}="1"' for n in range(9 * size)) + ">a</speak>",
        lambda size: "<speak>" + "&amp;" * (19 * size) + "</speak>",
        lambda size: "<speak>" + '<mark name="x"/> ' * (5 * size) + "</speak>",
    ],
)
def test_work_grows_as_the_markup_does(markup):
    assert_linear(parse, markup(125), markup(1_000))


@given(st.text(XML_CHARACTERS, min_size=1).filter(lambda text: text.strip()))
def test_plain_text_that_is_escaped_survives(text):
    assert within(escape(text)) == (Segment(text),)


@given(st.text())
def test_text_is_markup_or_refused(text):
    for markup in (text, f"<speak>{text}</speak>", f"<speak {text}>a</speak>"):
        try:
            parse(markup)
        except InvalidInput:
            continue


@st.composite
def trees(draw, depth=3):
    element, attributes = draw(st.sampled_from(ELEMENTS)), draw(ATTRIBUTES)
    written = "".join(f' {name}="{value}"' for name, value in attributes.items())
    content = draw(st.lists(trees(depth - 1) if depth else st.text(XML_CHARACTERS).map(escape), max_size=3))
    return f"<{element}{written}>{''.join(content)}</{element}>"


@given(st.lists(trees()))
def test_random_markup_is_parsed_or_refused_and_what_is_parsed_keeps_its_bounds(content):
    try:
        parts = within("".join(content))
    except InvalidInput:
        return
    assert all(part.text.strip() if isinstance(part, Segment) else part.seconds > 0 for part in parts)
