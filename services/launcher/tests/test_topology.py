import importlib.util

import pytest

from launcher.errors import LaunchError
from launcher.topology import TOPOLOGY, Node, list_stages


def test_callees_come_in_earlier_stages_than_their_callers():
    nodes = (Node("c", "c", peers=("b",)), Node("b", "b", peers=("a",)), Node("a", "a"), Node("z", "z"))
    stages = [sorted(node.name for node in stage) for stage in list_stages(nodes)]
    assert stages == [["a", "z"], ["b"], ["c"]]


def test_a_circle_of_calls_is_refused():
    with pytest.raises(LaunchError, match=r"in a circle: .*a.*b"):
        list_stages((Node("a", "a", peers=("b",)), Node("b", "b", peers=("a",))))


def test_a_call_to_a_service_that_is_not_there_is_refused():
    with pytest.raises(LaunchError, match="a calls ghost"):
        list_stages((Node("a", "a", peers=("ghost",)),))


def test_the_mesh_stops_at_the_edge_first():
    assert [node.name for node in list_stages(TOPOLOGY)[-1]] == ["edge"]


def test_every_service_of_the_table_is_a_module_that_can_be_run():
    for node in TOPOLOGY:
        assert importlib.util.find_spec(f"{node.module}.__main__"), node.module
