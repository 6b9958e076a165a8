"""Which language a text is in, judged by its script, and how language tags compare.

Chat lines are too short for statistics: script decides, letters that only one language uses refine it, and the
default stands where nothing can be told.
"""

import re
import unicodedata
from collections import Counter
from functools import lru_cache

# One alternative for each script. CJK scripts are weighed by the character, the others by the word, so that
# 今天玩Minecraft真开心 is Chinese although most of its letters are Latin.
_SCRIPTS = re.compile(
    r"(?P<kana>[\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff\uff66-\uff9d]+)"
    r"|(?P<han>[\u3005\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+)"
    r"|(?P<latin>[A-Za-z\u00aa\u00ba\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u1e00-\u1eff\uff21-\uff3a\uff41-\uff5a]"
    r"[A-Za-z\u00aa\u00ba\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u1e00-\u1eff\uff21-\uff3a\uff41-\uff5a'\u2019]*)"
    r"|(?P<ko>[\u1100-\u11ff\u3131-\u318e\ua960-\ua97c\uac00-\ud7fb]+)"
    r"|(?P<cyrillic>[\u0400-\u052f\u1c80-\u1c88]+)"
    r"|(?P<arabic>[\u0620-\u064a\u066e-\u06d3\u06d5\u06ee\u06ef\u06fa-\u06ff\u0750-\u077f\ufb50-\ufdff\ufe70-\ufefc]+)"
    r"|(?P<hi>[\u0900-\u0963\u0970-\u097f]+)"
    r"|(?P<th>[\u0e01-\u0e3a\u0e40-\u0e4e]+)"
    r"|(?P<el>[\u0370-\u03ff\u1f00-\u1fff]+)"
    r"|(?P<he>[\u05d0-\u05ea\u05ef-\u05f4]+)"
    r"|(?P<bn>[\u0980-\u09ff]+)|(?P<ta>[\u0b80-\u0bff]+)|(?P<te>[\u0c00-\u0c7f]+)"
    r"|(?P<ka>[\u10a0-\u10ff]+)|(?P<hy>[\u0531-\u058f]+)|(?P<my>[\u1000-\u109f]+)|(?P<km>[\u1780-\u17ff]+)"
)
_WORDY = re.compile(r"[^\W\d_]{5}|[^\W\d_][^\w]+[^\W\d_]{2}")
_NOT_LATIN = re.compile("ar|be|bg|bn|el|fa|he|hi|hy|ja|ka|km|ko|mk|my|ru|sr|ta|te|th|uk|ur|zh")
_BY_CHARACTER = frozenset({"kana", "han", "th", "km", "my"})

# Kana that chat uses as parts of faces, ¯\_(ツ)_/¯ and (ﾉ´▽`)ﾉ: a run of these alone is no Japanese.
_FACE_KANA = frozenset("ツシノヽヾゝゞッへヘﾉﾂｼｯ")
# Frequent characters that the 1956 simplification changed, traditional and simplified by turns; none that the other
# script has as well (后, 里, 云).
_SIMPLIFICATION = (
    "們们個个這这來来對对時时說说會会過过還还麼么給给讓让誰谁樣样歡欢聽听買买賣卖東东車车門门問问間间開开關关點点電电腦脑話话"
    "語语請请謝谢愛爱樂乐國国學学習习書书寫写讀读長长張张見见現现觀观視视頻频歲岁幾几從从進进運运動动員员場场業业務务經经濟济"
    "貓猫魚鱼鳥鸟馬马龍龙飛飞風风無无難难題题應应該该變变態态實实頭头體体壓压廣广麗丽戲戏連连線线聲声級级網网紅红錢钱銀银鐵铁"
    "轉转輸输贏赢覺觉帶带嗎吗陳陈劉刘黃黄趙赵蘇苏鄭郑許许鄧邓葉叶盧卢蕭萧"
)
_TRADITIONAL = re.compile(f"[{_SIMPLIFICATION[::2]}]")
_SIMPLIFIED = re.compile(f"[{_SIMPLIFICATION[1::2]}]")
# What Japanese does not write, so that の beside it is the fashion of Chinese chat: simplified characters, less those
# that Japan simplified in the same way, and particles.
_ONLY_CHINESE = re.compile(f"[你她吗吧呢啊哪么{''.join(set(_SIMPLIFICATION[1::2]) - set('来点国学会声体黄猫双'))}]")
_CANTONESE = re.compile("[嘅咗喺啲佢哋嚟嗰噉啱攞]")
_PLAIN_CHINESE = re.compile("[\u4e00-\u9fff][\u4e00-\u9fff，。！？、]*")
"""What need not be weighed, as most lines of Chinese chat."""

# Letters of one language only, looked for within a script; first hit wins.
_REFINED: dict[str, tuple[tuple[str, re.Pattern[str]], ...]] = {
    "latin": (("vi", re.compile("[\u01a0\u01a1\u01af\u01b0\u0110\u0111\u1ea0-\u1ef9]")),),
    "cyrillic": (("uk", re.compile("[іїєґІЇЄҐ]")), ("ru", re.compile(""))),
    "arabic": (("ur", re.compile("[ٹڈڑں]")), ("fa", re.compile("[پچژگ]")), ("ar", re.compile(""))),
}

