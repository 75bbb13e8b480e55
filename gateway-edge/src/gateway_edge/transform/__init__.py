"""Requests and answers changed as `transform` in a pipeline says. Pure, but for `reply`."""
