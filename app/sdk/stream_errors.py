"""What can go wrong with the sound that is to be recognised, beside the errors of `app.sdk.errors`.

ClientError
└── SourceFailed           a file cannot be read, or a microphone cannot record
    └── MissingPackage     a package is needed for it that is not installed
"""

from app.sdk.errors import ClientError


class SourceFailed(ClientError):
    """The sound does not come from where it should."""


class MissingPackage(SourceFailed):
    """What is asked for needs a package that is not installed, or does not work here."""
