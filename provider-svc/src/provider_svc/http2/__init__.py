"""HTTP/2 (RFC 9113) to providers that offer it: calls share a connection, each as a stream with its own flow control.

Pure: `heads`, `frames`, `dialogue`, `reply`. With I/O: `stream`, `connection`, `negotiation`, `pool`. The frames themselves, their compression and their states
are the h2 library's. docs/adr/0018 says when it pays.
"""
