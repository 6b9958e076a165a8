from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from app.audio.format import Format
from app.tts.cache import ENTRY_OVERHEAD_BYTES, MARK_BYTES, SpeechCache
from app.tts.speech import Gender, Mark, MarkKind, Speech, Voice

VOICE = Voice("v", "V", "en-US", Gender.NEUTRAL, "fake")


def speech(size: int) -> Speech:
    return Speech(bytes(size), Format.WAV, 8000, size / 16_000, VOICE)


def test_what_was_put_is_found():
    cache = SpeechCache(max_bytes=10_000)
    cache.put("a", speech(100))
    assert cache.get("a") == speech(100)
    assert (cache.hits, cache.misses) == (1, 0)


def test_the_least_recently_used_goes_first():
    cache = SpeechCache(max_bytes=2 * (1000 + ENTRY_OVERHEAD_BYTES))
    cache.put("a", speech(1000))
    cache.put("b", speech(1000))
    cache.get("a")
    cache.put("c", speech(1000))
    assert ("a" in cache, "b" in cache, "c" in cache) == (True, False, True)


def test_marks_take_their_room():
    cache = SpeechCache(max_bytes=10_000)
    cache.put("a", replace(speech(100), marks=(Mark(MarkKind.WORD, "hi", 0.0, 0.1),) * 10))
    assert cache.size_bytes == 100 + 10 * MARK_BYTES + ENTRY_OVERHEAD_BYTES


def test_what_is_too_old_is_forgotten():
    now = [0.0]
    cache = SpeechCache(max_bytes=10_000, max_age=60.0, clock=lambda: now[0])
    cache.put("a", speech(100))
    now[0] = 60.0
    assert cache.get("a") is not None
    now[0] = 60.1
    assert cache.get("a") is None
    assert (len(cache), cache.size_bytes) == (0, 0)


def test_what_would_never_fit_is_not_kept():
    cache = SpeechCache(max_bytes=2000)
    cache.put("a", speech(100))
    cache.put("b", speech(5000))
    assert ("a" in cache, "b" in cache) == (True, False)


def test_a_cache_of_no_bytes_is_off():
    cache = SpeechCache(max_bytes=0)
    cache.put("a", speech(0))
    assert cache.get("a") is None


def test_every_lookup_is_told():
    told: list[bool] = []
    cache = SpeechCache(max_bytes=10_000, on_lookup=told.append)
    cache.get("a")
    cache.put("a", speech(1))
    cache.get("a")
    assert told == [False, True]


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 4000)), max_size=50))
def test_the_size_is_the_sum_and_within_the_bound(puts):
    cache = SpeechCache(max_bytes=10_000)
    kept: dict[str, int] = {}
    for key, size in puts:
        cache.put(key, speech(size))
        kept[key] = size
        assert cache.size_bytes <= 10_000
    held = [key for key in kept if key in cache]
    assert cache.size_bytes == sum(len(cache.get(key).audio) + ENTRY_OVERHEAD_BYTES for key in held)
