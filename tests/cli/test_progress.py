import io

from app.cli.progress import Progress, clock_time


class Watched(io.StringIO):
    def isatty(self):
        return True


def test_who_watches_sees_one_line_that_changes():
    out, now = Watched(), [0.0]
    progress = Progress(out, clock=lambda: now[0])
    for done in range(0, 5):
        now[0] = done * 10.0
        progress.show(done, 4, "300 times real time" if done < 4 else "done")
    lines = out.getvalue().split("\r")
    assert lines[2].rstrip() == "[######..................] 1 of 4, 300 times real time, 0:30 left"
    assert lines[5].rstrip() == "[########################] 4 of 4, done"
    assert len(lines[5].rstrip("\n")) == len(lines[4].rstrip("\n"))
    assert out.getvalue().endswith("\n")


def test_nobody_is_shown_more_than_they_can_see():
    out, now = Watched(), [0.0]
    progress = Progress(out, clock=lambda: now[0])
    for done in range(1000):
        now[0] += 0.001
        progress.show(done, 1000, "")
    assert out.getvalue().count("\r") <= 9


def test_a_log_gets_every_tenth():
    out = io.StringIO()
    progress = Progress(out)
    for done in range(1, 101):
        progress.show(done, 100, "note")
    assert len(out.getvalue().splitlines()) == 10
    assert out.getvalue().splitlines()[-1] == f"[{'#' * 24}] 100 of 100, note"


def test_nothing_to_do_is_shown_as_done():
    out = Watched()
    Progress(out).show(0, 0, "")
    assert out.getvalue().startswith("\r[")


def test_times_are_those_of_a_player():
    assert [clock_time(each) for each in (0, 59.6, 125, 3600, 36_061)] == [
        "0:00",
        "1:00",
        "2:05",
        "1:00:00",
        "10:01:01",
    ]
