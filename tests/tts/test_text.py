from functools import partial

import pytest
import regex
from hypothesis import example, given
from hypothesis import strategies as st

from app.tts.text import clean, is_speakable
from tests.growth import assert_linear

ANY_TEXT = st.text(st.characters(exclude_categories=[]))
FRAGMENTS = st.lists(
    st.sampled_from(
        [*"你哈二0123ax kwQ.,:;!?！，…-~/%$&*_()[]<>'\"\n\t\u200b\u200d\u0301\u06e2\u3099ωﾟ😂①Ａ％：\ud800\ue000ｶがนี้क्"]
        + [
            "[doge]",
            "https://a.com/b",
            "www.",
            "a.com",
            "<b>",
            "&lt;",
            "&amp;",
            "233",
            "666",
            "加油",
            ":joy:",
            "QAQ",
            ":)",
        ]
        + [
            "1:30",
            "2026-11-20",
            "3-5",
            "$20",
            "11.5w",
            "个",
            "年",
            "RTX",
            "km/h",
            "℃",
            "円",
            "in ",
            "#1",
            "1/2",
            "(>_<)",
        ]
    ),
    max_size=14,
).map("".join)
LANGUAGES = st.sampled_from(["zh-CN", "en-US", "ja", "hi", "ar", "ko", ""])

FORBIDDEN = regex.compile(r"[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}<>&@#*_\[\]{}\\|\t\n\r]")


def zh(text: str) -> str:
    return clean(text, language="zh-CN")


def en(text: str) -> str:
    return clean(text, language="en-US")


@given(ANY_TEXT | FRAGMENTS, LANGUAGES, st.booleans())
@example("☦\u06e2", "hi", False)
@example("&#" + "9" * 5000 + ";", "zh-CN", False)
def test_what_comes_out_is_one_line_of_plain_text_that_cleaning_does_not_change(
    text: str, language: str, names: bool
) -> None:
    cleaned = clean(text, language=language, emoji_names=names)
    assert not FORBIDDEN.search(cleaned)
    assert cleaned == cleaned.strip()
    assert "  " not in cleaned
    assert clean(cleaned, language=language, emoji_names=names) == cleaned


@given(st.text(st.sampled_from("哈加油主播今天好棒一二百点龥，。！？、"), max_size=40))
@example("哈哈哈哈哈，加油加油加油加油加油！")
def test_plain_chinese_is_cleaned_as_anything_else_is(text: str) -> None:
    assert zh(text) == zh(text + "\u200b")


@given(ANY_TEXT | FRAGMENTS, st.sampled_from(["zh-CN", "zh-TW", "yue", "ja"]))
def test_no_digit_reaches_a_voice_that_cannot_read_it(text: str, language: str) -> None:
    assert not regex.search("[0-9]", clean(text, language=language))


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("今天天气不错", "今天天气不错"),
        ("你好，欢迎来到直播间！", "你好，欢迎来到直播间！"),
        ("6666666", "六六六"),
        ("哈哈哈哈哈哈哈哈", "哈哈哈"),
        ("加油加油加油加油加油加油", "加油加油"),
        ("233333", "哈哈哈"),
        ("好!!!!!!", "好!"),
        ("真的吗？？！！", "真的吗？"),
        ("你好……………真的......好", "你好…真的…好"),
        ("喵~~~", "喵"),
        ("主播好帅😂😂😂", "主播好帅"),
        ("好😂棒", "好 棒"),
        ("真的吗❓❗", "真的吗？"),
        ("[doge]懂了", "懂了"),
        ("[笑哭]真的", "笑哭 真的"),
        ("[热词系列_知识增加]", "知识增加"),
        ("看https://b23.tv/abc?x=1,2 好", "看链接 好"),
        ("www.bilibili.com好看", "链接好看"),
        ("bilibili.com好看", "链接好看"),
        ("@张三 你好", "张三 你好"),
        ("<b>粗体</b>", "粗体"),
        ('<speak><break time="9s"/>你好</speak>', "你好"),
        ("&lt;b&gt;你好&amp;再见", "你好和再见"),
        ("3<5", "三 五"),
        ("你好\u200b\u2060世\ufeff界", "你好世界"),
        ("\u202e反转", "反转"),
        ("\ud800坏\udfff", "坏"),
        ("\ue000私\U000f0000有", "私有"),
        ("停\x00止\x07", "停止"),
        ("第一行\r\n\n第二行", "第一行，第二行"),
        ("多   个\t空格", "多 个 空格"),
        ("１００％ Ａ", "百分之百 A"),
        ("A&B", "A和B"),
        ("1+1=2", "一加一等于二"),
        ("傻*逼", "傻 逼"),
        ("#话题#真好", "话题 真好"),
        ("(>_<)好痛", "好痛"),
        ("(´・ω・`)可爱", "可爱"),
        ("随便¯\\_(ツ)_/¯", "随便"),
        ("QAQ呜呜", "呜呜"),
        ("约翰·史密斯《书》", "约翰·史密斯《书》"),
        ("？？？", "问号"),
        ("房间号：123456", "房间号:一二三四五六"),
        ("RTX4090多少钱？", "RTX四零九零多少钱？"),
        ("1：30开播", "一点三十分开播"),
        ("-5℃", "负五摄氏度"),
        ("￥5.5", "五点五元"),
        (".5", "零点五"),
        ("①②③第④名", "一 二 三第四名"),
        ("1½杯", "一 二分之一杯"),
        ("10²", "十 二"),
        ("1️⃣2️⃣", "一 二"),
        ("50㎡", "五十平方米"),
        ("hhhhhhh", "哈哈哈"),
    ],
)
def test_chinese_chat(text: str, spoken: str) -> None:
    assert zh(text) == spoken


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("Hello!!!!!! world", "Hello! world"),
        ("lol www", "lol www"),
        ("sooooooo good", "sooo good"),
        ("hahahahahahaha", "haha"),
        ("nice😂day", "nice day"),
        ("see https://a.com/b, ok", "see link ok"),
        ("mail a.b@c.com now", "mail link now"),
        ("@bob hi", "bob hi"),
        ("A & B", "A and B"),
        ("tom &amp; jerry", "tom and jerry"),
        ("it's 50% off", "it's 50% off"),
        ("fullwidth！ok", "fullwidth！ok"),
        ("naïve café co\u0301mo", "naïve café cómo"),
        ("𝓱𝓮𝓵𝓵𝓸", "hello"),
        ("first\nsecond", "first, second"),
        ("XD :) ^_^", ""),
        ("*bold* _it_ `code`", "bold it code"),
        ("???", "question mark"),
        ("Dr. Smith, e.g. this", "Dr. Smith, e.g. this"),
        ("call 13812345678", "call 1 3 8 1 2 3 4 5 6 7 8"),
    ],
)
def test_english_chat(text: str, spoken: str) -> None:
    assert en(text) == spoken


