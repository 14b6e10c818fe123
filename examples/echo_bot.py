"""Answer every call, and say back what the caller says.

python examples/echo_bot.py bob
"""

import asyncio
import contextlib
import sys

import wic


async def bot(client: wic.Client) -> None:
    async for call in client.incoming():
        await call.answer()
        async for frame in call.audio:  # PCM frames as they arrive
            await call.say(frame)  # echo


async def main(account_name: str) -> None:
    async with wic.Client(wic.Account.load(account_name)) as client:
        await bot(client)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):  # Ctrl-C: the client has deregistered by then
        asyncio.run(main(sys.argv[1]))
