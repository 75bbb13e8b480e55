"""Which build this is."""

import os
from importlib.metadata import version

VERSION = version("runestone-chassis")
REVISION = os.environ.get("RUNESTONE_REVISION", "")  # the commit that an image was made of; images set it
