"""Changes of a session by the peer."""

from __future__ import annotations

import asyncio

from wic.media import Silence, Tone


def ask(client, call, method, body=b""):
    """Send a request within a call, past its session."""
    calls = call._host
    headers = [("Contact", calls.profile().contact)]
    headers += [("Content-Type", "application/sdp")] if body else []
    request = call._session.dialog.create_request(method, headers, body)
    transaction = calls.connection.endpoint.send_request(request, client.flow, now=client.now)
    calls.pump()
    return transaction


async def test_the_peer_holds_and_resumes(home):
    async with home.client("alice") as alice, home.client("bob") as bob:
        call, other = await home.connect(alice, bob, audio=Silence(), answer=Silence())
        await home.until(lambda: other.report().media[0].sent > 2)
        local = call._session.agreement.local
        held = local.with_media(
            local.media[0].without_attributes("sendrecv").with_attribute("inactive"), local.media[1]
        )
        transaction = ask(alice, call, "UPDATE", held.to_bytes())
        await home.until(lambda: transaction.response is not None and transaction.response.status == 200)
        assert b"a=inactive" in transaction.response.body
        await home.until(lambda: not bob.tasks)
        sent = other.report().media[0].sent
        await asyncio.sleep(0.1)
        assert other.report().media[0].sent == sent
        transaction = ask(alice, call, "UPDATE", held.to_bytes())
        await home.until(lambda: transaction.response is not None)
        other.play(Tone(440))
        await other.reject(486)
        assert not other.is_over
        transaction = ask(alice, call, "UPDATE", local.to_bytes())
        await home.until(lambda: other.report().media[0].sent > sent)
        closed = local.with_media(
            *(
                section.with_media_line(
                    section.media_line.__class__(section.media, 0, section.protocol, section.formats)
                )
                for section in local.media
            )
        )
        transaction = ask(alice, call, "UPDATE", closed.to_bytes())
        await home.until(lambda: not any(other._media._lines))
        await call.hangup()
