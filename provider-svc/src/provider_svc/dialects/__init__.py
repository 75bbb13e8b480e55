"""Conversations in nobody's dialect, and the three dialects that are read into it and written out of it.

A request is read into a `Prompt` and written out of one; an answer is read into `Step`s, as its events come, and written out of
them. A document is a stream's fold. So each dialect knows itself only, and any of them reaches any other.
"""
