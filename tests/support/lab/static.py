"""The lab without Docker: a balancer with xlbd, and backends that run the test server."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from .client import Client
from .images import build_server
from .node import Node
from .processes import Process, wait_until
from .topology import NEAR, Lab
from .xlb import Xlb

BALANCER_NUMBER = 50
FIRST_BACKEND_NUMBER = 61
VIP_NUMBER = 80

HTTP, ECHO, UDP = 8080, 7000, 5353  # the backends' own ports
BULK = 5_000_000


def service(name: str, frontend: str, backends: Sequence[str]) -> dict[str, Any]:
    """A service as `xlbctl apply` reads it."""
    return {"name": name, "frontend": frontend, "backends": [{"endpoint": backend} for backend in backends]}


def document(services: Sequence[dict[str, Any]]) -> str:
    return json.dumps({"version": 1, "services": services})


class Backend:
    """A host with a running test server, whose answers carry the host's name."""

    def __init__(self, host: Client, program: str):
        self.host, self.name, self.address = host, host.name, host.address
        self._program = program
        self._process: Process | None = None

    def start(self) -> None:
        command = [self._program, str(HTTP), str(ECHO), str(UDP)]
        self._process = self.host.popen(command, env={"TASK_NAME": self.name})
        wait_until(lambda: "task" in self.host.get(self.address, HTTP, timeout=1), 10, f"the server on {self.name}")

    def stop(self) -> None:
        if self._process is not None:
            self._process.stop()
            self._process = None


class StaticLab:
    """Client and far client (the lab's own), a balancer with one address more than its own, and two backends."""

    def __init__(self, lab: Lab, backends: int = 2):
        self.lab = lab
        self.balancer: Node = lab.add_node("balancer", BALANCER_NUMBER)
        self.vip = str(NEAR[VIP_NUMBER])
        self.balancer.run(["ip", "address", "add", f"{self.vip}/32", "dev", "eth0"])
        self.balancer.sysctl("net.ipv4.ip_forward", 1)
        program = str(build_server(lab.workspace.path))
        self.backends: list[Backend] = []
        for index in range(backends):
            backend = Backend(lab.add_client(f"b{index}", FIRST_BACKEND_NUMBER + index), program)
            backend.start()
            self.backends.append(backend)

    @property
    def names(self) -> set[str]:
        return {backend.name for backend in self.backends}

    def serve(self, xlb: Xlb, address: str = "") -> str:
        """Services web (TCP 80), echo (TCP 7000) and names (UDP 53) with every backend, at the balancer's second address or another."""
        address = address or self.vip
        shapes = (("web", f"tcp/{address}:80", HTTP), ("echo", f"tcp/{address}:7000", ECHO), ("names", f"udp/{address}:53", UDP))
        services = [service(name, frontend, [f"{backend.address}:{port}" for backend in self.backends]) for name, frontend, port in shapes]
        xlb.ctl("apply", "-", stdin=document(services))
        self.lab.client.wait_answer(address, 80, timeout=5)
        return address

    def check(self, address: str = "") -> None:
        """What `serve` made answers: TCP to near and far, UDP, and in bulk."""
        address = address or self.vip
        for client in (self.lab.client, self.lab.far_client):
            assert client.gets(address, 80, 4).expect_all().tasks.keys() == self.names
            assert client.udp(address, 53, 4).expect_all().tasks.keys() == self.names
        for result in (self.lab.client.download(address, 80, BULK), self.lab.client.upload(address, 80, BULK)):
            assert result.get("equal"), result