_ALIASES = {
    "cmn": ("zh", "cn"),
    "yue": ("zh", "hk"),
    "zh-cmn": ("zh", "cn"),
    "zh-yue": ("zh", "hk"),
    "zh-hans": ("zh", "cn"),
    "zh-hant": ("zh", "tw"),
    "iw": ("he",),
    "in": ("id",),
    "no": ("nb",),
    "tl": ("fil",),
}
"""Beginnings of tags that name what another tag names: ISO 639-3 codes of Chinese, scripts for regions, old codes."""

_USUAL_TAG_CHARACTERS = 35
"""Which programs should have room for (RFC 5646, 4.4.1); what is longer is not kept, for clients choose it."""


def detect(text: str, *, default: str = "en-US") -> str:
    """Return the BCP 47 tag of the language that most of a text is in.

    `default` is for texts without letters, and for Latin ones if it is written in Latin letters itself; otherwise
    Latin is `en-US`, unless it is one short word: GG and yyds are as Chinese as English. Chinese wins a draw with
    Latin, because Chinese voices read English words while most others cannot read Han at all. Linear in the length.
    """
    if text.isascii():
        return _latin(text, default)
    if _PLAIN_CHINESE.fullmatch(text):
        return _chinese(text)
    text = unicodedata.normalize("NFC", text)
    weights = _weigh(text)
    if not weights:
        return default
    if weights["kana"] and _is_japanese(text, weights):
        weights["kana"] += weights.pop("han", 0)
    script = max(weights, key=lambda name: (weights[name], name == "han"))
    return _language(text, script, default)


def shows_chinese(text: str) -> bool:
    """Tell whether a text has a character that Japanese does not write: a simplified one, or a particle of Chinese."""
    return _ONLY_CHINESE.search(text) is not None


def primary(tag: str) -> str:
    """Return the language subtag of a tag, lower case, aliases resolved: `zh` of `zh-CN`, `cmn` and `yue`."""
    return _subtags(tag)[0]


def matches(voice_language: str, wanted: str) -> bool:
    """Tell whether a voice of one language serves who asks for another.

    One must be the beginning of the other, as in RFC 4647 basic filtering: a voice of `zh-CN` serves `zh`, and one
    that says only `ja` serves `ja-JP`; a voice of `zh-CN` does not serve `zh-TW`. Case, `_` for `-` and the aliases
    of Chinese make no difference, scripts are looked at for Chinese alone; `*` is served by every voice.
    """
    if wanted == "*":
        return True
    voice, asked = _subtags(voice_language), _subtags(wanted)
    shared = min(len(voice), len(asked))
    return bool(asked[0]) and voice[:shared] == asked[:shared]


def _weigh(text: str) -> Counter[str]:
    """Count characters of CJK scripts and words of the others, by group name of `_SCRIPTS`."""
    weights: Counter[str] = Counter()
    for match in _SCRIPTS.finditer(text):
        script = match.lastgroup or ""
        if script == "kana" and _FACE_KANA.issuperset(match[0]):
            continue
        weights[script] += len(match[0]) if script in _BY_CHARACTER else 1
    return weights


def _is_japanese(text: str, weights: Counter[str]) -> bool:
    """Tell Japanese, a tenth of it kana at the least, from Chinese that borrows の."""
    if weights["kana"] * 10 < weights["han"]:
        return False
    return weights["kana"] * 3 > weights["han"] or _ONLY_CHINESE.search(text) is None


def _language(text: str, script: str, default: str) -> str:
    if script == "kana":
        return "ja"
    if script == "han":
        return _chinese(text)
    for language, letters in _REFINED.get(script, ()):
        if letters.search(text):
            return language
    return _latin(text, default) if script == "latin" else script


def _latin(text: str, default: str) -> str:
    if _NOT_LATIN.fullmatch(primary(default)) and _WORDY.search(text):
        return "en-US"
    return default


def _chinese(text: str) -> str:
    if _CANTONESE.search(text):
        return "zh-HK"
    if _TRADITIONAL.search(text) and not _SIMPLIFIED.search(text):
        return "zh-TW"
    return "zh-CN"


def _subtags(tag: str) -> tuple[str, ...]:
    """Split a tag into lower-case subtags, aliases resolved and the script left out."""
    return _split_known(tag) if len(tag) <= _USUAL_TAG_CHARACTERS else _split(tag)


@lru_cache(maxsize=1024)
def _split_known(tag: str) -> tuple[str, ...]:
    return _split(tag)


def _split(tag: str) -> tuple[str, ...]:
    parts = tuple(tag.strip().lower().replace("_", "-").split("-"))
    for length in (2, 1):
        alias = _ALIASES.get("-".join(parts[:length]))
        if alias is not None:
            rest = _without_script(parts[length:])
            return alias[:1] + rest if rest else alias
    return parts[:1] + _without_script(parts[1:])


def _without_script(parts: tuple[str, ...]) -> tuple[str, ...]:
    return parts[1:] if parts and len(parts[0]) == 4 and parts[0].isalpha() else parts
