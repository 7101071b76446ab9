"""A real Docker Swarm on nodes of the lab, and services on it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from .engine import Engine
from .images import IMAGE, build_image, import_image
from .node import Node
from .processes import wait_until
from .topology import Lab

FIRST_HOST_NUMBER = 10  # n0 is .10 on the switch, n1 .11, …


@dataclass(frozen=True)
class Task:
    """One running container of a service."""

    node: "SwarmNode"
    container: str
    host_name: str
    gateway_address: str  # on the node's docker_gwbridge
    ingress_address: str  # on the ingress network; empty if nothing is published there
    pid: int  # as the node sees it


class SwarmNode(Engine):
    """A node that is a member of the swarm."""

    def __init__(self, node: Node, *, manager: bool):
        super().__init__(node)
        self.manager = manager
        self.name, self.address = node.name, node.address

    def swarm_state(self) -> str:
        return self.docker("info", "--format", "{{.Swarm.LocalNodeState}}", check=False)

    def wait_active(self) -> None:
        wait_until(lambda: self.swarm_state() == "active", 60, f"{self.name} to be an active member of the swarm")

    def restart(self) -> None:
        super().restart()
        self.wait_active()

    def gateway_addresses(self) -> dict[str, str]:
        """Container id -> its address on docker_gwbridge."""
        network = self.inspect("network", "inspect", "docker_gwbridge")[0]
        return {name: entry["IPv4Address"].partition("/")[0] for name, entry in network["Containers"].items()}

    def ingress_name(self) -> str:
        """Of the network that published ports go by; empty if there is none."""
        ids = self.docker("network", "ls", "--quiet", "--filter", "driver=overlay").split()
        # One may go between the two commands: the others are shown all the same.
        networks = json.loads(self.docker("network", "inspect", *ids, check=False) or "[]") if ids else []
        return next((network["Name"] for network in networks if network["Ingress"]), "")

    def tasks_of(self, service: str) -> list[Task]:
        """The service's containers that run on this node."""
        filters = ["--filter", f"label=com.docker.swarm.service.name={service}", "--filter", "status=running"]
        ids = self.docker("ps", "--no-trunc", "--quiet", *filters).split()
        if not ids:
            return []
        gateways, ingress = self.gateway_addresses(), self.ingress_name()
        tasks = []
        # One may go between the two commands: the others are shown all the same.
        shown = self.run("inspect", *ids, check=False)
        if shown.returncode != 0 and "No such object" not in shown.stderr:
            raise RuntimeError(f"[{self.node.name}] docker inspect: {shown.stderr}")
        for container in json.loads(shown.stdout or "[]"):
            networks = container["NetworkSettings"]["Networks"]
            tasks.append(
                Task(
                    node=self,
                    container=container["Id"],
                    host_name=container["Config"]["Hostname"],
                    gateway_address=gateways.get(container["Id"], ""),
                    ingress_address=(networks.get(ingress) or {}).get("IPAddress", ""),
                    pid=container["State"]["Pid"],
                )
            )
        return tasks

    def kernel_has_ipvs(self) -> bool:
        return self.node.run(["test", "-d", "/proc/sys/net/ipv4/vs"], check=False).returncode == 0


