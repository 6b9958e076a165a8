"""How long jobs take: learnt from those that are done, told of those that are not."""

MEMORY_JOBS = 40
"""Jobs after which what was learnt before counts for a third: few enough to follow a machine that others use too."""


class Pace:
    """Seconds of a job by its size: a straight line through those that were done, the recent ones first of all.

    It is the regression line of exponentially weighted means (West, "Updating mean and variance estimates", 1979), but
    no job takes less than nothing, and no larger one less than a smaller one. While all are of one size, sizes say
    nothing and every job takes the average.
    """

    __slots__ = ("_covariance", "_jobs", "_seconds", "_size", "_variance")

    def __init__(self) -> None:
        self._jobs = 0
        self._size = 0.0
        self._seconds = 0.0
        self._variance = 0.0
        self._covariance = 0.0

    @property
    def average(self) -> float | None:
        """Seconds of a job, on average; None before the first."""
        return self._seconds if self._jobs else None

    def learn(self, size: float, seconds: float) -> None:
        """Take into account a job that is done; sizes are not negative, in any one unit."""
        self._jobs += 1
        weight = max(1 / self._jobs, 1 / MEMORY_JOBS)
        larger, longer = size - self._size, seconds - self._seconds
        self._size += weight * larger
        self._seconds += weight * longer
        self._variance = (1 - weight) * (self._variance + weight * larger * larger)
        self._covariance = (1 - weight) * (self._covariance + weight * larger * longer)

    def predict(self, size: float) -> float | None:
        """Return the seconds that a job of this size will probably take; None before the first."""
        if not self._jobs:
            return None
        if not self._variance:
            return self._seconds
        slope = min(max(self._covariance / self._variance, 0.0), self._seconds / self._size)
        return self._seconds + slope * (size - self._size)
