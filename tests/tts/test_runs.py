from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.tts.runs import Run, runs
from tests.growth import assert_linear

MIXED = st.text(st.sampled_from("今天のさくらハGood day’s привет і안녕 สวัสดี 1。.!？ \n「」"), max_size=60)


@pytest.mark.parametrize(
    ("text", "main"),
    [
        ("今天玩Minecraft真开心", "zh-CN"),
        ("GG！Nice try! 666", "zh-CN"),
        ("老婆の生日快乐", "zh-CN"),
        ("¯\\_(ツ)_/¯ ノシ 哈哈", "zh-CN"),
        ("東京。今日は学校へ行く。", "ja"),
        ("Let's go to Berlin, mein Freund, das ist gut.", "de-DE"),
        ("Привіт, як справи? добре", "uk"),
        ("این خوب است", "ar"),
        ("...!?", "en-US"),
        ("", "en-US"),
    ],
)
def test_one_voice_reads_it_all(text, main):
    assert runs(text, main=main) in ([Run(text, main)], [] if not text else None)


@pytest.mark.parametrize(
    ("main", "expected"),
    [
        ("zh-CN", [("大家好！", "zh-CN"), ("Welcome to my stream. ", "en-US"), ("开始吧", "zh-CN")]),
        ("zh-CN", [("他说", "zh-CN"), ("I am very happy", "en-US"), ("真的", "zh-CN")]),
        ("zh-CN", [("你好！", "zh-CN"), ("こんにちは、元気ですか？", "ja"), ("欢迎", "zh-CN")]),
        ("zh-CN", [("我们喜欢", "zh-CN"), ("さくら", "ja"), ("这首歌", "zh-CN")]),
        ("zh-CN", [("他说", "zh-CN"), ("안녕하세요 ", "ko"), ("是什么", "zh-CN")]),
        ("en-US", [("My name is ", "en-US"), ("王小明 ", "zh-CN"), ("and I like it.", "en-US")]),
        ("en-US", [("This is called ", "en-US"), ("さくら。", "ja")]),
        ("en-US", [("He said ", "en-US"), ("привет", "ru")]),
        ("en-US", [("Tôi không biết. ", "vi"), ("Me neither.", "en-US")]),
        ("ja", [("今日はいい天気。", "ja"), ("我们走吧。", "zh-CN")]),
    ],
)
def test_what_the_voice_cannot_read_is_a_run(main, expected):
    text = "".join(piece for piece, _ in expected)
    assert runs(text, main=main) == [Run(*run) for run in expected]


@given(MIXED | st.text(max_size=40), st.sampled_from(["zh-CN", "ja", "en-US", "ru", "ko"]))
def test_runs_joined_are_the_text_and_neighbours_differ(text, main):
    found = runs(text, main=main)
    assert "".join(run.text for run in found) == text
    assert all(before.language != after.language for before, after in zip(found, found[1:], strict=False))


@pytest.mark.parametrize("unit", ["a。", "さ今", "word ", "今a", "。", "안a "])
def test_work_grows_as_the_text_does(unit):
    small, large = ((unit * size)[:size] for size in (1_250, 10_000))
    assert_linear(partial(runs, main="zh-CN"), small, large)
