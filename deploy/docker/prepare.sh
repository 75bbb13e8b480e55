#!/bin/sh
# The first half of every image's build stage, the same in all, so that it is done once: what installs, and all that may be
# installed, as the lock has it, in /wheels.
set -eu
cd "$(dirname "$0")/../.."

apt-get update -q
apt-get install -qy --no-install-recommends binutils
python3 -m venv /uv
/uv/bin/pip install --quiet --disable-pip-version-check --no-cache-dir --require-hashes -r deploy/docker/uv.txt
UV_CACHE_DIR=/wheels UV_PROJECT_ENVIRONMENT=/tmp/all UV_PYTHON=python3 \
  /uv/bin/uv sync --quiet --frozen --no-dev --no-install-workspace --package runestone-launcher --extra all
rm -rf /tmp/all /var/lib/apt/lists/*
