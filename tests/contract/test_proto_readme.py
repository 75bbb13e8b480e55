"""The page about the contracts says what the code does."""

import re

from chassis.errors import CODES, Reason
from contract.descriptors import PROTO
from gateway_edge.door.errors import MEANINGS

ROW = re.compile(r"^\| `([A-Z_]+)` \| ([A-Z_]+) \| (\d+) \|$", re.MULTILINE)


def test_the_table_of_reasons_is_the_codes_own():
    rows = ROW.findall((PROTO / "README.md").read_text())
    assert rows == [(reason, CODES[reason].name, str(int(MEANINGS[reason].status))) for reason in Reason]
