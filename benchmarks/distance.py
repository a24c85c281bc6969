"""A server that is further away: a proxy in a process of its own lets each answer wait a millisecond.

python -m benchmarks.distance HOST PORT    prints the port on which it listens, and carries until its input ends
"""

import asyncio
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress

from sqlalchemy import make_url

DELAY_S = 0.001


@contextmanager
def proxy_to(url: str) -> Generator[int]:
    """Carry what goes to the server of a URL, and yield the port."""
    server = make_url(url)
    command = [sys.executable, "-m", "benchmarks.distance", str(server.host), str(server.port)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        yield int(process.stdout.readline())
        assert process.stdin
        process.stdin.close()


async def _carry(source: asyncio.StreamReader, target: asyncio.StreamWriter, delay_s: float) -> None:
    loop = asyncio.get_running_loop()
    with suppress(ConnectionError, asyncio.CancelledError):
        while data := await source.read(2**16):
            # one answer does not wait for another: a network delays both alike
            loop.call_later(delay_s, target.write, data)
    loop.call_later(delay_s, target.close)


async def _serve(host: str, port: str) -> None:
    async def accept(client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        server, to_server = await asyncio.open_connection(host, int(port))
        await asyncio.gather(_carry(client, to_server, 0), _carry(server, to_client, DELAY_S))

    listener = await asyncio.start_server(accept, "127.0.0.1", 0)
    print(listener.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_serve(*sys.argv[1:]))
