"""JSON that others wrote: what reading it can raise."""

# msgspec: malformed or mistyped (DecodeError), text that is not UTF-8 (UnicodeDecodeError), nested too deeply.
UNREADABLE = (ValueError, RecursionError)
