"""Peers are set up fairly, listen on loopback only, and are left out with a reason where they cannot be had."""

import json
import re
import sys
from pathlib import Path

import pytest

from bench.mesh import configure as configure_ours
from bench.peers import PEERS, RIVALS, installing
from bench.peers.envoy import Envoy
from bench.peers.installing import find_tool, install_once, run
from bench.peers.litellm import LiteLLM, configure
from bench.peers.nginx import Nginx
from bench.peers.portkey import LOOPBACK, Portkey
from bench.refusal import NotMeasured
from bench.targets import Place

ADDRESS = re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b")


@pytest.fixture
def place(tmp_path) -> Place:
    return Place(port=50123, upstream=50124, directory=tmp_path)


@pytest.fixture
def tools(tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr(installing, "TOOLS", tmp_path)
    return tmp_path


@pytest.mark.parametrize("peer", [Nginx(), Envoy(), LiteLLM()])
def test_a_peer_listens_and_calls_on_loopback_only(peer, place):
    peer._program = "/somewhere/program"
    command = peer.prepare(place)
    text = "\n".join(path.read_text() for path in place.directory.iterdir()) + " ".join(command.words)
    assert set(ADDRESS.findall(text)) == {"127.0.0.1"}
    assert {"50123", "50124"} <= set(re.findall(r"\b501\d\d\b", text))


def test_portkey_is_made_to_listen_on_loopback(place):
    """It has no option for it."""
    portkey = Portkey()
    portkey._node, portkey._folder = "node", place.directory
    words = portkey.prepare(place).words
    assert words[1:3] == ["-r", str(LOOPBACK)]
    assert LOOPBACK.exists()
    assert portkey.manner(50124).headers["x-portkey-custom-host"] == "http://127.0.0.1:50124/v1"


def test_litellm_does_not_pay_for_a_cache_that_a_question_did_not_ask_for(place):
    settings = configure(place)["litellm_settings"]
    assert settings["cache_params"]["mode"] == "default_off"
    assert LiteLLM().manner(1).cached == {"cache": {"use-cache": True}}


def test_litellm_and_ours_know_the_same_models(place):
    theirs = [model["model_name"] for model in configure(place)["model_list"]]
    assert theirs == [model["name"] for model in configure_ours(place)["models"]]


def test_who_only_forwards_is_not_a_rival():
    assert {peer.name for peer in PEERS} - set(RIVALS) == {"nginx", "Envoy"}
    assert all(peer.is_peer for peer in PEERS)


def test_a_tool_that_is_not_there_is_named(tools):
    with pytest.raises(NotMeasured, match=r"^no-such-tool is not installed$"):
        find_tool("no-such-tool")


def test_the_projects_own_tool_comes_first(tools):
    own = tools / "bin" / "sh"
    own.parent.mkdir()
    own.write_text("#!/bin/sh\n")
    own.chmod(0o755)
    assert find_tool("sh") == str(own)


def test_a_peer_is_installed_once(tools):
    filled = []
    folders = {install_once("x", "1.0", filled.append) for _ in range(2)}
    assert folders == {tools / "peers" / "x"}
    assert len(filled) == 1


def test_half_an_installation_is_none(tools):
    def fill(folder: Path) -> None:
        assert list(folder.iterdir()) == []
        (folder / "part").touch()
        raise NotMeasured("no network")

    for _ in range(2):
        with pytest.raises(NotMeasured):
            install_once("x", "1.0", fill)


def test_another_version_is_installed_anew(tools):
    install_once("x", "1.0", lambda folder: (folder / "old").touch())
    folder = install_once("x", "2.0", lambda folder: (folder / "new").touch())
    assert {path.name for path in folder.iterdir()} == {"new", ".installed-2.0"}


def test_a_step_that_fails_says_which_and_where_its_words_are(tools):
    """Not the words themselves: they name machines and addresses, and the reason goes into a table."""
    folder = tools / "x"
    folder.mkdir()
    with pytest.raises(NotMeasured) as caught:
        run([sys.executable, "-c", "import sys; sys.exit('cannot reach example.invalid')"], folder)
    assert str(caught.value) == f"cannot be installed: {Path(sys.executable).name} ended with 1; see x.log"
    assert "example.invalid" in (tools / "x.log").read_text()


def test_a_step_that_cannot_begin_is_a_reason_too(tools):
    with pytest.raises(NotMeasured, match="FileNotFoundError"):
        run([str(tools / "nothing")], tools)


def test_ours_is_limited_but_never_out_of_allowance(place):
    tenant = json.loads(json.dumps(configure_ours(place)))["tenants"][0]
    assert tenant["limits"]["requests_per_minute"] >= 10**8
