"""The one error of the launcher."""


class LaunchError(Exception):
    """The command cannot do what was asked. The message is the line that the user reads: what happened and what to do."""
