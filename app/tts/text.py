"""Cleaning: what a chat line becomes before it is spoken.

The result is plain text on one line. No markup reaches a backend: tags are dropped, `<`, `>` and `&` never occur, so
it needs no escaping in SSML. No surrogates, controls, private, unassigned or invisible characters, no combining marks
without a letter of their script, and no more of them than the script writes. Cleaning twice changes nothing.

In this order, so that no step makes what an earlier one removes:

    entities, emoji     &amp; is what it means, emoji are left out or named
    tags, invisible     removed, so that nothing hides behind them
    faces               (´･ω･`)
    compatibility       Ａ１％ is A1%, 𝓱𝓲 hi (NFKC)
    marks               Zalgo
    links, emotes       a URL is a word; [doge] and XD are left out
    white space         one space, or a comma for the end of a line
    numbers             in words where backends read them wrong
    symbols             in words or left out, @ too; a run of punctuation is one mark
    repeats             哈哈哈哈哈哈 is 哈哈哈
"""

import html
import unicodedata
from collections.abc import Mapping

import regex

from app.tts import chinese, english, japanese
from app.tts.emotes import NAMES, drop_faces, drop_pictures, name_pictures, read_emotes
from app.tts.language import primary
from app.tts.repeats import squeeze

_CJK = ("zh", "ja")
_DIGIT = regex.compile("[0-9]")

_ENTITY = regex.compile(r"&(?:#\d{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z]{2,8});")
_INVISIBLE = regex.compile(r"[\p{C}\p{Default_Ignorable_Code_Point}--\s]+", regex.VERSION1)
# Chinese and Japanese punctuation stays full width, for voices trained on it; so do single Korean letters, of which
# laughter is made, and Arabic ligatures of whole phrases.
_COMPATIBLE = regex.compile(r"[^，！？；…\u3131-\u3163\ufdf0-\ufdfd]+")
# ①② and 1½ are no 12 and no 11/2.
_SMALL_NUMBER = "²³¹¼-¾⁰-₉⅐-⅟↉①-⒛⓪-⓿"
_BETWEEN_NUMBERS = regex.compile(
    rf"(?<=[\d{_SMALL_NUMBER}])(?=[{_SMALL_NUMBER}])|(?<=[{_SMALL_NUMBER}])(?=[\d{_SMALL_NUMBER}])"
)

_ADDRESS = regex.compile(
    r"(?i:https?|ftp)://[!-;=?-~]+\p{M}*|(?<![A-Za-z0-9._%+-])[A-Za-z0-9._%+-]++@[A-Za-z0-9-]++(?:\.[A-Za-z0-9-]++)++"
    r"|(?<![A-Za-z0-9-])[A-Za-z0-9-]++(?:\.[A-Za-z0-9-]++)++(?:/[!-;=?-~]*)?\p{M}*"
)
_TOP_DOMAINS = frozenset(
    (
        "com",
        "cn",
        "net",
        "org",
        "io",
        "tv",
        "gg",
        "cc",
        "jp",
        "xyz",
        "app",
        "dev",
        "ru",
        "uk",
        "de",
        "fr",
        "kr",
        "tw",
        "hk",
    )
)
"""Where a bare name is taken for an address: not `me`, `so` or `is`, which end words where a space was forgotten."""
_LINK = {
    "zh": "链接",
    "ja": "リンク",
    "ko": "링크",
    "ru": "ссылка",
    "uk": "посилання",
    "es": "enlace",
    "fr": "lien",
    "vi": "liên kết",
    "ar": "رابط",
    "hi": "लिंक",
    "th": "ลิงก์",
    "el": "σύνδεσμος",
    "he": "קישור",
}
_TAG = regex.compile(r"</?[A-Za-z!?][^<>]*>")

