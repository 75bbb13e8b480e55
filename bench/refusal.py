"""Why there is no figure."""


class NotMeasured(Exception):  # noqa: N818  it says what did not happen, not what went wrong
    """A figure that would not mean what its column says. The message is for the reader of the table."""
