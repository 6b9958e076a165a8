"""What was learnt from music; written by `scripts/fit_recognition.py`, not by hand.

Of 247 tracks in the catalogue and 60 out of it; 2400 queries,
285383 places, 39443 of them right.
"""

WEIGHTS = (
    (0.139, 0.096, 0.235, 0.629, 0.555, 0.121, 0.091, 0.040),
    (-0.039, 0.006, 0.077, 0.378, 0.374, 0.014, -0.083, -0.073),
    (-0.083, -0.056, -0.046, 0.229, 0.257, -0.042, -0.143, -0.120),
    (-0.034, -0.125, -0.053, 0.080, 0.135, -0.078, -0.090, -0.027),
    (0.146, 0.063, 0.139, 0.346, 0.246, 0.086, 0.052, -0.004),
    (0.057, -0.026, 0.022, 0.190, 0.139, -0.026, -0.051, -0.037),
    (-0.057, -0.097, -0.090, 0.014, -0.049, -0.105, -0.105, -0.067),
    (-0.014, -0.057, -0.070, 0.073, -0.017, -0.067, 0.007, 0.042),
    (0.066, 0.036, 0.043, 0.106, 0.092, 0.030, 0.063, 0.035),
    (0.033, -0.012, 0.034, 0.080, 0.048, 0.042, 0.038, 0.001),
    (-0.015, -0.079, -0.075, -0.025, -0.036, 0.009, -0.025, -0.028),
    (-0.014, -0.084, -0.055, -0.012, -0.033, -0.009, 0.003, 0.047),
    (0.004, 0.085, 0.046, 0.065, 0.087, 0.026, 0.034, -0.005),
    (0.010, 0.015, 0.011, 0.037, 0.035, -0.004, -0.066, -0.063),
    (-0.041, 0.006, -0.027, -0.004, 0.008, -0.016, -0.032, -0.040),
    (-0.030, 0.024, 0.011, -0.041, -0.005, -0.001, -0.030, 0.036),
    (-0.013, -0.042, -0.015, 0.038, 0.047, 0.030, -0.038, 0.010),
    (0.009, -0.100, -0.043, -0.006, 0.046, -0.005, -0.080, -0.002),
    (-0.017, -0.063, -0.088, -0.026, -0.081, -0.088, -0.084, -0.033),
    (-0.019, -0.062, -0.090, -0.058, -0.014, -0.052, 0.017, -0.044),
)
"""Of what is read at a track's peaks. A row for how far below its surroundings the query is there, and within that for
how far off its frequency is; a column for how much quieter to louder it is than expected: see `verification`."""

GROWTH = 0.50
"""Exponent by which the odds of wrong tracks grow with the number of their peaks."""
SCORES = (0.097, 0.301, 0.699, 1.000, 1.301, 1.699)
"""-log10 of the fractions of queries of unknown music,"""
ODDS = (1.544, 2.107, 2.628, 2.823, 2.915, 2.975)
"""for which at least so much speaks at most, in a query of a second."""
DECADE = 2.689
"""By how much more than the last of these speaks for a tenth of those."""
CALIBRATED_SECONDS = 39092.8
"""Of music in the catalogue with which this was measured."""