class Swarm:
    """A cluster: managers first, then workers, named n0, n1, …"""

    def __init__(
        self,
        lab: Lab,
        managers: int = 3,
        workers: int = 0,
        rp_filter: int | None = None,
        init: Sequence[str] = (),
        prepare: Callable[[SwarmNode], Sequence[str]] | None = None,
        prefix: str = "n",
        first_number: int = FIRST_HOST_NUMBER,
    ):
        """rp_filter: 1 as cloud images have it on their hosts.

        init: more options of `swarm init`. prepare: called with each node before it joins; what it returns are more options of
        its `swarm init` or `swarm join`. prefix, first_number: names and addresses, for a second swarm in the lab.
        """
        self.lab = lab
        self._init, self._prepare = list(init), prepare
        self.nodes: list[SwarmNode] = []
        for index in range(managers + workers):
            node = lab.add_node(f"{prefix}{index}", first_number + index, rp_filter=rp_filter)
            self.nodes.append(SwarmNode(node, manager=index < managers))
        self._start_engines()
        self._join()

    def _start_engines(self) -> None:
        for member in self.nodes:
            member.start()
        image = build_image(self.lab.workspace.path)
        for member in self.nodes:
            member.wait_ready()
            import_image(member, image)

    def _join(self) -> None:
        leader, *others = self.nodes
        own = {member.name: list(self._prepare(member)) if self._prepare else [] for member in self.nodes}
        leader.docker("swarm", "init", "--advertise-addr", leader.address, *self._init, *own[leader.name])
        tokens = {kind: leader.docker("swarm", "join-token", "--quiet", kind) for kind in ("manager", "worker")}
        for member in others:
            token = tokens["manager" if member.manager else "worker"]
            options = ["--advertise-addr", member.address, "--token", token, *own[member.name]]
            member.docker("swarm", "join", *options, f"{leader.address}:2377")
        for member in self.nodes:
            member.wait_active()
        self.wait_ready()

    def wait_ready(self) -> None:
        wait_until(self._all_ready, 60, "every node to be ready, by the word of every manager")

    def _all_ready(self) -> bool:
        """A manager that was cut off has stood for election meanwhile: until it knows a leader, there may be none for anybody."""
        for member in self.nodes:
            if member.manager:
                states = member.docker("node", "ls", "--format", "{{.Status}}", check=False).split()
                if states != ["Ready"] * len(self.nodes):
                    return False
        return True

    def close(self) -> None:
        """Ends its nodes."""
        for member in self.nodes:
            self.lab.remove(member.node)

    @property
    def leader(self) -> SwarmNode:
        """The manager that commands are given to."""
        return self.nodes[0]

    def node(self, name: str) -> SwarmNode:
        return next(member for member in self.nodes if member.name == name)

    def replace_ingress(self, name: str, *options: str) -> None:
        """Another network for published ports. No service may have any just now, and a node gets its place in the new network
        when a task with one comes to it (moby#40184)."""
        leader, former = self.leader, self.leader.ingress_name()
        remove = ["sh", "-c", f"echo y | docker network rm {former}"]
        wait_until(lambda: leader.node.run(remove, check=False).returncode == 0, 30, f"network {former} to go", interval=0.2)
        # A node that is still at work on the former one when the new one comes never joins the new one. Nothing tells when.
        time.sleep(2)
        leader.docker("network", "create", "--ingress", "--driver", "overlay", *options, name)

    def create_network(self, name: str, *options: str) -> None:
        self.leader.docker("network", "create", "--driver", "overlay", "--attachable", *options, name)

    def deploy(
        self,
        name: str,
        *,
        replicas: int = 1,
        publish: Sequence[str] = (),
        constraints: Sequence[str] = (),
        max_per_node: int = 0,
        networks: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        labels: Mapping[str, str] | None = None,
        options: Sequence[str] = (),
        arguments: Sequence[str] = (),
        ready_first: bool = False,
    ) -> "Service":
        """Creates a service of the test image and waits until all its tasks run.

        publish: `8091:80`, `5353:5353/udp`, or the long form (`mode=host,target=80,published=8080`).
        arguments: the server's (HTTP port, echo port, UDP port).
        ready_first: new tasks get nothing before they listen. Without a health check Docker calls a task running as soon as its
            process is, which on a busy machine is a while before that: connections are refused then, by Docker's own mesh as well.
        """
        command = ["service", "create", "--name", name, "--detach", "--no-resolve-image", "--replicas", str(replicas)]
        # How long an update watches each new task (5 s by default) only makes the tests slow.
        command += ["--update-monitor", "500ms"]
        command += ["--hostname", "{{.Service.Name}}.{{.Task.Slot}}.{{.Node.Hostname}}"]
        for flag, values in (("--publish", publish), ("--constraint", constraints), ("--network", networks)):
            command += [word for value in values for word in (flag, value)]
        for flag, pairs in (("--env", environment), ("--label", labels)):
            command += [word for key, value in (pairs or {}).items() for word in (flag, f"{key}={value}")]
        if max_per_node:
            command += ["--replicas-max-per-node", str(max_per_node)]
        if ready_first:
            command += ["--health-cmd", "nc 127.0.0.1 7000 </dev/null", "--health-interval", "1s", "--health-retries", "30"]
        self.leader.docker(*command, *options, IMAGE, *arguments)
        service = Service(self, name)
        service.wait_running(replicas)
        return service

    def deploy_classic(self) -> "Service":
        """The example of Docker's own documentation: two replicas, on n0 and n1, published on every node at 8091."""
        self.create_network("shop")
        return self.deploy(
            "web",
            replicas=2,
            publish=["8091:80", "8092:7000", "8093:5353/udp"],
            constraints=["node.hostname!=n2"],
            max_per_node=1,
            networks=["shop"],
        )


