"""The server in a container on the node that is asked, as a task of a swarm: at the container's own address, by Docker's DNAT (a port
published in mode host), and at the published port by xlb. All ways have the same hops.

    client -- switch -- eth0 of n0 / n1 / n2 / n3, a node each -- docker_gwbridge -- the task

On n0 and n1 runs no xlb: their ways cross what Docker has on a node by itself. On n1's eth0 ("same, XDP": Docker's DNAT) is an XDP
program that passes everything up: what native XDP costs on a veth, whatever it is for.
"""

from __future__ import annotations

import argparse

from ways import Way, as_by_default, by_xlb, measure_in_turn, pinned

from lab import Lab, Swarm, Xlb, wait_until
from lab.inside import Inside
from lab.links import compile_xdp_pass
from lab.swarm import SwarmNode, Task

TARGET, NETWORK = 9000, "shop"
BY_DOCKER, BY_XDP, BY_TC, UNUSED = 8081, 8082, 8083, 8084  # published ports


def add_task(swarm: Swarm, member: SwarmNode, name: str, publish: str) -> Task:
    """A task on the node, with the load program's server in its network. Each way has one of its own: connections that one has closed are
    in the node's conntrack for two minutes, where those of another, from the same ports to the same container, would not fit."""
    # On an overlay network tasks have docker_gwbridge beside it, whatever their mode of publishing.
    service = swarm.deploy(name, publish=[publish], constraints=[f"node.hostname=={member.name}"], networks=[NETWORK])
    [task] = service.tasks()
    Inside(member.node, task.pid, name).popen([*pinned(0), "serve", str(TARGET)])
    return task


def add_docker(lab: Lab, swarm: Swarm, member: SwarmNode) -> list[Way]:
    add_task(swarm, member, "by-docker", f"mode=host,published={BY_DOCKER},target={TARGET}")
    # A port has to be published for Docker's rules to let strangers in at the container's own address.
    task = add_task(swarm, member, "direct", f"mode=host,published={UNUSED},target={TARGET}")
    lab.client.run(["ip", "route", "add", f"{task.gateway_address}/32", "via", member.address])
    return [Way("direct", task.gateway_address, TARGET), Way("iptables", member.address, BY_DOCKER)]


def add_docker_behind_xdp(lab: Lab, swarm: Swarm, member: SwarmNode) -> Way:
    add_task(swarm, member, "behind-xdp", f"mode=host,published={BY_DOCKER},target={TARGET}")
    program = compile_xdp_pass(lab.workspace.path)
    member.node.run(["ip", "link", "set", "dev", "eth0", "xdpdrv", "obj", str(program), "sec", "xdp"])
    return Way("same, XDP", member.address, BY_DOCKER)


def add_xlb(swarm: Swarm, member: SwarmNode, name: str, port: int, xdp: str) -> tuple[Way, Xlb]:
    add_task(swarm, member, f"by-xlb-{name}", f"{port}:{TARGET}")
    xlb = Xlb(member.node, xdp=xdp).start()

    def served() -> bool:
        return any(service["frontend"].endswith(f":{port}") and service["backends"] for service in xlb.json("service", "ls")["services"])

    # A worker that no manager's xlbd tells waits for one, then serves what its own Docker and kernel show twice alike: 7 to 19 seconds.
    wait_until(served, 60, f"port {port} in xlb")
    return by_xlb(name, member.address, port, xlb, "tc", "forward_local"), xlb


def run(options: argparse.Namespace) -> list[Way]:
    with Lab() as lab:
        swarm = Swarm(lab, managers=1, workers=3)
        # XDP leaves what is for a task on the node to TC: nothing leaves by XDP, so that the far ends need not be ready for it.
        for member in swarm.nodes:
            as_by_default(lab, member.name)
        as_by_default(lab, lab.client.name)
        swarm.create_network(NETWORK)
        plain, passing, for_xdp, for_tc = swarm.nodes
        by_xdp, xdp = add_xlb(swarm, for_xdp, "xdp", BY_XDP, "native")
        by_tc, tc = add_xlb(swarm, for_tc, "tc", BY_TC, "off")
        ways = [*add_docker(lab, swarm, plain), add_docker_behind_xdp(lab, swarm, passing), by_xdp, by_tc]
        measure_in_turn(lab, ways, options)
        for xlb in (xdp, tc):
            xlb.remove()
        return ways
