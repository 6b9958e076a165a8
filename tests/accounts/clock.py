class Clock:
    """Seconds that pass when a test says so; for the wall and for the monotonic clock."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now
