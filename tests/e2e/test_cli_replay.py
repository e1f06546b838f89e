# SPDX-License-Identifier: MIT
"""What the CLI sends, replayed from data/cli.json, and its models applied to every answer."""
import base64
import json
import pathlib
import string

import pytest
from bodies import cluster_body
from model import MODELS

CLOUD = {"workers": 2}  # any of them may answer any request and do any pass
COMMANDS = json.loads((pathlib.Path(__file__).parent / "data" / "cli.json").read_text())


@pytest.fixture(scope="module")
def saved():
    """Values that later requests refer to as ${name}."""
    return {}


def filled(value, saved):
    return string.Template(value).substitute(saved) if isinstance(value, str) else value


def at(value, path):
    """The member at a.b.0.c; list positions are numbers."""
    for key in path.split("."):
        value = value[int(key)] if isinstance(value, list) else value[key]
    return value


def send(alice, row, saved):
    headers = {}
    token = alice.token
    if row.get("basic"):
        headers["Authorization"] = "Basic " + base64.b64encode(
            b"alice@tenant1:alice-password").decode()
    if row.get("basic") or row.get("token") is False:
        alice.token = None
    try:
        body = cluster_body("replay") if row.get("body") == "cluster" else None
        return alice.request(row["method"], filled(row["path"], saved), body, headers=headers,
                             accept=row.get("accept", "application/json;version=35.0"))
    finally:
        alice.token = token


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command["command"])
def test_command(alice, saved, command):
    if "wait" in command:
        task = alice.wait(filled(command["wait"], saved))
        assert task.status == command["result"], task
        return
    for row in command["requests"]:
        answer = send(alice, row, saved)
        assert answer.status == row["status"], (row, answer)
        if "model" in row:
            MODELS[row["model"]](answer.json)
        for path, expected in row.get("equal", {}).items():
            assert at(answer.json, path) == filled(expected, saved), (row, path)
        for name, path in row.get("save", {}).items():
            saved[name] = at(answer.json, path)