_MARKS = regex.compile(r"\p{M}+")
_LETTERS_WITH_MARKS = (
    (
        regex.compile(r"[\p{Latin}\p{Greek}\p{Cyrillic}]"),
        regex.compile(r"[\u0300-\u0304\u0306-\u030c\u0323-\u0331]"),
        1,
    ),
    (regex.compile(r"[\p{Hiragana}\p{Katakana}]"), regex.compile(r"[\u3099\u309a]"), 1),
    (regex.compile(r"\p{Arabic}"), regex.compile(r"[\u064b-\u0655\u0670]"), 2),
    (regex.compile(r"\p{Hebrew}"), regex.compile(r"[\u05b0-\u05c7]"), 3),
)
"""Letters, the marks they take once composed (NFC), and how many."""
_BRAHMIC = range(0x0900, 0x1AB0)
"""Scripts from Devanagari to Tai Tham, with marks for vowels and tones in the block of their letters."""
_BRAHMIC_MARKS = 4
"""As a letter with nukta, vowel sign, candrabindu and Vedic accent."""

_LINE_END = regex.compile(r"(?<=[\p{L}\p{N}])[^\S\n]*+\n\s*+(?=[\p{L}\p{N}])")
_SPACE = regex.compile(r"\s+")
_BARE_FRACTION = regex.compile(r"(?<![\w.])\.(?=[0-9])")
_LONG_NUMERAL = regex.compile(r"(?<![\d.,])\d{9,}+(?<!000)(?![.,]\d)")

_KEPT = r"\p{L}\p{M}\p{N}\s.,!?;:'\"()。，、！？；：…—–·「」『』《》“”‘’«»„¿¡।॥،؛؟۔՞՜՛։።\-"
_SILENT_IN_CHINESE = regex.compile(rf"[^{_KEPT}]+")
_SILENT = regex.compile(rf"[^{_KEPT}%+=$€£¥₩₽₹°]+")
_SPOKEN_IN_CHINESE = str.maketrans(
    {
        "+": "加",
        "=": "等于",
        "&": "和",
        "±": "正负",
        "≈": "约等于",
        "≥": "大于等于",
        "≤": "小于等于",
        "≠": "不等于",
        "〇": "零",
    }
)
_AND = {"en": " and ", "de": " und ", "fr": " et ", "es": " y ", "ja": "と"}

_PAUSE = r"[,.!?;:，。！？；：、…]"
_PAUSES = regex.compile(rf" ?({_PAUSE}(?:\s*{_PAUSE})*+)")
_STRENGTH = "?？!！…。.;；,，、:："
_DASHES = regex.compile(r"[-–—](?:\s*[-–—])++")
_QUESTIONS = regex.compile(r"[?？]")
_QUESTION = {"zh": "问号", "ja": "はてな", "en": "question mark"}

# What is left out may part what then makes an address, a face or a number: with these characters a text is cleaned
# until it stays as it is. Two passes are common, three are rare.
_UNSETTLED = regex.compile(r"[.:;(（A-Za-z\d\p{M}]")
_MOST_PASSES = 8

# Most lines of Chinese chat: simple characters, each mark between two of them. Nothing but repeats is changed of these.
_PLAIN_CHINESE = regex.compile(r"(?:[\u4e00-\u9fa5]++[，。！？、](?=[\u4e00-\u9fa5]))*+[\u4e00-\u9fa5]++[，。！？]?")

_SPEAKABLE = regex.compile(r"[\p{L}\p{N}%+=$€£¥₩₽₹°]")


def clean(text: str, *, language: str, emoji_names: bool = False) -> str:
    """Return what of a text is spoken, as plain text on one line; empty if nothing is left.

    `language` (BCP 47) is the voice's: numbers, links and symbols become words of it. `emoji_names` says emoji by
    their names instead of leaving them out. Never raises, whatever the text; linear in its length.
    """
    tongue = primary(language)
    if tongue == "zh" and _PLAIN_CHINESE.fullmatch(text):
        return squeeze(text)
    names = NAMES.get(tongue, {}) if emoji_names else None
    if emoji_names:
        text = name_pictures(text, language=tongue)
    for _ in range(_MOST_PASSES):
        before, text = text, _pass(text, tongue, names)
        if text == before or not _UNSETTLED.search(text):
            break
    return text


def is_speakable(text: str) -> bool:
    """Tell whether a cleaned text has a letter, a digit, or a symbol with a name in it."""
    return _SPEAKABLE.search(text) is not None


