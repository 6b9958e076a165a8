"""The worker's half of marks: espeak-ng's events in, records of words and phonemes out.

espeak-ng tells where things begin. A word or phoneme ends where the next thing begins, a pause included, so a record is
ready a moment after its end. A word's text goes from its place to the place of the next word: events alone would leave
`U` of `U.S.`, `don` of `don't`, and 你 of 你好. A word that is read as several, 1234, tells its place again and again
and stays one. Only light modules of the standard library are imported, for the sake of the worker.
"""

import struct

WORD, PHONEME = 1, 7
"""Of espeak_EVENT_TYPE, and the kind of a record."""

RECORD = struct.Struct("<BIIII8s")
"""Kind; start and end in samples of the speech; a word's place in the text and the next one's, in characters from 0;
the name of a phoneme, padded with zeros, or the length that the word has by itself (`LENGTH`)."""
LENGTH = struct.Struct("<I")
"""Begins a chunk: bytes of the records that follow; PCM follows them."""

END_OF_TEXT = 0xFFFFFFFF


class Marker:
    """Makes records of the events of one speech, in the order of their starts."""

    def __init__(self) -> None:
        self._records: list[bytes] = []
        self._now = 0
        self._word: tuple[int, int] | None = None
        self._phonemes: list[tuple[int, int, bytes]] = []
        self._sounding: tuple[int, bytes] | None = None

    def notice(self, kind: int, position: int, length: int, sample: int, name: bytes) -> None:
        """Take an event: its kind, its place in the text in characters from 1, samples from the beginning, its name.

        A phoneme without a name is a pause, one in brackets a change of language.
        """
        self._now = max(self._now, sample)
        self._hush()
        if kind == PHONEME and name and not name.startswith(b"("):
            self._sounding = self._now, name
        elif kind == WORD and not (self._word and position - 1 < sum(self._word)):
            self._close_word(position - 1)
            self._word = position - 1, length

    def take(self) -> bytes:
        """Return the records that are ready and have not been taken."""
        records = b"".join(self._records)
        self._records.clear()
        return records

    def finish(self, samples: int) -> None:
        """Close what is open at the end of the speech."""
        self._now = max(self._now, samples)
        self._hush()
        self._close_word(END_OF_TEXT)

    def _hush(self) -> None:
        """End the phoneme that sounds."""
        if self._sounding is not None:
            start, name = self._sounding
            self._phonemes.append((start, self._now, name))
            self._sounding = None

    def _close_word(self, next_place: int) -> None:
        """Write the word, if anything of it was heard, then its phonemes."""
        if self._word and self._phonemes:
            place, length = self._word
            start, end = self._phonemes[0][0], self._phonemes[-1][1]
            self._records.append(RECORD.pack(WORD, start, end, place, next_place, LENGTH.pack(length)))
        for start, end, name in self._phonemes:
            self._records.append(RECORD.pack(PHONEME, start, end, 0, 0, name))
        self._phonemes.clear()
