"""Any order of commands and losses: each call ends once and leaves nothing behind."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wic.call import Accepted, CallState, Confirmed, Ended, Failed, Released
from wic.errors import CallFailed, LocalProtocolError

ACTIONS = ("ring", "answer", "reject", "hangup alice", "hangup bob", "fail alice", "fail bob", "hold", "time", "cut")
LOSSES = ("INVITE", "ACK", "BYE", "CANCEL", 180, 200, 486, 487)


def act(wire, action):
    alice, bob = wire.alice.call, wire.bob.call
    if action == "time":
        wire.advance(40)
    elif action == "cut":
        wire.alice.endpoint.flow_closed(wire.alice.flow, "cut", now=wire.now)
    elif action == "hold" and alice.state is CallState.CONFIRMED and bob is not None:
        request = alice.dialog.create_request("UPDATE", [("Content-Type", "application/sdp")], wire.offer().to_bytes())
        wire.alice.endpoint.send_request(request, wire.alice.flow, now=wire.now)
    elif action == "hangup alice":
        alice.hangup(now=wire.now)
    elif action == "fail alice":
        alice.fail(CallFailed("broken"), now=wire.now)
    elif bob is not None:
        act_of_bob(wire, bob, action)
    wire.run()


def act_of_bob(wire, bob, action):
    if action == "answer":
        try:
            bob.answer(wire.answer(bob.offer or wire.offer()), now=wire.now)
        except LocalProtocolError:
            assert bob.state not in (CallState.OFFERED, CallState.RINGING)
    elif action == "ring":
        bob.ring(now=wire.now)
    elif action == "reject":
        bob.reject(486, now=wire.now)
    elif action == "hangup bob":
        bob.hangup(now=wire.now)
    elif action == "fail bob":
        bob.fail(CallFailed("broken"), now=wire.now)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.tuples(st.sampled_from(ACTIONS), st.sets(st.sampled_from(LOSSES), max_size=2)), max_size=8))
def test_every_call_ends_once(make_wire, steps):
    wire = make_wire()
    told = {wire.alice: [], wire.bob: []}
    wire.dial()
    for action, lost in steps:
        wire.drop = lost
        act(wire, action)
    wire.drop = set()
    for side in (wire.alice, wire.bob):
        if side.call is not None:
            side.call.hangup(now=wire.now)
            wire.run()
    wire.advance(200)
    for side in (wire.alice, wire.bob):
        if side.call is None:
            continue
        told[side] += side.told
        assert side.call.state is CallState.ENDED
        assert sum(isinstance(event, Ended | Failed) for event in told[side]) == 1
        assert sum(isinstance(event, Accepted | Confirmed) for event in told[side]) <= 1
        assert told[side][-1] == Released()
        assert side.endpoint.next_timeout() is None
        assert side.endpoint.dialogs == 0
