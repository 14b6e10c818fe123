"""Every example, run against an embedded network as its reader would run it."""

from __future__ import annotations

import asyncio
import json
import runpy
import wave
from pathlib import Path

import pytest

import wic
from wic.network import ImsNetwork, NetworkOptions

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
async def network(tmp_path, monkeypatch):
    async with ImsNetwork(NetworkOptions(directory=tmp_path, subscribers=("alice", "bob", "carol"))) as ims:
        monkeypatch.setenv("WIC_ACCOUNTS", str(ims.accounts_path))
        yield ims


def example(name):
    """Return the `main` of an example."""
    return runpy.run_path(str(EXAMPLES / f"{name}.py"))["main"]


async def registered(network, name):
    """Wait until a program has registered: its account can be called."""
    impu = f"sip:{name}@ims.example"
    while not network.hss.reachable(impu, now=0.0):  # noqa: ASYNC110 - the HSS has no events
        await asyncio.sleep(0.01)


async def test_a_call_to_the_echo_bot(network, capsys):
    bot = asyncio.create_task(example("echo_bot")("bob"))
    await registered(network, "bob")
    await example("call")("alice", "sip:bob@ims.example", seconds=1.0)
    bot.cancel()
    await asyncio.wait([bot])
    report = json.loads(capsys.readouterr().out)
    assert report["outcome"] == "completed"
    assert report["media"][0]["received"] > 0
    assert report["channels"][0] == {"label": "chat", "protocol": "", "sent": 1, "received": 0}


async def test_recording_a_caller(network, tmp_path, capsys):
    greeting, recording = tmp_path / "greeting.wav", tmp_path / "caller.wav"
    with wave.open(str(greeting), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(16000))
    answering = asyncio.create_task(example("record")("bob", str(greeting), str(recording)))
    await registered(network, "bob")
    await example("call")("alice", "sip:bob@ims.example", seconds=0.5)
    await answering
    assert all(json.loads(line)["outcome"] == "completed" for line in capsys.readouterr().out.splitlines())
    with wave.open(str(recording)) as file:
        assert file.getnframes() > 0


async def test_calling_many(network, capsys):
    bot = asyncio.create_task(example("echo_bot")("bob"))
    await registered(network, "bob")
    await example("call_many")("alice", "sip:bob@ims.example", "sip:carol@ims.example")
    bot.cancel()
    await asyncio.wait([bot])
    bob, carol = capsys.readouterr().out.splitlines()
    assert bob == "sip:bob@ims.example: answered"
    assert carol.startswith("sip:carol@ims.example: the other side cannot be reached")


def test_every_example_is_run_here():
    text = Path(__file__).read_text()
    for path in EXAMPLES.glob("*.py"):
        assert f'example("{path.stem}")' in text
    assert wic.__version__
