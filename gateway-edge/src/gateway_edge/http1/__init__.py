"""An HTTP/1.1 server (RFC 9112) for one purpose: to hand JSON requests to the door and to send bytes back as they come.

Pure: `request`, `parser`. `response` knows the date. With I/O: `connection`, `connections`. docs/adr/0009 says why it is our own.
"""
