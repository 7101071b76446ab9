#!/usr/bin/python3
"""Something at Docker's socket: a good engine in no swarm, or one that is wrong in one way.

    fake_docker.py PATH good|refuses|closes|hangs|garbage|wrong-json|endless-body|endless-header      (until it is killed)
"""

from __future__ import annotations

import json
import signal
import socket
import sys
import threading

VERSION = {"Version": "20.10.24", "ApiVersion": "1.41", "MinAPIVersion": "1.12"}
INFO = {"Name": "balancer", "ServerVersion": "20.10.24", "Swarm": {"LocalNodeState": "inactive", "ControlAvailable": False, "NodeID": ""}}


def respond(connection: socket.socket, body: bytes) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


def flood(connection: socket.socket, head: bytes, part: bytes) -> None:
    connection.sendall(head)
    while True:
        connection.sendall(part)


def answer(connection: socket.socket, manner: str) -> None:
    request = connection.recv(65536).split(b"\r\n")[0]
    if manner == "good":
        respond(connection, json.dumps(VERSION if b"/version" in request else INFO).encode())
    elif manner == "hangs":
        threading.Event().wait()
    elif manner == "garbage":
        connection.sendall(b"\x00\xff\x13SSH-2.0-OpenSSH\r\n" * 40)
    elif manner == "wrong-json":
        respond(connection, b"<html>hello</html>")
    elif manner == "endless-body":
        flood(connection, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + b"[" * 65536 + b"\r\n")
    elif manner == "endless-header":
        flood(connection, b"HTTP/1.1 200 OK\r\n", b"X-More: more\r\n" * 1000)


def serve(connection: socket.socket, manner: str) -> None:
    with connection:
        try:
            answer(connection, manner)
        except OSError:
            pass  # the other end had enough


def main() -> None:
    path, manner = sys.argv[1:]
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    if manner == "refuses":
        signal.pause()
    listener.listen()
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve, args=(connection, manner), daemon=True).start()


if __name__ == "__main__":
    main()
