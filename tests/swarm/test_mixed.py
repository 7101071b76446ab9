"""One node with xlb, the others with nothing but Docker: that node's published ports answer all the same."""

from __future__ import annotations

import pytest

from lab import Lab, Mesh, Service, Swarm

HTTP, UDP = 8091, 8093


@pytest.mark.parametrize("xdp", ["auto", "off"], ids=["native", "xdp-off"])
@pytest.mark.parametrize("alone", ["n0", "n2"], ids=["with-task", "without-task"])
def test_one_node_with_xlb_among_plain_ones(xlb_built: None, lab: Lab, swarm: Swarm, web: Service, alone: str, xdp: str) -> None:
    tasks = {task.host_name for task in web.tasks()}
    with Mesh(swarm, xdp=xdp, nodes=[alone]) as mesh:
        mesh.start()
        mesh.settle(lab.client, HTTP, tasks)
        assert lab.client.take_turns(swarm.node(alone).address, HTTP).tasks == dict.fromkeys(tasks, 20)
        lab.client.udp(swarm.node(alone).address, UDP, 6).expect_all()
