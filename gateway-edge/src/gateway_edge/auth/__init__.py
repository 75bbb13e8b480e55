"""The kinds of credentials that a call may carry, one strategy each; `table.py` says which are taken."""
