"""Answer one call, play a file to the caller, and record what the caller says.

python examples/record.py bob greeting.wav caller.wav
"""

import asyncio
import sys

import wic


async def main(account_name: str, greeting: str, recording: str) -> None:
    async with wic.Client(wic.Account.load(account_name)) as client:
        call = await anext(client.incoming())
        await call.answer(audio=wic.WavFile(greeting, loop=False), sinks=[wic.WavRecorder(recording)])
        report = await call.ended()
        print(report.to_json())


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3]))
