"""The `runestone` command. Each command is a module of its own; what is slow to import is imported when it runs."""

from launcher.cli.app import app, main

__all__ = ["app", "main"]