@pytest.mark.parametrize(
    ("language", "text", "spoken"),
    [
        ("ja", "すごいwww", "すごいわら"),
        ("ja", "ｶﾞﾝﾊﾞﾚ！！！", "ガンバレ！"),
        ("ja", "https://a.com 見て", "リンク 見て"),
        ("ko", "안녕ㅋㅋㅋㅋㅋㅋ", "안녕ㅋㅋㅋ"),
        ("fr", "Ça va ? http://a.fr", "Ça va? lien"),
        ("xx", "http://a.fr", "link"),
        ("es", "¿Qué tal?", "¿Qué tal?"),
        ("de", "A & B: 3,50 €", "A und B: 3,50 €"),
        ("pt", "a & b", "a b"),
    ],
)
def test_other_languages(language: str, text: str, spoken: str) -> None:
    assert clean(text, language=language) == spoken


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("ar", "مَرْحَبًا بِكُمْ"),
        ("he", "שָׁלוֹם"),
        ("hi", "नमस्ते हिन्दी में क़ँ"),
        ("th", "สวัสดีครับผู้ชม"),
        ("vi", "được rồi các bạn ạ"),
        ("yo", "ẹ\u0301kọ\u0301"),
        ("my", "မြန်မာဘာသာ"),
        ("ta", "வணக்கம்"),
        ("ja", "がパ"),
    ],
)
def test_marks_that_a_script_writes_stay(language: str, text: str) -> None:
    assert clean(text, language=language) == text


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("h\u0337\u0322\u0321e\u0337l\u0338l\u0345o\u035c", "hello"),
        ("你\u0301\u0302好", "你好"),
        ("☦\u06e2", ""),
        ("\u0301\u0302", ""),
        ("क\u06e2\u0301", "क"),
        ("ก" + "\u0e49" * 50, "ก" + "\u0e49" * 4),
        ("a\u20dd", "a"),
    ],
)
def test_marks_beyond_what_the_script_writes_go(text: str, spoken: str) -> None:
    assert clean(text, language="hi") == spoken


def test_emoji_and_emotes_are_named_on_request() -> None:
    assert clean("哈😂[doge]", language="zh-CN", emoji_names=True) == "哈 笑哭了 狗头"
    assert clean("ok :thumbs_up: [doge]", language="en-US", emoji_names=True) == "ok thumbs up doge"
    assert clean("😂" * 9, language="zh-CN", emoji_names=True) == "笑哭了 笑哭了 笑哭了"
    assert clean("vâng 😂", language="vi", emoji_names=True) == "vâng"


def test_speakable_is_what_has_a_letter_a_digit_or_a_named_symbol() -> None:
    assert all(map(is_speakable, ["你", "a", "5", "٣", "%", "$", "…a"]))
    assert not any(map(is_speakable, ["", " ", "。。。", "…", "-", "“”", "\u0301"]))
    assert not any(is_speakable(zh(text)) for text in ("😂", "[doge]", "。。。", "(>_<)", "\u200b", "<b></b>", "~~~"))


@pytest.mark.parametrize(
    "unit",
    [
        "a",
        "1",
        "a.",
        "<a",
        "&#1;",
        "a@",
        "(^",
        "[_a",
        ":a_",
        "http://",
        "😂",
        "a\u0301",
        "ﷺ",
        "哈啊",
        "abcdefghij",
        "1,",
    ]
    + ["1-", "1/", "$1", "\n ", "? ", "— ", "^_", "T_", "-_", "QAQ", "id1", "a+", "ｶﾞ", "1 ", "aabb", "\u200b"],
)
def test_work_and_size_grow_as_the_text_does(unit: str) -> None:
    small, large = ((unit * size)[:size] for size in (2_500, 20_000))
    for language in ("zh-CN", "en-US", "ja"):
        assert_linear(partial(clean, language=language), small, large)
        assert len(clean(large, language=language)) <= 8 * len(large)
