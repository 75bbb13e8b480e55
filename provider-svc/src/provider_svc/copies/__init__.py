"""Copies of resumable calls' events, so that what was read of an answer outlives this process."""
