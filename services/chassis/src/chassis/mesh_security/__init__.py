"""Mutual TLS inside the mesh: who a caller is by its certificate, and what it may call. Off unless `mesh.tls` is set."""
