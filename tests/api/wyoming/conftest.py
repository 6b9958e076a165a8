"""The client's package imports audioop, which warns before Python 3.13 and is replaced by its own from then on."""

import warnings

with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
    import wyoming.audio  # noqa: F401
