"""Call several people at once, and tell who answered within ten seconds.

python examples/call_many.py alice sip:bob@ims.example sip:carol@ims.example
"""

import asyncio
import sys

import wic


async def try_one(client: wic.Client, target: str) -> str:
    call = await client.call(target, audio=wic.Tone(440), data=False)
    try:
        await call.answered(timeout=10)
    except wic.CallFailed as error:
        return f"{target}: {error}"
    await call.hangup()
    return f"{target}: answered"


async def main(account_name: str, *targets: str) -> None:
    async with wic.Client(wic.Account.load(account_name)) as client:
        for line in await asyncio.gather(*(try_one(client, target) for target in targets)):
            print(line)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
