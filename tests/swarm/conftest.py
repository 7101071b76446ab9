"""A three-node swarm for the whole session, and xlb on it in each of its modes. What a test deploys it removes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from lab import Lab, Mesh, Service, Swarm
from lab.engine import Engine


@pytest.fixture(scope="session")
def swarm(lab: Lab) -> Swarm:
    if obstacle := Engine.missing():
        pytest.skip(obstacle)
    return Swarm(lab)


@pytest.fixture(scope="session")
def web(swarm: Swarm) -> Service:
    """The classic example: `web`, tasks on n0 and n1, HTTP at 8091, echo at 8092, UDP at 8093 of every node."""
    return swarm.deploy_classic()


@pytest.fixture(scope="module", params=["auto", "off"], ids=["native", "xdp-off"])
def mesh(request: pytest.FixtureRequest, xlb_built: None, lab: Lab, swarm: Swarm, web: Service) -> Iterator[Mesh]:
    """xlbd on every node, and `web` answered by both tasks at each of them."""
    with Mesh(swarm, xdp=request.param) as made:
        made.start()
        made.settle(lab.client, 8091, host_names(web))
        yield made


@pytest.fixture
def settled(mesh: Mesh, lab: Lab, web: Service) -> Iterator[Mesh]:
    """For tests that change things: the mesh as it should be before, and as it should be again after."""
    yield mesh
    for xlb in mesh.xlb.values():
        if not xlb.running():
            xlb.start()
    web.wait_running(2)
    mesh.settle(lab.client, 8091, host_names(web))


@pytest.fixture
def deploy(swarm: Swarm) -> Iterator[Callable[..., Service]]:
    """swarm.deploy, and the service is gone after the test."""
    made: list[Service] = []

    def deploy_for_test(name: str, **options: Any) -> Service:
        service = Service(swarm, name)
        made.append(service)
        return swarm.deploy(name, **options)

    yield deploy_for_test
    for service in made:
        service.remove()


def host_names(service: Service) -> set[str]:
    return {task.host_name for task in service.tasks()}
