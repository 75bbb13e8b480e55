# Envoy's preStop hook; the kubelet sends SIGTERM when it ends. Waits until nobody sends new connections here, then has the listeners
# drained (clients are told to connect anew with their next answer), and waits for the calls that run, up to DRAIN_GRACE seconds.
# bash alone: the image has no HTTP client. https://www.envoyproxy.io/docs/envoy/latest/operations/admin
set -u
readonly PORT="${ADMIN_PORT:-9901}"

admin() { # method, path: the answer's lines
  local line
  exec 3<>"/dev/tcp/127.0.0.1/$PORT" || return 1
  printf '%s %s HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: 0\r\n\r\n' "$1" "$2" >&3
  while IFS= read -r line <&3; do printf '%s\n' "${line%$'\r'}"; done
  exec 3>&-
}

running() { # calls of clients that run now
  local line sum=0
  while IFS= read -r line; do
    [[ "$line" =~ ^http\.(tls|plain|grpc)\.downstream_rq_active:\ ([0-9]+)$ ]] && sum=$((sum + BASH_REMATCH[2]))
  done < <(admin GET '/stats?filter=downstream_rq_active')
  printf '%s' "$sum"
}

admin POST /healthcheck/fail >/dev/null
sleep "$DRAIN_SLEEP"
admin POST '/drain_listeners?graceful&skip_exit' >/dev/null
SECONDS=0
while ((SECONDS < DRAIN_GRACE)) && (($(running) > 0)); do sleep 1; done
