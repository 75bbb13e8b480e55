"""Many calls on one stream.

A gRPC call of its own costs more than the work that it asks for. Here all calls to one process share a session; the frames
that are ready in one turn of the loop travel as one message, and nothing waits for a timer. Stubs and servicers are the
generated ones: `chassis.client.Channel` and `chassis.server.Server` put this beneath them.

`flow`, `frames` and `outbox` are the rules without I/O; `client_session` and `server_session` the two ends, `client_call` and
`server_call` one call at each; `socket_pipe` and `grpc_pipe` what lies between; `opening` and `link` open a session to one
address and keep it, `server` takes those that others open.
"""
