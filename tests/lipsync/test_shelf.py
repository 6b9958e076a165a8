from app.lipsync.shelf import Shelf


def shelf(*things):
    made: Shelf[str] = Shelf(100)
    for key, size in things:
        made.put(key, key.upper(), size)
    return made


def test_what_is_kept_is_looked_up_by_many_and_taken_by_one():
    kept = shelf(("a", 10))
    assert kept.look_up("a") == kept.look_up("a") == "A"
    assert kept.take("a") == "A"
    assert kept.take("a") is None and kept.look_up("a") is None
    assert (len(kept), kept.size) == (0, 0)


def test_the_least_lately_used_goes_first():
    kept = shelf(("a", 40), ("b", 40))
    kept.look_up("a")
    kept.put("c", "C", 40)
    assert kept.look_up("b") is None
    assert (kept.look_up("a"), kept.look_up("c"), kept.size) == ("A", "C", 80)


def test_a_thing_takes_the_place_of_another_with_its_key():
    kept = shelf(("a", 40), ("a", 60))
    assert (len(kept), kept.size) == (1, 60)


def test_what_is_too_large_is_not_kept_and_drives_nothing_out():
    kept = shelf(("a", 40), ("b", 101))
    assert (len(kept), kept.look_up("a")) == (1, "A")


def test_all_that_is_unwanted_is_dropped():
    kept = shelf(("a", 10), ("b", 20), ("aa", 40))
    kept.drop(lambda key: key.startswith("a"))
    assert (len(kept), kept.size, kept.look_up("b")) == (1, 20, "B")
