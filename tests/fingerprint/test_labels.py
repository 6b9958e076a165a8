import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import InvalidInput
from app.fingerprint.labels import Labels, tidy

LONG = "x" * 2001


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("video_id", ""),
        ("video_id", "  "),
        ("video_id", LONG[:256]),
        ("video_id", "a\0"),
        ("title", LONG[:1001]),
        ("title", "a\nb"),
        ("title", "\ud800"),
        ("url", "javascript:alert(1)"),
        ("url", "https://"),
        ("url", "https://a.example/ b"),
        ("url", f"http://{LONG}"),
        ("thumbnail_url", "data:image/png;base64,"),
        ("thumbnail_url", "//a.example/b"),
    ],
)
def test_a_label_that_breaks_a_rule_is_refused(name, value):
    with pytest.raises(InvalidInput) as refused:
        Labels(**{name: value})
    assert refused.value.field == name


def test_labels_of_every_script_are_fine():
    labels = Labels(
        "a/b \u00e9", "\u5c0f\u660e \U0001f469\u200d\U0001f680", "HTTPS://a.example/\u00e9?q=%20", "http://[::1]:8/x"
    )
    assert labels.title == "\u5c0f\u660e \U0001f469\u200d\U0001f680"


def test_what_was_said_goes_over_what_was_not():
    said = Labels(title="Said", url="http://a/")
    assert said.over(Labels("id", "Other", thumbnail_url="http://b/")) == Labels("id", "Said", "http://a/", "http://b/")


@pytest.mark.parametrize(
    ("written", "title"),
    [(" a\r\n b\0c ", "a b c"), ("\ud800", None), ("  ", None), ("x" * 1005, "x" * 1000), ("a b", "a b")],
)
def test_a_tag_becomes_a_title(written, title):
    assert tidy(written) == title


@given(st.text())
def test_law_what_is_tidy_is_a_title(text):
    assert Labels(title=tidy(text)).title == tidy(text)