def _pass(text: str, tongue: str, names: Mapping[str, str] | None) -> str:
    if "&" in text:
        text = _ENTITY.sub(_unescape, text)
    if "<" in text:
        text = _TAG.sub("", text)
    text = _normalise(drop_faces(_INVISIBLE.sub("", drop_pictures(text))))
    if "." in text or "://" in text:
        text = _ADDRESS.sub(lambda match: _name_link(match, tongue), text)
    text = read_emotes(text, names=names)
    text = _SPACE.sub(" ", _LINE_END.sub("，" if tongue in _CJK else ", ", text))
    text = _read_symbols(_read_numbers(text, tongue), tongue)
    return squeeze(_punctuate(text, tongue))


def _unescape(match: regex.Match[str]) -> str:
    return html.unescape(match[0])


def _normalise(text: str) -> str:
    """Bring to NFKC, less some punctuation, and limit combining marks to what scripts write."""
    if text.isascii():
        return text
    text = _BETWEEN_NUMBERS.sub(" ", text)
    text = _COMPATIBLE.sub(lambda match: unicodedata.normalize("NFKC", match[0]), text).replace("\u2044", "/")
    if _MARKS.search(text):
        text = unicodedata.normalize("NFC", _MARKS.sub(_limit_marks, text))
    return text


def _limit_marks(match: regex.Match[str]) -> str:
    base = match.string[match.start() - 1 : match.start()]
    if not base.isalpha():
        return ""
    if ord(base) in _BRAHMIC:
        block = [mark for mark in match[0] if ord(mark) >> 8 == ord(base) >> 8]
        return "".join(block[:_BRAHMIC_MARKS])
    for letter, marks, limit in _LETTERS_WITH_MARKS:
        if letter.match(base):
            return "".join(marks.findall(match[0])[:limit])
    return ""


def _name_link(match: regex.Match[str], tongue: str) -> str:
    address = match[0]
    if "://" in address or "@" in address or _is_host(address.partition("/")[0].lower()):
        return _LINK[tongue] if tongue in _CJK else f" {_LINK.get(tongue, 'link')} "
    return address


def _is_host(name: str) -> bool:
    """Tell a host by its first or last label, whatever digits stand around: www.a.b, a.com, a.com666."""
    first, _, _ = name.partition(".")
    _, _, last = name.rstrip("0123456789.-").rpartition(".")
    return last in _TOP_DOMAINS or first.lstrip("0123456789-").startswith("www")


def _read_numbers(text: str, tongue: str) -> str:
    if not _DIGIT.search(text):
        return text
    text = _BARE_FRACTION.sub("0.", text)
    match tongue:
        case "zh":
            return chinese.read_numbers(text)
        case "ja":
            return japanese.read_numbers(text)
        case "en":
            text = english.read_numbers(text)
    return _LONG_NUMERAL.sub(lambda match: " ".join(match[0]), text)


def _read_symbols(text: str, tongue: str) -> str:
    if tongue == "zh":
        return _SILENT_IN_CHINESE.sub(" ", chinese.read_laughs(text).translate(_SPOKEN_IN_CHINESE))
    if tongue == "ja":
        text = japanese.read_laughs(text)
    if "&" in text:
        text = text.replace("&", _AND.get(tongue, " "))
    return _SILENT.sub(" ", text)


def _punctuate(text: str, tongue: str) -> str:
    """Leave one mark of each run, one space of each, and none of either at the ends that do not belong there."""
    text = _DASHES.sub("—", _PAUSES.sub(_strongest, _SPACE.sub(" ", text)))
    text = text.lstrip(" ,.!;:，。！；：、…—–)」』》”’»").rstrip(" -–—")
    if _QUESTIONS.fullmatch(text):
        return _QUESTION.get(tongue, text)
    return text


def _strongest(match: regex.Match[str]) -> str:
    run = match[1]
    if len(run) > 1 and set(run) <= set(" .。…"):
        return "…"
    return min(run.replace(" ", ""), key=_STRENGTH.index)
