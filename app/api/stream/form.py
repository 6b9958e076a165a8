"""An upload as `multipart/form-data` (RFC 7578), read while it arrives: texts are kept, the file is handed on."""

from typing import Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from app.errors import InvalidInput

FILE: Final = "file"
"""Name of the part that holds the file; one with a file name of its own is taken for it, whatever its name."""
MAX_FIELDS: Final = 32
MAX_FIELD_BYTES: Final = 8 * 1024


def boundary_of(content_type: str) -> bytes | None:
    """Return the boundary of a form; None if a body is none.

    Raises:
        InvalidInput: it is a form without a boundary.
    """
    kind, options = parse_options_header(content_type)
    if kind != b"multipart/form-data":
        return None
    if not (boundary := options.get(b"boundary")):
        raise InvalidInput("a form needs a boundary in its Content-Type")
    return boundary


class Form:
    """A form with one file.

    Raises:
        InvalidInput: from any method: it is damaged, has more than one file, or too much text.
    """

    def __init__(self, boundary: bytes) -> None:
        self.fields: dict[str, str] = {}
        """Texts by name."""
        self.file_name: str | None = None
        """What the file is called by who sends it."""
        self.has_file = False
        self._part = _Part()
        self._file_data = bytearray()
        self._is_over = False
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._begin_part,
                    "on_header_field": lambda data, start, end: self._part.name_header(data[start:end]),
                    "on_header_value": lambda data, start, end: self._part.add_header(data[start:end]),
                    "on_header_end": self._end_header,
                    "on_headers_finished": self._end_headers,
                    "on_part_data": lambda data, start, end: self._take(data[start:end]),
                    "on_part_end": self._end_part,
                    "on_end": self._end,
                },
            )
        except FormParserError as error:
            raise InvalidInput(f"the form cannot be read: {error}") from error

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes of the body; returns what of them belongs to the file."""
        try:
            self._parser.write(data)
        except FormParserError as error:
            raise InvalidInput(f"the form cannot be read: {error}") from error
        file_data = bytes(self._file_data)
        self._file_data.clear()
        return file_data

    def finish(self) -> None:
        """Say that the body is over."""
        if not self._is_over:
            raise InvalidInput("the form breaks off before its end")
        if not self.has_file:
            raise InvalidInput(f"the form has no part '{FILE}'", field=FILE)

    def _begin_part(self) -> None:
        self._part = _Part()

    def _end_header(self) -> None:
        self._part.end_header()

    def _end_headers(self) -> None:
        if not self._part.is_file:
            return
        if self.has_file:
            raise InvalidInput("the form has more than one file", field=FILE)
        self.has_file = True
        self.file_name = self._part.file_name

    def _take(self, data: bytes) -> None:
        if self._part.is_file:
            self._file_data += data
            return
        self._part.text += data
        if len(self._part.text) > MAX_FIELD_BYTES:
            raise InvalidInput(f"a field of the form is longer than {MAX_FIELD_BYTES} bytes", field=self._part.name)

    def _end_part(self) -> None:
        if self._part.is_file:
            return
        if len(self.fields) >= MAX_FIELDS:
            raise InvalidInput(f"the form has more than {MAX_FIELDS} fields")
        self.fields[self._part.name] = _decoded(self._part.text)

    def _end(self) -> None:
        self._is_over = True


class _Part:
    """A part of a form, from its headers on."""

    def __init__(self) -> None:
        self.name = ""
        self.file_name: str | None = None
        self.is_file = False
        self.text = bytearray()
        self._header_name = b""
        self._header_value = b""

    def name_header(self, data: bytes) -> None:
        self._header_name += data

    def add_header(self, data: bytes) -> None:
        self._header_value += data

    def end_header(self) -> None:
        if self._header_name.lower() == b"content-disposition":
            _, options = parse_options_header(self._header_value.decode("latin-1"))
            self.name = _decoded(options.get(b"name", b""))
            file_name = options.get(b"filename")
            self.file_name = None if file_name is None else _decoded(file_name)
            self.is_file = file_name is not None or self.name == FILE
        self._header_name = self._header_value = b""


def _decoded(data: bytes | bytearray) -> str:
    return bytes(data).decode("utf-8", "replace")
