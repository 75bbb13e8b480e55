"""nginx, Debian's package, forwarding and nothing else."""

import shutil
from pathlib import Path

from bench.peers.installing import find_tool, install_once, run
from bench.refusal import NotMeasured
from bench.targets import Command, Manner, Place

CONFIGURATION = """
daemon off;
worker_processes 1;
pid {directory}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  tcp_nodelay on;
  keepalive_requests 1000000;
  client_body_temp_path {directory}/body;
  proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi;
  scgi_temp_path {directory}/scgi;
  upstream model {{ server 127.0.0.1:{upstream}; keepalive 256; keepalive_requests 1000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=1024;
    location / {{
      proxy_pass http://model;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
      proxy_read_timeout 600s;
    }}
  }}
}}
"""


class Nginx:
    """One worker, connections kept on both sides, no buffering, so that streams pass as they come."""

    name = "nginx"
    has_cache = False
    is_peer = True
    warm_up = 0.0

    def manner(self, _upstream: int) -> Manner:
        """As OpenAI's clients ask."""
        return Manner()

    def install(self) -> str:
        """The system's, else Debian's package unpacked into a folder: nothing is started or changed in the system."""
        self._program = shutil.which("nginx") or str(install_once(self.name, "debian", _unpack) / "usr/sbin/nginx")
        return run([self._program, "-v"], Path("/")).strip().rpartition("nginx/")[2]

    def prepare(self, place: Place) -> Command:
        """Writes nginx.conf."""
        config = place.directory / "nginx.conf"
        config.write_text(CONFIGURATION.format(directory=place.directory, port=place.port, upstream=place.upstream))
        return Command(words=[self._program, "-e", "stderr", "-p", str(place.directory), "-c", str(config)])


def _unpack(folder: Path) -> None:
    apt = find_tool("apt-get")
    try:
        run([apt, "download", "nginx"], folder)
    except NotMeasured:  # a fresh system has no lists yet
        run([apt, "update", "-q"], folder)
        run([apt, "download", "nginx"], folder)
    package = next(folder.glob("nginx_*.deb"))
    run([find_tool("dpkg-deb"), "-x", package.name, "."], folder)