class Service:
    """A service of the swarm. Every change waits for its end unless it says otherwise."""

    def __init__(self, swarm: Swarm, name: str):
        self.swarm, self.name = swarm, name

    def states(self) -> list[tuple[str, str]]:
        """(desired, current) state of each task that is wanted or not yet gone."""
        lines = self.swarm.leader.docker("service", "ps", self.name, "--format", "{{.DesiredState}} {{.CurrentState}}")
        pairs = [tuple(line.split()[:2]) for line in lines.splitlines()]
        return [(desired, current) for desired, current in pairs if desired == "Running" or current == "Running"]

    def wait_running(self, count: int, timeout: float = 90) -> list[Task]:
        """Waits until exactly `count` tasks run, none is still to stop, and every one has its addresses."""

        def settled() -> list[Task] | None:
            if self.states() != [("Running", "Running")] * count:
                return None
            tasks = self.tasks()
            # A task with nothing on the ingress network has no leg on docker_gwbridge either.
            addressed = all(task.gateway_address or not task.ingress_address for task in tasks)
            return tasks if len(tasks) == count and addressed else None

        if count == 0:
            wait_until(lambda: not self.states() and not self.tasks(), timeout, f"no task of {self.name}")
            return []
        try:
            found = wait_until(settled, timeout, f"{count} running tasks of {self.name}", interval=0.1)
        except TimeoutError as error:
            state = self.swarm.leader.docker("service", "ps", "--no-trunc", self.name, check=False)
            raise TimeoutError(f"{error}\n{state}") from None
        return found or []

    def tasks(self) -> list[Task]:
        return [task for member in self.swarm.nodes for task in member.tasks_of(self.name)]

    def tasks_on(self, node_name: str) -> list[Task]:
        return [task for task in self.tasks() if task.node.name == node_name]

    def scale(self, replicas: int, *, wait: bool = True) -> None:
        self.swarm.leader.docker("service", "scale", "--detach", f"{self.name}={replicas}")
        if wait:
            self.wait_running(replicas)

    def update(self, *options: str, wait: bool = True) -> None:
        """`docker service update`, up to the end of the rolling update."""
        before = self._update_started()
        self.swarm.leader.docker("service", "update", "--detach", "--no-resolve-image", *options, self.name)
        if wait:
            wait_until(lambda: self._update_ended(before), 120, f"the end of the update of {self.name}", interval=0.2)

    def _update_status(self) -> dict[str, str]:
        return self.swarm.leader.inspect("service", "inspect", self.name)[0].get("UpdateStatus") or {}

    def _update_started(self) -> str:
        return self._update_status().get("StartedAt", "")

    def _update_ended(self, started_before: str) -> bool:
        # The state stays "completed" from the last update: only a new start time tells that this one has begun.
        status = self._update_status()
        return status.get("StartedAt", "") != started_before and status.get("State") == "completed"

    def publish_add(self, port: str) -> None:
        self.update("--publish-add", port)

    def publish_rm(self, target: str) -> None:
        """Removes every published port with this target port: Docker knows no narrower way."""
        self.update("--publish-rm", target)

    def remove(self, *, wait: bool = True) -> None:
        """Removes it, if it is there, and waits until its last container is gone."""
        removed = self.swarm.leader.run("service", "rm", self.name, check=False)
        if removed.returncode != 0 and "not found" not in removed.stderr:
            raise RuntimeError(f"{self.name} cannot be removed: {removed.stderr}")
        if wait:
            wait_until(lambda: not self.tasks(), 60, f"the end of the tasks of {self.name}")
