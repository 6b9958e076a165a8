"""Emoji, emotes and faces made of punctuation: what chat draws rather than says.

They are left out, or named where that is asked for: "哈哈😂" is 哈哈, or 哈哈 笑哭了. All functions are linear.
"""

from collections.abc import Mapping

import emoji
import regex

# Characters of emoji, less those that are text in a frame or a ring (‼ ⁉ ™ ℹ Ⓜ ㊗ ㊙) and become it (NFKC).
_PICTURES = regex.compile(
    r"[\p{Extended_Pictographic}\p{Emoji_Modifier}\p{Regional_Indicator}--[‼⁉©®™ℹⓂ㊗㊙❓❔❕❗]]+", regex.VERSION1
)
_KEYCAP = regex.compile(r"([0-9#*])\ufe0f?\u20e3")
_ORNAMENTS = str.maketrans({"❓": "？", "❔": "？", "❕": "！", "❗": "！"})

# [doge] and [BILI_微笑] as the platforms write them, :thumbs_up: as Slack and Discord do. [笑哭] is left: its word is.
_BRACKETED = regex.compile(
    r"\[(?:(?P<known>(?i:doge|dog|ok|call|kappa|pog|lul|omg))|[^\[\]\s_]{0,20}_(?:[^\[\]\s_]{0,20}_)?(?P<word>[^\[\]\s_]{0,20}))\]"
)
_SHORTCODE = regex.compile(
    r":(?:[a-z][a-z0-9+-]{0,20}_[a-z0-9_+-]{1,40}"
    r"|joy|sob|heart|fire|eyes|clap|pray|skull|smile|smiley|grin|wink|rofl|thumbsup|tada|wave|rocket|cry):"
)
NAMES = {"zh": {"doge": "狗头", "dog": "狗头", "call": "打call"}}
"""What the emotes of platforms are called, by language; elsewhere they keep the name they are written with."""

# Faces in brackets, with the arms that stick out of them. A face has one of these marks, none of which is ever
# spoken, and no word.
_FACE = regex.compile(r"[ヽヾ٩ᕙԅᕦ]?[(（]([^()（）\n]{1,24})[)）][ノﾉوง٩ψᕗゞシ]*")
_FEATURE = regex.compile(r"[\^｀´`˘・･ﾟ▽∀*_><≧≦￣◕•○●◡⊙╥﹏╯╰︶~]")
_WORD = regex.compile(r"[\p{Han}\p{Hangul}]{2}|[\p{Hiragana}\p{Katakana}A-Za-z]{3}|[A-Za-z0-9]{2}|\d")

_EMOTICON = regex.compile(
    r"[:;]['-]?[)(DPp](?![\p{L}\p{M}\p{N}])|\^[_.o-]{0,5}\^|>[_.]{0,5}<|-[_.]{1,5}-|=_=|<3++|[(（]ツ[)）]"
    r"|(?<![A-Za-z])(?:T_T|QAQ|qaq|Q[wW]Q|qwq|TAT|TwT|TvT|OvO|owo|O[wW]O|uwu|U[wW]U|[oO][rR][zZ]|OTZ|otz|XD+|xD+)(?![A-Za-z\p{M}])"
)


def drop_pictures(text: str) -> str:
    """Replace emoji by a space; ❗ and ❓ by the marks that they are, 1️⃣ by its digit and a space."""
    return text if text.isascii() else _PICTURES.sub(" ", _KEYCAP.sub(r"\1 ", text.translate(_ORNAMENTS)))


def name_pictures(text: str, *, language: str) -> str:
    """Replace emoji, and codes like :joy:, by their names in a language (`zh`), where the package has some.

    Its tables are read from files at the first use. What has no name there is left.
    """
    if ":" in text:
        text = _SHORTCODE.sub(lambda match: emoji.emojize(match[0], language="alias"), text)
    return emoji.demojize(text, delimiters=(" ", " "), language=language) if language in emoji.LANGUAGES else text


def drop_faces(text: str) -> str:
    """Replace faces in brackets by a space, before NFKC takes their accents apart."""
    return _FACE.sub(_face, text) if "(" in text or "（" in text else text


def read_emotes(text: str, *, names: Mapping[str, str] | None) -> str:
    """Replace what is written with ASCII, :thumbs_up: and XD by a space, [doge] by its name if `names` are given."""
    if "[" in text:
        text = _BRACKETED.sub(lambda match: _bracketed(match, names), text)
    if ":" in text:
        text = _SHORTCODE.sub(" ", text)
    return _EMOTICON.sub(" ", text)


def _bracketed(match: regex.Match[str], names: Mapping[str, str] | None) -> str:
    if known := match["known"]:
        return " " if names is None else f" {names.get(known.lower(), known)} "
    word = match["word"]
    return " " if word.isascii() else f" {word} "


def _face(match: regex.Match[str]) -> str:
    inside = match[1]
    return " " if _FEATURE.search(inside) and not _WORD.search(inside) else match[0]
