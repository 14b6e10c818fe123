"""Call a user, play a tone, say hello over a data channel, hang up, and print the figures.

python examples/call.py alice sip:bob@ims.example
"""

import asyncio
import sys

import wic


async def main(account_name: str, target: str, seconds: float = 5.0) -> None:
    account = wic.Account.load(account_name)
    async with wic.Client(account) as client:  # connects and registers; deregisters and closes on exit
        call = await client.call(target, audio=wic.Tone(440))
        await call.answered(timeout=30)  # raises CallRejected, CallFailed …
        async with call.open_channel("chat") as channel:
            await channel.send("hello")
        await asyncio.sleep(seconds)
        await call.hangup()
        print(call.report().to_json())


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
