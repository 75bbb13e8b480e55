"""A changed configuration comes into force while calls run: all of it or nothing, with the reason (docs/adr/0011).

`source` reads the file and knows what it depends on, `file_watch` notices that it changed, `changeable` says what may change at
run time, `reloader` does it; `followed` is where a process has its snapshots from.
"""
