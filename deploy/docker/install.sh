#!/bin/sh
# The second half of an image's build stage: `install.sh SERVICE` puts the launcher with that one service under /tree, as
# it stands in the image, the same bytes and dates whenever and wherever it runs.
set -eu
cd "$(dirname "$0")/../.."

UV_CACHE_DIR=/wheels UV_PROJECT_ENVIRONMENT=/opt/runestone UV_LINK_MODE=copy UV_PYTHON=python3 \
  /uv/bin/uv sync --quiet --frozen --offline --no-dev --no-editable --package runestone-launcher --extra "$1"
# Sets that are compiled stand in the order of their hashes.
PYTHONHASHSEED=0 python3 deploy/docker/settle.py /opt/runestone "$1"

mkdir -p /tree/opt /tree/var/lib/runestone
chmod 700 /tree/var/lib/runestone
mv /opt/runestone /tree/opt/
# One date for ever: builders take files for the same whose bytes are, and would keep those of another day.
find /tree -exec touch --no-dereference --date=1980-01-01T00:00:00Z {} +
