r"""Cutting a text into pieces that are spoken one after another and join to the very same text.

Every position between two characters has a rank, which says how well a cut there is heard; a piece ends at the best
rank within its size, and at the last position of that rank. Lengths are code points, as in a Python `str`.

    6 SENTENCE  after 。！？…； and a newline; after . ! ? that end a sentence; closing quotes and white space included
    5 CLAUSE    after ，、,;： and dashes
    4 SPACE     after white space
    3 FREE      between two characters of a script without spaces
    2 TIED      before a closing mark, after an opening one
    1 WORD      inside a word, a number or a URL: only if it alone exceeds the size
    0 CLUSTER   inside a grapheme cluster (UAX #29): only if it alone exceeds the size

Own rules rather than a segmentation library: sentencex 1.0.32 panics on 'A\x85.' with an exception that is not an
`Exception`, and takes quadratic time on opening quotes (0.2 s for 40,000 of them).
"""

import regex

from app.tts.language import primary

CLUSTER, WORD, TIED, FREE, SPACE, CLAUSE, SENTENCE = range(7)

_LETTER = r"[\p{L}\p{N}--[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}ー]]"
_IN_WORD = rf"[{_LETTER}\p{{M}}--[\p{{Thai}}\p{{Lao}}\p{{Khmer}}\p{{Myanmar}}]]"
_CLOSERS = r"[”’」』）)】》〉〗〕｣\]}\"'»›]*"
_URL = r"(?i:https?|ftp)://[!-~]*[\w/#=&~-]|(?i:www)\.[!-~]*[\w/#=&~-]"
_NUMERAL = r"[,:/](?<=\d[,:/])(?=\d)"
_INNER = rf"(?:[.'’_@&-](?={_LETTER})|{_NUMERAL})"

_TOKEN = regex.compile(
    rf"""(?P<word>{_URL}|(?:(?<!{_IN_WORD})[-+−$€£¥￥#@])?{_LETTER}{_IN_WORD}*(?:{_INNER}{_IN_WORD}+)*[%‰℃℉°]*)
    |(?P<stop>[。．！？…；｡।॥؟۔‼⁇⁈⁉.!?]+[~～]*{_CLOSERS})
    |(?P<open>[“‘「『（(【《〈〖〔｢\[{{«‹]+|(?<!\S)["']+)
    |(?P<clause>[，、,;:：､—–―~～·・]+{_CLOSERS})
    |(?P<close>[”’」』）)】》〉〗〕｣\]}}"'»›]+)
    |(?P<space>\s+)
    |[\p{{Han}}\p{{Hiragana}}\p{{Katakana}}ー]+""",
    regex.VERBOSE | regex.VERSION1,
)
# Runs of characters that are a cluster each are skipped; the group is what is left. Two regional indicators are one
# flag, named here because \X takes n² steps for a run of n of them.
_CLUSTERS = regex.compile(
    r"(?:[\n -~‐-‧、-〜ぁ-ゖァ-ヾ一-鿿가-힣！-～](?=[\n -~‐-‧、-〜ぁ-ゖァ-ヾ一-鿿가-힣！-～]|\Z))++"
    r"|((?>\p{Regional_Indicator}{2}[\p{Grapheme_Extend}\u200d]*|\X))",
    regex.VERSION1,
)
_CONTENT = regex.compile(r"[^\s\p{P}\p{Z}\p{C}]")

_FULL_STOP = regex.compile("[。．！？…；｡।॥؟۔‼⁇⁈⁉]")
_SINGLE_STOP = regex.compile(rf"\.{_CLOSERS}")
_NOT_SPACE = regex.compile(r"\S")

_ABBREVIATION = regex.compile(
    r"(?i:\p{L}|\p{L}{1,2}(?:\.\p{L}{1,2})+"  # an initial; U.S, e.g, z.B
    r"|mr|mrs|ms|dr|prof|st|sr|jr|mt|rev|gen|col|capt|lt|sgt|hon|gov|sen|rep|vs|etc|al|approx|ca|cf|figs?"
    r"|nos?|vol|pp|eds?|inc|ltd|co|corp|dept|est|tel|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec|ave|blvd"
    r"|bzw|evtl|ggf|hr|fr|nr|str|usw|vgl|mme|mlle|sra|srta|uds?)"
)
"""A word whose full stop belongs to it, before any word at all: English, then German, French and Spanish."""


def split(text: str, *, size: int, language: str, first_size: int | None = None) -> list[str]:
    """Cut a text into pieces of at most `size` characters whose concatenation is the text exactly.

    Whole sentences are packed while they fit; a longer one is cut at clause marks, then at spaces, then between
    characters. A piece of white space and punctuation alone joins a neighbour if both fit. A grapheme cluster longer
    than `size` is the only one that is cut, a word or number or URL longer than `size` likewise.

    `first_size` asks for an early first sound: in a text longer than that the first piece ends at the first clause or
    sentence mark, wherever within `size` it is. Without any mark the first piece is like the others, since a cut in
    the middle of a phrase is heard as a stumble while the time it saves is not.

    `language` (BCP 47) decides whether ! and ? end a sentence without a space behind. Linear in the length.

    Raises:
        ValueError: a size below 1.
    """
    if size < 1 or (first_size is not None and first_size < 1):
        raise ValueError(f"a piece holds at least 1 character: size={size}, first_size={first_size}")
    if not text:
        return []
    if len(text) <= (size if first_size is None else min(size, first_size)):
        return [text]
    ranks = _rank(text, spaceless=primary(language) in ("zh", "ja"))
    pieces: list[str] = []
    start, content = 0, -1
    while start < len(text):
        content = _next_content(text, start, content)
        if start == 0 and first_size is not None:
            end = _first_mark(text, ranks, content, size) or _best_cut(ranks, start, content, size)
        else:
            end = _best_cut(ranks, start, content, size)
        pieces.append(text[start:end])
        start = end
    return _join_blanks(pieces, size)


