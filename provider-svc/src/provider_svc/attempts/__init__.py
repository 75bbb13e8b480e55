"""How a call finds its answer: the upstream calls that are made for it, one after the other or two at once.

Pure: `ask verdict attempt leg`. What stands around one another: `to_target hedging retrying falling_back continuing`, put together in
`stack`.
"""
