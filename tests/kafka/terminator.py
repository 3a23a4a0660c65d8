"""Speaks TLS in front of a broker that cannot: terminator.py CERTIFICATE KEY PORT BROKER_PORT, all on loopback."""

import asyncio
import ssl
import sys

certificate, key, port, broker = sys.argv[1:]


async def pump(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


async def serve(reader, writer):
    to_reader, to_writer = await asyncio.open_connection("127.0.0.1", int(broker))
    await asyncio.gather(pump(reader, to_writer), pump(to_reader, writer))


async def main():
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    server = await asyncio.start_server(serve, "127.0.0.1", int(port), ssl=context)
    await server.serve_forever()


asyncio.run(main())