def sentences(text: str, *, language: str) -> list[str]:
    """Cut a text into its sentences, with the white space behind each; joined they are the text. Linear."""
    ranks = _rank(text, spaceless=primary(language) in ("zh", "ja"))
    found: list[str] = []
    start = 0
    while (end := ranks.find(SENTENCE, start + 1, len(text))) > 0:
        while end < len(text) and text[end].isspace():
            end += 1
        found.append(text[start:end])
        start = end
    return [*found, text[start:]] if start < len(text) else found


def _rank(text: str, *, spaceless: bool) -> bytearray:
    """Return the rank of each position 0…len(text); the rank at i is that of a cut before character i."""
    ranks = bytearray([FREE]) * (len(text) + 1)
    word_end = word_start = 0
    for token in _TOKEN.finditer(text):
        start, end = token.span()
        match token.lastgroup:
            case "word":
                word_start, word_end = start, end
                _fill(ranks, start + 1, end, WORD)
            case "stop":
                word = text[word_start:word_end] if word_end == start else ""
                _fill(ranks, start, end, TIED)
                ranks[end] = _stop_rank(text, token[0], end, word, spaceless=spaceless)
            case "clause":
                _fill(ranks, start, end, TIED)
                ranks[end] = CLAUSE
            case "close":
                _fill(ranks, start, end, TIED)
            case "open":
                _fill(ranks, start + 1, end + 1, TIED)
            case "space":
                _rank_space(ranks, start, end, newline="\n" in token[0])
    for cluster in _CLUSTERS.finditer(text):
        if cluster[1]:
            _fill(ranks, cluster.start() + 1, cluster.end(), CLUSTER)
    return ranks


def _fill(ranks: bytearray, start: int, end: int, rank: int) -> None:
    ranks[start:end] = bytes([rank]) * (end - start)


def _rank_space(ranks: bytearray, start: int, end: int, *, newline: bool) -> None:
    """White space belongs to the mark before it, but may be left to the next piece where it does not fit."""
    before = ranks[start]
    rank = SENTENCE if newline else max(SPACE, before)
    _fill(ranks, start if newline or before != TIED else start + 1, end + 1, rank)


def _stop_rank(text: str, marks: str, end: int, word: str, *, spaceless: bool) -> int:
    """Return the rank behind a run of stops, closing quotes included, that ends at `end` and follows `word`."""
    single = _SINGLE_STOP.fullmatch(marks) is not None
    if _FULL_STOP.search(marks):
        return SENTENCE
    if single and _ABBREVIATION.fullmatch(word):
        return FREE
    following = _NOT_SPACE.search(text, end)
    if following is None:
        return SENTENCE
    if following.start() == end:
        inside_word = following[0].isascii() and following[0].isalnum()
        return SENTENCE if spaceless and not (single and inside_word) else FREE
    return CLAUSE if following[0].islower() else SENTENCE


def _next_content(text: str, start: int, known: int) -> int:
    """Return where the first character at or after `start` is that is no white space and no punctuation."""
    if known >= start:
        return known
    found = _CONTENT.search(text, start)
    return len(text) if found is None else found.start()


def _first_mark(text: str, ranks: bytearray, content: int, size: int) -> int | None:
    """Return where the first clause or sentence with content ends, its white space included, if within `size`."""
    limit = min(size, len(text))
    found = [ranks.find(rank, content + 1, limit + 1) for rank in (CLAUSE, SENTENCE)]
    end = min((position for position in found if position > 0), default=None)
    while end is not None and end < limit and text[end].isspace():
        end += 1
    return end


def _best_cut(ranks: bytearray, start: int, content: int, size: int) -> int:
    """Return the last position of the best rank within `size`, after some content if that breaks no word."""
    last = min(start + size, len(ranks) - 1)
    if last == len(ranks) - 1:
        return last
    for first in (content + 1, start + 1):
        for rank in (SENTENCE, CLAUSE, SPACE, FREE, TIED):
            position = ranks.rfind(rank, first, last + 1)
            if position > 0:
                return position
    position = ranks.rfind(WORD, start + 1, last + 1)
    return position if position > 0 else last


def _join_blanks(pieces: list[str], size: int) -> list[str]:
    """Let pieces without content ride with a neighbour where both fit into `size`."""
    joined = pieces[:1]
    for piece in pieces[1:]:
        blank = not _CONTENT.search(piece) or not _CONTENT.search(joined[-1])
        if blank and len(joined[-1]) + len(piece) <= size:
            joined[-1] += piece
        else:
            joined.append(piece)
    return joined
