#!/usr/bin/python3
"""Traffic of the tests, from whatever network namespace it is started in; results are JSON on standard output.

    traffic.py get ADDRESS PORT [--count N] [--source-port P]    HTTP requests one after another, each a connection of its own,
                                                                 from port P, P + 1, ...
    traffic.py load ADDRESS:PORT... --rate R                     new connections at a steady rate, round the addresses, until SIGTERM
    traffic.py hold ADDRESS PORT [--source-port P]               one long-lived connection that echoes lines, until SIGTERM
    traffic.py download ADDRESS PORT --bytes N                   a large answer, compared by checksum
    traffic.py upload ADDRESS PORT --bytes N                     a large request body, compared by checksum
    traffic.py udp ADDRESS PORT [--count N] [--source-port P] [--source new|fixed]

The far end is server.c. `load` and `hold` print a line of progress about twice a second; the last line is the result.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import json
import signal
import socket
import sys
import time
import zlib
from collections.abc import Iterator
from typing import Any

BLOCK = 65536
SLOW = 0.9  # seconds; a lost SYN is sent again after one second


class Refused(Exception):
    """An answer that is not what server.c says."""


def reason_of(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def fields_of(body: bytes) -> dict[str, str]:
    return dict(line.split("=", 1) for line in body.decode(errors="replace").splitlines() if "=" in line)


def split_answer(raw: bytes) -> tuple[bytes, bytes]:
    """Head and body of a complete HTTP answer."""
    head, separator, body = raw.partition(b"\r\n\r\n")
    if not separator:
        raise Refused(f"answer cut off after {len(raw)} bytes")
    if not head.startswith(b"HTTP/1.1 200 "):
        raise Refused(head.split(b"\r\n")[0].decode(errors="replace"))
    length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
    if len(body) != length:
        raise Refused(f"body of {len(body)} bytes instead of {length}")
    return head, body


def request(path: str, host: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()


def connect(address: str, port: int, timeout: float, source_port: int = 0) -> socket.socket:
    connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    connection.settimeout(timeout)
    try:
        if source_port:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            connection.bind(("", source_port))
        connection.connect((address, port))
    except BaseException:
        connection.close()
        raise
    return connection


def receive_all(connection: socket.socket) -> bytes:
    parts = []
    while part := connection.recv(BLOCK):
        parts.append(part)
    return b"".join(parts)


# ---- get ---------------------------------------------------------------------------------------------------------------------


def get_once(options: argparse.Namespace, source_port: int) -> dict[str, Any]:
    start = time.monotonic()
    with connect(options.address, options.port, options.timeout, source_port) as connection:
        local = "%s:%d" % connection.getsockname()
        connection.sendall(request("/", options.address))
        _, body = split_answer(receive_all(connection))
    return {**fields_of(body), "local": local, "seconds": round(time.monotonic() - start, 6)}


def get(options: argparse.Namespace) -> dict[str, Any]:
    answers, failures = [], []
    for number in range(options.count):
        try:
            answers.append(get_once(options, options.source_port + number if options.source_port else 0))
        except (OSError, Refused) as error:
            failures.append({"time": time.time(), "reason": reason_of(error)})
    return {"answers": answers, "failures": failures}


# ---- load --------------------------------------------------------------------------------------------------------------------


class Load:
    """New connections at a steady rate, whatever becomes of the earlier ones."""

    def __init__(self, options: argparse.Namespace):
        self._targets = [(target.rpartition(":")[0], int(target.rpartition(":")[2])) for target in options.targets]
        self._rate, self._timeout = options.rate, options.timeout
        self._started = 0
        self._ok = 0
        self._slowest = 0.0
        self._slow: list[dict[str, Any]] = []
        self._failures: list[dict[str, Any]] = []
        self._tasks: collections.Counter[str] = collections.Counter()
        self._clients: collections.Counter[str] = collections.Counter()
        self._ending = asyncio.Event()

    async def run(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._ending.set)
        pending: set[asyncio.Task[None]] = set()
        begin = last_line = time.monotonic()
        while not self._ending.is_set():
            task = asyncio.create_task(self._one(self._targets[self._started % len(self._targets)]))
            pending.add(task)
            task.add_done_callback(pending.discard)
            self._started += 1
            if time.monotonic() - last_line > 0.5:
                last_line = time.monotonic()
                self._print(final=False)
            pause = begin + self._started / self._rate - time.monotonic()
            try:
                await asyncio.wait_for(self._ending.wait(), max(pause, 0))
            except asyncio.TimeoutError:
                pass
        if pending:
            await asyncio.wait(pending)
        self._print(final=True)

    async def _one(self, target: tuple[str, int]) -> None:
        start, when = time.monotonic(), time.time()
        try:
            fields = await asyncio.wait_for(self._exchange(*target), self._timeout)
        except (OSError, Refused, asyncio.TimeoutError) as error:
            self._failures.append(self._entry(target, when, start, reason_of(error)))
            return
        self._ok += 1
        self._tasks[fields.get("task", "?")] += 1
        self._clients[fields.get("client", "?").rpartition(":")[0]] += 1
        seconds = time.monotonic() - start
        self._slowest = max(self._slowest, seconds)
        if seconds > SLOW:
            self._slow.append(self._entry(target, when, start, f"task={fields.get('task')}"))

    @staticmethod
    def _entry(target: tuple[str, int], when: float, start: float, reason: str) -> dict[str, Any]:
        seconds = round(time.monotonic() - start, 3)
        return {"time": when, "seconds": seconds, "target": f"{target[0]}:{target[1]}", "reason": reason}

    @staticmethod
    async def _exchange(address: str, port: int) -> dict[str, str]:
        reader, writer = await asyncio.open_connection(address, port)
        try:
            writer.write(request("/", address))
            _, body = split_answer(await reader.read(-1))
            return fields_of(body)
        finally:
            writer.close()

    def _print(self, *, final: bool) -> None:
        state = {
            "final": final,
            "time": time.time(),
            "started": self._started,
            "ok": self._ok,
            "failures": self._failures,
            "slow": self._slow,
            "slowest": round(self._slowest, 3),
            "tasks": self._tasks,
            "clients": self._clients,
        }
        print(json.dumps(state), flush=True)


def load(options: argparse.Namespace) -> None:
    async def body() -> None:
        await Load(options).run()

    asyncio.run(body())


# ---- hold --------------------------------------------------------------------------------------------------------------------


class Ended(Exception):
    """SIGTERM came."""


class Hold:
    """A long-lived connection: a line out, the same line back. A broken one is noted and made anew."""

    def __init__(self, options: argparse.Namespace):
        self._options = options
        self._echoes = 0
        self._slowest = 0.0
        self._tasks: list[str] = []
        self._breaks: list[dict[str, Any]] = []
        self._last_line = time.monotonic()

    def run(self) -> None:
        def end(*_: Any) -> None:
            raise Ended

        signal.signal(signal.SIGTERM, end)
        signal.signal(signal.SIGINT, end)
        try:
            while True:
                try:
                    self._one_connection()
                except (OSError, Refused) as error:
                    self._breaks.append({"time": time.time(), "after": self._echoes, "reason": reason_of(error)})
                    time.sleep(self._options.interval)
        except Ended:
            self._print(final=True)

    def _one_connection(self) -> None:
        options = self._options
        with connect(options.address, options.port, options.timeout, options.source_port) as connection:
            lines = connection.makefile("r")
            while True:
                start = time.monotonic()
                text = f"line {self._echoes}"
                connection.sendall(f"{text}\n".encode())
                task, _, echoed = lines.readline().rstrip("\n").partition(" ")
                if echoed != text:
                    raise Refused(f"sent {text!r}, got back {echoed!r}")
                self._note(task, time.monotonic() - start)
                time.sleep(self._options.interval)

    def _note(self, task: str, seconds: float) -> None:
        self._echoes += 1
        self._slowest = max(self._slowest, seconds)
        if self._tasks[-1:] != [task]:
            self._tasks.append(task)
        if time.monotonic() - self._last_line > 0.4:
            self._last_line = time.monotonic()
            self._print(final=False)

    def _print(self, *, final: bool) -> None:
        state = {
            "final": final,
            "time": time.time(),
            "echoes": self._echoes,
            "breaks": self._breaks,
            "slowest": round(self._slowest, 3),
            "tasks": self._tasks,
        }
        print(json.dumps(state), flush=True)


# ---- bulk --------------------------------------------------------------------------------------------------------------------


def stream(length: int) -> Iterator[bytes]:
    """The stream of server.c: 64 KiB blocks, each with its number in the first eight bytes."""
    state, block = 12345, bytearray(BLOCK)
    for index in range(BLOCK):
        state = (state * 1103515245 + 12345) & 0xFFFFFFFF
        block[index] = (state >> 16) & 0xFF
    number = 0
    while length > 0:
        block[:8] = number.to_bytes(8, "big")
        yield bytes(block[: min(length, BLOCK)])
        length -= BLOCK
        number += 1


def checksum(length: int) -> int:
    crc = 0
    for part in stream(length):
        crc = zlib.crc32(part, crc)
    return crc


def bulk_result(length: int, crc: int, expected_length: int, expected_crc: int, start: float, task: str) -> dict[str, Any]:
    return {
        "length": length,
        "crc32": f"{crc:08x}",
        "equal": length == expected_length and crc == expected_crc,
        "seconds": round(time.monotonic() - start, 3),
        "task": task,
    }


def download(options: argparse.Namespace) -> dict[str, Any]:
    start, received, crc = time.monotonic(), 0, 0
    with connect(options.address, options.port, options.timeout) as connection:
        connection.sendall(request(f"/blob?bytes={options.bytes}", options.address))
        buffer = b""
        while b"\r\n\r\n" not in buffer:
            part = connection.recv(BLOCK)
            if not part:
                raise Refused("answer ended in its head")
            buffer += part
        part = buffer.partition(b"\r\n\r\n")[2]
        while part or (part := connection.recv(BLOCK)):
            received += len(part)
            crc = zlib.crc32(part, crc)
            part = b""
    return bulk_result(received, crc, options.bytes, checksum(options.bytes), start, "")


def upload(options: argparse.Namespace) -> dict[str, Any]:
    start = time.monotonic()
    with connect(options.address, options.port, options.timeout) as connection:
        head = f"POST /sink HTTP/1.1\r\nHost: {options.address}\r\nContent-Length: {options.bytes}\r\nConnection: close\r\n\r\n"
        connection.sendall(head.encode())
        for part in stream(options.bytes):
            connection.sendall(part)
        _, body = split_answer(receive_all(connection))
    fields = fields_of(body)
    expected = checksum(options.bytes)
    return bulk_result(int(fields["length"]), int(fields["crc32"], 16), options.bytes, expected, start, fields["task"])


# ---- udp ---------------------------------------------------------------------------------------------------------------------


def udp(options: argparse.Namespace) -> dict[str, Any]:
    answers: list[dict[str, str]] = []
    failures: list[dict[str, Any]] = []
    shared = udp_socket(options) if options.source == "fixed" else None
    for number in range(options.count):
        endpoint = shared or udp_socket(options)
        try:
            answers.append(udp_once(endpoint, f"datagram {number}", options.payload))
        except (OSError, Refused) as error:
            failures.append({"time": time.time(), "number": number, "reason": reason_of(error)})
        if endpoint is not shared:
            endpoint.close()
        if options.interval:
            time.sleep(options.interval)
    return {"answers": answers, "failures": failures}


def udp_socket(options: argparse.Namespace) -> socket.socket:
    endpoint = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    endpoint.settimeout(options.timeout)
    if options.source_port:
        endpoint.bind(("", options.source_port))
    endpoint.connect((options.address, options.port))
    return endpoint


def udp_once(endpoint: socket.socket, text: str, size: int) -> dict[str, str]:
    sent = text.ljust(size, ".")
    endpoint.send(sent.encode())
    deadline = time.monotonic() + (endpoint.gettimeout() or 1)
    while time.monotonic() < deadline:
        task, client, payload = endpoint.recv(65535).decode(errors="replace").split(" ", 2)
        if payload == sent:
            return {"task": task, "client": client, "local": "%s:%d" % endpoint.getsockname()}
        # A late answer to an earlier datagram is not an answer to this one.
    raise Refused("only answers to earlier datagrams")


# ---- command line ------------------------------------------------------------------------------------------------------------


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)

    def command(name: str, *, timeout: float, endpoint: bool = True) -> argparse.ArgumentParser:
        sub = commands.add_parser(name)
        if endpoint:
            sub.add_argument("address")
            sub.add_argument("port", type=int)
        sub.add_argument("--timeout", type=float, default=timeout)
        return sub

    sub = command("get", timeout=5)
    sub.add_argument("--count", type=int, default=1)
    sub.add_argument("--source-port", type=int, default=0)
    sub = command("load", timeout=10, endpoint=False)
    sub.add_argument("targets", nargs="+")
    sub.add_argument("--rate", type=float, default=50)
    sub = command("hold", timeout=5)
    sub.add_argument("--interval", type=float, default=0.2)
    sub.add_argument("--source-port", type=int, default=0)
    for name in ("download", "upload"):
        command(name, timeout=20).add_argument("--bytes", type=int, default=50_000_000)
    sub = command("udp", timeout=1)
    sub.add_argument("--count", type=int, default=1)
    sub.add_argument("--source-port", type=int, default=0)
    sub.add_argument("--source", choices=("new", "fixed"), default="new")
    sub.add_argument("--interval", type=float, default=0)
    sub.add_argument("--payload", type=int, default=0, help="length of the payload at least")
    return parser.parse_args()


def main() -> int:
    options = parse()
    if options.command == "load":
        load(options)
        return 0
    if options.command == "hold":
        Hold(options).run()
        return 0
    action = {"get": get, "download": download, "upload": upload, "udp": udp}[options.command]
    try:
        result = action(options)
    except (OSError, Refused) as error:
        result = {"failure": reason_of(error)}
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
