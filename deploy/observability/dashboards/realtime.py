"""Connections that stay: WebSockets, channels, rooms, and streams that go on without their clients."""

from dashboards.model import QUARTER, Dashboard, Panel, Query, Row
from dashboards.promql import each, growth, quantiles, rate, total
from dashboards.variables import NAMESPACE

CLOSES = "runestone_socket_closes_total"
CHANNELS = 'endpoint=~"/socket.*"'
DRAIN = "1012: the edge restarts. 1013: the client reads too slowly. 1011: a fault of the gateway's own. 1006: no close frame came."

SOCKETS = Row(
    title="WebSockets",
    panels=(
        Panel(
            title="Open, by endpoint",
            says="Channels (`/socket/websocket`), Responses and realtime sessions. A cliff without a rollout: an edge died.",
            queries=each(total("runestone_sockets_open", by="endpoint"), "{{endpoint}}"),
            is_stacked=True,
        ),
        Panel(
            title="Open, by edge",
            says="An edge that just started has few: clients stay where they are. Each takes 20 KiB or less.",
            queries=each(total("runestone_sockets_open", by="instance"), "{{instance}}"),
            runbook="file-descriptors-near-limit",
        ),
        Panel(
            title="Client connections",
            says="All of them, HTTP's too, and those that were silent too long, by what they were waited for.",
            queries=(
                Query(expr=total("runestone_connections"), legend="open"),
                Query(expr=growth("runestone_connections_expired_total", by="phase"), legend="expired: {{phase}}"),
            ),
            runbook="connections-refused",
        ),
        Panel(
            title="Messages a second",
            says="By endpoint and direction.",
            queries=each(
                rate("runestone_socket_messages_total", by="endpoint, direction"), "{{endpoint}} {{direction}}"
            ),
            unit="mps",
        ),
        Panel(
            title="Closed, by code",
            says=DRAIN,
            queries=each(rate(CLOSES, by="code"), "{{code}}"),
            unit="cps",
            is_stacked=True,
            runbook="sockets-fail",
        ),
        Panel(
            title="Handshakes refused",
            says="By reason: no key, a bound, a gateway that stops.",
            queries=each(
                rate("runestone_socket_handshakes_refused_total", by="endpoint, reason"), "{{endpoint}} {{reason}}"
            ),
            unit="cps",
            runbook="connections-refused",
        ),
    ),
)

SLOW = Row(
    title="Slow readers",
    panels=(
        Panel(
            title="Closed for reading slowly",
            says="1013 by endpoint. One client's network, or all: see the loop's lag and the network of the edges.",
            queries=each(rate(CLOSES, 'code="1013"', by="endpoint"), "{{endpoint}}"),
            unit="cps",
            width=QUARTER,
            runbook="slow-consumers",
        ),
        Panel(
            title="Bytes that wait for WebSocket clients",
            says="At most `max_buffer` each; from there on their streams wait.",
            queries=each(total("runestone_socket_buffered_bytes", by="instance"), "{{instance}}"),
            unit="bytes",
            width=QUARTER,
            runbook="slow-consumers",
        ),
        Panel(
            title="Answers that waited for their caller",
            says="Between services: the caller gave no credit. Of provider: an edge reads slowly, mostly because its client does.",
            queries=each(rate("runestone_mux_credit_stalls_total", by="service"), "{{service}}"),
            unit="cps",
            width=QUARTER,
            runbook="slow-consumers",
        ),
        Panel(
            title="Time for each chunk",
            says="Behind the first, the mean of each stream, as clients get them.",
            queries=quantiles("runestone_stream_chunk_seconds"),
            unit="s",
            width=QUARTER,
        ),
    ),
)

STREAMS = Row(
    title="Streams that can be read on",
    panels=(
        Panel(
            title="Running without a reader",
            says="In edges (`detached`) and in provider-svc (`left`): they end, or their window does.",
            queries=(
                Query(expr=total("runestone_streams_detached"), legend="detached"),
                Query(expr=total("runestone_streams_left"), legend="left"),
                Query(expr=total("runestone_stored_streams"), legend="copies kept"),
            ),
            width=QUARTER,
        ),
        Panel(
            title="Read on",
            says="By where they were found: still in flight, in a copy, or in the cache. After a rollout there is a peak.",
            queries=(
                Query(expr=rate("runestone_streams_resumed_total", by="source"), legend="{{source}}"),
                Query(expr=rate("runestone_resumed_streams_total"), legend="attached in provider-svc"),
            ),
            unit="cps",
            width=QUARTER,
        ),
        Panel(
            title="Windows that passed",
            says="`resume`: nobody came back. `pause`: paused for longer than may be.",
            queries=each(rate("runestone_stream_windows_passed_total", by="window"), "{{window}}"),
            unit="cps",
            width=QUARTER,
        ),
        Panel(
            title="Copies and notes, by outcome",
            says="`lost`, `failed`: who comes back after an edge or a replica died cannot read on. See cache-svc's store.",
            queries=(
                Query(expr=rate("runestone_stream_copies_total", by="outcome"), legend="copy {{outcome}}"),
                Query(expr=rate("runestone_stream_notes_total", by="outcome"), legend="note {{outcome}}"),
            ),
            unit="cps",
            width=QUARTER,
            runbook="cache-store-down",
        ),
    ),
)

ROOMS = Row(
    title="Rooms and realtime sessions",
    panels=(
        Panel(
            title="Rooms",
            says="Remembered in cache-svc, watched there, and with members in edges.",
            queries=(
                Query(expr=total("runestone_rooms"), legend="remembered"),
                Query(expr=total("runestone_rooms_watched"), legend="watched"),
                Query(expr=total("runestone_edge_rooms"), legend="in edges"),
            ),
            width=QUARTER,
        ),
        Panel(
            title="Members",
            says="As cache-svc knows them, and in edges. Apart for long: edges cannot watch cache-svc.",
            queries=(
                Query(expr=total("runestone_room_members"), legend="in rooms"),
                Query(expr=total("runestone_edge_room_members"), legend="in edges"),
                Query(expr=total("runestone_room_watchers"), legend="watches"),
            ),
            width=QUARTER,
            runbook="part-down",
        ),
        Panel(
            title="Messages said",
            says="In all rooms.",
            queries=each(rate("runestone_room_messages_total"), "messages"),
            unit="mps",
            width=QUARTER,
        ),
        Panel(
            title="Streams of rooms, realtime sessions",
            says="Answers that rooms read together, and sessions with a provider's realtime API.",
            queries=(
                Query(expr=total("runestone_edge_room_streams"), legend="streams of rooms"),
                Query(expr=total("runestone_realtime_sessions"), legend="realtime sessions"),
            ),
            width=QUARTER,
        ),
        Panel(
            title="Channels, closed by code",
            says="Phoenix channels only. 1012 in batches is a rollout.",
            queries=each(rate(CLOSES, CHANNELS, by="code"), "{{code}}"),
            unit="cps",
            width=QUARTER,
            runbook="sockets-fail",
        ),
        Panel(
            title="gRPC door",
            says="Rpcs of the edge's own gRPC port that run now.",
            queries=each(total("runestone_grpc_door_running"), "running"),
            width=QUARTER,
        ),
    ),
)

REALTIME = Dashboard(
    name="realtime",
    title="Real time",
    says="WebSockets, channels, rooms, streams that can be read on, and who reads slowly.",
    variables=(NAMESPACE,),
    rows=(SOCKETS, SLOW, STREAMS, ROOMS),
)
