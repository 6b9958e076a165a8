import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.tts.language import detect, matches, primary, shows_chinese


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("你好，欢迎来到直播间！", "zh-CN"),
        ("今天玩Minecraft真开心", "zh-CN"),
        ("hello 你好", "zh-CN"),
        ("666主播牛逼 GG", "zh-CN"),
        ("我の老婆好可爱", "zh-CN"),
        ("这个の价格是多少，我要买一个", "zh-CN"),
        ("随便啦¯\\_(ツ)_/¯", "zh-CN"),
        ("(ﾉ´▽`)ﾉ来了来了", "zh-CN"),
        ("歡迎來到直播間", "zh-TW"),
        ("你喺邊度呀", "zh-HK"),
        ("唔，好吧", "zh-CN"),
        ("こんにちは", "ja"),
        ("配信を開始します", "ja"),
        ("東京都知事選挙が開始", "ja"),
        ("私の猫", "ja"),
        ("スーパーチャットありがとう！", "ja"),
        ("안녕하세요 여러분", "ko"),
        ("\u1112\u1161\u11ab\u1100\u116e\u11a8", "ko"),
        ("Привет всем", "ru"),
        ("Привіт усім, як ви?", "uk"),
        ("Chào mọi người", "vi"),
        ("được rồi", "vi"),
        ("Xin cha\u0300o ca\u0301c ba\u0323n", "vi"),
        ("مرحبا بالجميع", "ar"),
        ("چطوری", "fa"),
        ("नमस्ते", "hi"),
        ("สวัสดีครับ", "th"),
        ("Γειά σου", "el"),
        ("שלום", "he"),
        ("Hello everyone", "en-US"),
        ("I'm learning 中文 now, it is fun", "en-US"),
        ("café crème", "en-US"),
        ("", "en-US"),
        ("😀 123 !!!", "en-US"),
    ],
)
def test_script_and_telling_letters_decide(text: str, language: str) -> None:
    assert detect(text) == language


def test_the_default_stands_where_nothing_tells() -> None:
    assert detect("", default="zh-CN") == "zh-CN"
    assert detect("2333", default="zh-CN") == "zh-CN"
    assert detect("？！…", default="zh-CN") == "zh-CN"


def test_latin_is_the_default_if_that_is_latin_and_english_otherwise() -> None:
    assert detect("guten Tag", default="de-DE") == "de-DE"
    assert detect("good morning", default="zh-CN") == "en-US"
    assert detect("très très bon", default="ja-JP") == "en-US"
    assert detect("GG", default="zh-CN") == "zh-CN"
    assert detect("yyds 666", default="zh-CN") == "zh-CN"


@given(st.text(st.characters(exclude_categories=[])))
def test_any_text_has_a_language(text: str) -> None:
    assert primary(detect(text)).isalpha()


@pytest.mark.parametrize(
    ("tag", "language"),
    [
        ("zh-CN", "zh"),
        ("zh_CN", "zh"),
        ("EN-us", "en"),
        ("ja", "ja"),
        ("cmn", "zh"),
        ("yue", "zh"),
        ("cmn-latn-pinyin", "zh"),
    ],
)
def test_primary_is_the_language_subtag(tag: str, language: str) -> None:
    assert primary(tag) == language


@pytest.mark.parametrize(
    ("voice", "wanted"),
    [
        ("zh-CN", "zh"),
        ("zh", "zh-CN"),
        ("zh-CN", "ZH-cn"),
        ("zh_CN", "zh-CN"),
        ("cmn", "zh-CN"),
        ("zh-CN", "cmn"),
        ("cmn", "zh"),
        ("yue", "zh-HK"),
        ("zh-Hans-CN", "zh-CN"),
        ("zh-CN", "zh-Hans"),
        ("zh-TW", "zh-Hant"),
        ("zh-yue", "yue"),
        ("ja", "ja-JP"),
        ("nb-NO", "no"),
        ("sr-Latn-RS", "sr-RS"),
        ("en-US", "*"),
    ],
)
def test_a_voice_serves_its_language(voice: str, wanted: str) -> None:
    assert matches(voice, wanted)


@pytest.mark.parametrize(
    ("voice", "wanted"),
    [("zh-CN", "zh-TW"), ("cmn", "yue"), ("en-US", "zh"), ("zh-HK", "zh-CN"), ("en", "e"), ("en", ""), ("", "")],
)
def test_a_voice_does_not_serve_another(voice: str, wanted: str) -> None:
    assert not matches(voice, wanted)


@given(st.sampled_from(["zh", "zh-CN", "cmn", "yue", "en-US", "en", "ja-JP", "zh-Hant"]))
def test_a_language_serves_itself_and_its_family(tag: str) -> None:
    assert matches(tag, tag)
    assert matches(tag, primary(tag))


@pytest.mark.parametrize(
    ("text", "shows"), [("我们走吧", True), ("你好", True), ("東京", False), ("走れ", False), ("", False)]
)
def test_chinese_that_japanese_does_not_write(text: str, shows: bool) -> None:
    assert shows_chinese(text) is shows
