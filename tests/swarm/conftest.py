"""A three-node swarm for the whole session. What a test deploys it removes."""

from __future__ import annotations

import pytest

from lab import Lab, Service, Swarm
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
