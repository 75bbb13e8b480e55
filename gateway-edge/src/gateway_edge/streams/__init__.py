"""Streams that survive a lost connection: each has an id and numbered events, goes on while its client is away, and is read on at any edge."""
