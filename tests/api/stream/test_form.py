from contextlib import suppress

import pytest
from httpx import Request
from hypothesis import given
from hypothesis import strategies as st

from app.api.stream.form import MAX_FIELD_BYTES, MAX_FIELDS, Form, boundary_of
from app.errors import InvalidInput

SOUND = bytes(range(256)) * 8 + b"\r\n--not the end\r\n"


def encoded(*, files=None, data=None):
    """Return boundary and body of a form, as a client of HTTP makes it."""
    request = Request("POST", "http://a/", files=files or {"file": ("a.mp3", SOUND)}, data=data or {})
    boundary = boundary_of(request.headers["content-type"])
    assert boundary
    return boundary, request.read()


def read(boundary, body, *, size=1000):
    form = Form(boundary)
    file = b"".join(form.feed(body[start : start + size]) for start in range(0, len(body), size))
    form.finish()
    return form, file


@given(st.integers(1, 300), st.binary(max_size=2000), st.text(max_size=20))
def test_law_a_form_is_the_same_however_it_is_cut(size, sound, text):
    boundary, body = encoded(files={"file": ("a.mp3", sound)}, data={"title": text})
    form, file = read(boundary, body, size=size)
    assert (file, form.fields) == (sound, {"title": text})


@pytest.mark.parametrize("name", ["a b.mp3", "\u5c0f\u660e.ogg", ""])
def test_a_file_has_a_name(name):
    form, _ = read(*encoded(files={"file": (name, SOUND)}))
    assert form.file_name == (name or None) or form.file_name == name


def test_a_file_is_known_by_its_name_whatever_its_part_is_called():
    form, file = read(*encoded(files={"upload": ("a.mp3", SOUND)}))
    assert (form.file_name, file) == ("a.mp3", SOUND)


def test_a_part_called_file_is_the_file_also_without_a_name():
    form, file = read(b"x", b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\nsound\r\n--x--\r\n')
    assert (form.file_name, file) == (None, b"sound")


def test_a_form_without_a_file_is_refused():
    with pytest.raises(InvalidInput, match="no part 'file'"):
        read(b"x", b'--x\r\nContent-Disposition: form-data; name="title"\r\n\r\nsound\r\n--x--\r\n')


def test_a_second_file_is_refused():
    with pytest.raises(InvalidInput, match="more than one file"):
        read(*encoded(files={"file": ("a.mp3", SOUND), "other": ("b.mp3", SOUND)}))


def test_too_much_text_is_refused():
    with pytest.raises(InvalidInput, match="longer than 8192 bytes"):
        read(*encoded(data={"title": "x" * (MAX_FIELD_BYTES + 1)}))
    with pytest.raises(InvalidInput, match="more than 32 fields"):
        read(*encoded(data={str(number): "x" for number in range(MAX_FIELDS + 1)}))


@pytest.mark.parametrize("body", [b"", b"hello", b"--x\r\n", b"--y\r\n\r\n--y--", b"--x\r\nA: b\r\n\r\n"])
def test_what_is_no_form_is_refused(body):
    with pytest.raises(InvalidInput, match="the form"):
        read(b"x", body)


@given(st.integers(0, 2200))
def test_law_a_form_that_breaks_off_is_refused(end):
    boundary, body = encoded()
    with pytest.raises(InvalidInput, match="breaks off"):
        read(boundary, body[: min(end, len(body) - 5)])


@given(st.binary(max_size=300))
def test_law_nothing_else_is_raised(body):
    with suppress(InvalidInput):
        read(b"x", b"--x\r\n" + body)


@pytest.mark.parametrize("boundary", ["x" * 5000, "\u00e9"])
def test_a_boundary_has_bounds(boundary):
    content_type = f"multipart/form-data; boundary={boundary}"
    with pytest.raises(InvalidInput):
        read(boundary_of(content_type), b"")


def test_what_calls_itself_something_else_is_no_form():
    assert boundary_of("audio/mpeg") is None
    assert boundary_of("") is None
    with pytest.raises(InvalidInput, match="needs a boundary"):
        boundary_of("multipart/form-data")
