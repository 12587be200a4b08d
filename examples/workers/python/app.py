"""HTTP on asyncio as a worker: `/` says who answers, `/echo?text=hello&ms=200` answers the text after that time. Messages are
answered too, see README.md."""
import asyncio, os
from urllib.parse import parse_qs, urlsplit
import drover_worker

# For so long after a stop an open connection may still bring a request, whose answer says that it is the last: a client that is
# about to send would lose its request if an idle connection were closed at once.
LAST_REQUESTS = 1.0
WORKER = f"{os.getpid()} {os.environ.get('DROVER_GENERATION', '0')}"

class Server:
    def __init__(self):
        self.bus, self.is_draining, self.busy, self.requests = None, False, set(), 0

    async def once(self, bus):
        """Serves until the master says Stop, and drains."""
        self.bus, self.is_draining = bus, False
        listener = bus.listener("http", otherwise=("127.0.0.1", 8091))
        accepting = asyncio.ensure_future(bus.accept(listener, self.connection))
        await bus.started()
        connections = await accepting
        self.is_draining = True
        if connections:
            await asyncio.wait(connections, timeout=LAST_REQUESTS)
        while connections:
            for idle in connections - self.busy:
                idle.cancel()
            await asyncio.wait(connections, timeout=0.1)

    async def connection(self, reader, writer):
        task = asyncio.current_task()
        try:
            is_last = False
            while not is_last:
                first_byte = await reader.readexactly(1)
                self.busy.add(task)  # a request that has begun is under way
                head = first_byte + await reader.readuntil(b"\r\n\r\n")
                first, *headers = head.decode("latin-1").lower().split("\r\n")
                target = head.split(b" ")[1].decode("latin-1")
                body = await self.answer(urlsplit(target))
                is_last = self.is_draining or "connection: close" in headers
                keep = "close" if is_last else "keep-alive"
                writer.write(f"HTTP/1.1 200 OK\r\nX-Worker: {WORKER}\r\nContent-Length: {len(body)}\r\nConnection: {keep}\r\n\r\n".encode() + body)
                await writer.drain()
                self.busy.discard(task)
                self.requests += 1
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, IndexError):
            pass  # the client has gone, or is none of HTTP
        finally:
            self.busy.discard(task)
            writer.close()

    async def answer(self, url):
        if url.path == "/echo":
            query = parse_qs(url.query)
            await asyncio.sleep(int(query.get("ms", ["0"])[0]) / 1000)
            return query.get("text", [""])[0].encode()
        return f"hello from python worker {os.environ.get('DROVER_SLOT', '-')}, pid {os.getpid()}\n".encode()

    async def message(self, message):
        """What it returns is the reply to a request, what it raises its Error."""
        topic = message.payload.decode("utf-8", "replace")
        if message.topic == "drover.conform.echo":
            return message.payload
        if message.topic == "drover.conform.fail":
            raise RuntimeError("as was asked for")
        if message.topic == "drover.conform.send":
            return await self.bus.send(topic)
        if message.topic == "drover.conform.subscribe":
            return await self.bus.subscribe(topic)
        if message.topic == "drover.conform.ask":
            try:
                return await self.bus.request(topic)
            except drover_worker.BusError as error:
                return str(error).encode()
        print(f"message {message.topic} from {message.worker}: {len(message.payload)} bytes", flush=True)
        raise drover_worker.BusError("UNIMPLEMENTED", f"nobody here answers {message.topic}")

if __name__ == "__main__":
    server = Server()
    asyncio.run(drover_worker.serve(server.once, on_message=server.message))
