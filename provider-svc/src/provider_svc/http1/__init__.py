"""A small HTTP/1.1 client (RFC 9112) for one purpose: to POST a document to a provider and to relay what comes back.

Pure: `origin`, `request`, `reply`, `coding`. With I/O: `connection`, `waiting`, `dialing`, `race`, `pool`. docs/adr/0006 says why it is our
own.
"""
