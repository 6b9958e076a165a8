"""How the text of `tts_stream` is cut, so that every chunk's message stays within the size of one message."""

from collections import deque

from app.api.danmu.messages import MAX_MESSAGE_BYTES
from app.audio.format import Format
from app.tts import language, pieces
from app.tts.output import Output

FIRST_CHUNK_CHARACTERS = 6  # a first clause of about a second, so that the first sound is there at once

_ENVELOPE_BYTES = 16 * 1024  # ids, metadata and up to 1000 characters of text, escaped
_TIMESTAMP_BYTES_PER_SECOND = 2000  # 1600 in Mandarin, 1500 in English, at the live rate
_WORDY_LANGUAGES = ("zh", "ja", "ko", "yue")
_SLOWEST_CHARACTERS_PER_SECOND = {True: 3.5, False: 11.0}  # at the live rate; digits and rare characters are slower


class Chunks:
    """The pieces of one text that have not been spoken, in order. Concatenated they are the text."""

    def __init__(self, text: str, *, size: int, output: Output, timestamps: bool = False) -> None:
        """Cut a text into pieces of at most `size` characters, fewer where their audio would not fit a message.

        `timestamps` leaves room for the times of words and phonemes.
        """
        self._language = language.detect(text)
        size = min(size, self._characters_that_fit(output, timestamps))
        first = min(size, FIRST_CHUNK_CHARACTERS)
        self._pieces = deque(pieces.split(text, size=size, language=self._language, first_size=first))

    def __len__(self) -> int:
        return len(self._pieces)

    def take(self) -> str:
        """Return the next piece."""
        return self._pieces.popleft()

    def put_back(self, piece: str) -> bool:
        """Return a piece whose audio proved too large, cut in two; False if it cannot be cut."""
        halves = pieces.split(piece, size=(len(piece) + 1) // 2, language=self._language)
        if len(halves) < 2:
            return False
        self._pieces.extendleft(reversed(halves))
        return True

    def _characters_that_fit(self, output: Output, timestamps: bool) -> int:
        if output.format in (Format.WAV, Format.FLAC):
            bytes_per_second = output.sample_rate * 2
        else:
            bytes_per_second = (output.bitrate or 0) // 8
        written_per_second = bytes_per_second * 4 / 3 + (_TIMESTAMP_BYTES_PER_SECOND if timestamps else 0)
        seconds = (MAX_MESSAGE_BYTES - _ENVELOPE_BYTES) / written_per_second
        is_wordy = language.primary(self._language) in _WORDY_LANGUAGES
        return int(seconds * _SLOWEST_CHARACTERS_PER_SECOND[is_wordy])
