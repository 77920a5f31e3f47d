"""Folder, local Hub cache or Hub, against a stand-in for the Hub on this machine."""

import importlib.util
import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from helpers import _sources

SPEC = importlib.util.spec_from_file_location("hub_stand_in", Path(__file__).with_name("hub_stand_in.py"))
hub_stand_in = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(hub_stand_in)

MODEL = "someone/tiny"
ASK = """
import json, sys, time
from helpers import _sources
begin = time.monotonic()
try:
    answer = _sources.named(sys.argv[1])._asdict()
except (OSError, ValueError) as error:
    answer = {"error": type(error).__name__, "says": str(error)}
print(json.dumps(answer | {"seconds": time.monotonic() - begin}))
"""


@pytest.fixture
def files(tmp_path):
    folder = tmp_path / "on the hub"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    return folder


@pytest.fixture
def ask(tmp_path):
    """`named(model)` in a process of its own, which reads the Hub's address, token and cache from its environment:
    the fields of what it found as a dict, or {"error": ..., "says": ...}."""

    def run(model: str, address: str, **environment: str) -> dict:
        home = {"HF_HOME": str(tmp_path / "home"), "HF_ENDPOINT": address, "HF_HUB_OFFLINE": "0", "HF_TOKEN": ""}
        done = subprocess.run(
            [sys.executable, "-c", ASK, model],
            env=os.environ | home | environment,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        return json.loads(done.stdout)

    return run


def test_a_folder_wins_over_a_hub_model_of_the_same_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gpt2").mkdir()
    (tmp_path / "gpt2" / "config.json").write_text("{}")
    source = _sources.named("gpt2")
    assert source.local and source.path == "gpt2" and "folder" in source.title


def test_a_model_that_the_hub_serves(files, ask):
    with hub_stand_in.serve(files, MODEL) as (address, _):
        source = ask(MODEL, address)
    assert not source["local"] and source["path"] == MODEL and source["title"] == f"{MODEL} from the Hub"


def test_the_local_cache_serves_when_the_hub_is_gone(files, ask, tmp_path):
    with hub_stand_in.serve(files, MODEL) as (address, _):
        hf_hub_download = "from huggingface_hub import hf_hub_download as get; get('someone/tiny', 'config.json')"
        home = {"HF_HOME": str(tmp_path / "home"), "HF_ENDPOINT": address, "HF_HUB_OFFLINE": "0"}
        subprocess.run([sys.executable, "-c", hf_hub_download], env=os.environ | home, check=True, timeout=60)
    source = ask(MODEL, address)
    assert source["local"] and "local Hub cache" in source["title"] and "cannot be reached" in source["why"]


def test_the_hub_is_not_asked_where_it_is_switched_off(files, ask):
    with hub_stand_in.serve(files, MODEL) as (address, came):
        answer = ask(MODEL, address, HF_HUB_OFFLINE="1")
    assert answer["error"] == "ConnectionError" and not came
    assert re.search(rf"{MODEL} .*HF_HUB_OFFLINE.*hf download {MODEL}", answer["says"])


def test_a_model_that_the_hub_does_not_have(files, ask):
    with hub_stand_in.serve(files, MODEL) as (address, _):
        answer = ask("someone/else", address)
    assert answer["error"] == "FileNotFoundError"
    assert re.search(r"someone/else.*spelling.*hf auth login", answer["says"])


def test_a_gated_model_says_what_it_needs(files, ask):
    with hub_stand_in.serve(files, MODEL, token="hf_right", gated=True) as (address, _):
        answer = ask(MODEL, address)
    assert answer["error"] == "PermissionError"
    assert re.search(r"gated.*licence.*hf auth login.*HF_TOKEN.*HF_TOKEN_PATH", answer["says"])


@pytest.mark.parametrize("place", ["HF_TOKEN", "HF_TOKEN_PATH"])
def test_the_token_is_read_from_the_environment_or_a_file(files, ask, tmp_path, place):
    (tmp_path / "my token").write_text("hf_right\n")
    value = "hf_right" if place == "HF_TOKEN" else str(tmp_path / "my token")
    with hub_stand_in.serve(files, MODEL, token="hf_right", gated=True) as (address, came):
        source = ask(MODEL, address, **{place: value})
    assert source["local"] is False and set(came) == {"hf_right"}


def test_a_hub_that_never_answers_costs_seconds(ask):
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        answer = ask(MODEL, f"http://127.0.0.1:{mute.getsockname()[1]}")
    assert answer["error"] == "ConnectionError" and answer["seconds"] < _sources.SECONDS + 5
    assert re.search("cannot be reached.*leave the name out", answer["says"])


@pytest.mark.parametrize("name", ["./nowhere", "~/nowhere/at/all", "/nowhere", Path("nowhere"), "a/b/c"])
def test_a_path_that_is_not_there(name):
    with pytest.raises(FileNotFoundError, match=r"There is no folder (.*nowhere|a/b/c)"):
        _sources.named(name)


def test_a_folder_without_a_model(tmp_path):
    with pytest.raises(ValueError, match=r"has no config.json: give one that `save_pretrained` has written"):
        _sources.named(tmp_path)


@pytest.mark.parametrize("name", ["two words", "", " ", 7, "a/b--c", "héllo"])
def test_what_is_no_name_at_all(name):
    with pytest.raises(ValueError, match="neither a folder nor the id of a Hub model"):
        _sources.named(name)
