"""The endpoints that models are asked at: a table, and how the gateway itself speaks at each."""
