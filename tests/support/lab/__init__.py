"""A laboratory of network namespaces: hosts on a switch, a router, and nodes that run their own Docker engine.

Needs root, /usr/bin/python3 (3.11) and the packages that scripts/setup installs. Every process and namespace of a lab dies
with the Python process that made it; nothing outside the lab is touched.
"""

from .client import Client
from .mesh import Mesh
from .processes import CommandFailed, run, wait_until
from .swarm import Service, Swarm
from .topology import Lab
from .xlb import Xlb

__all__ = ["Client", "CommandFailed", "Lab", "Mesh", "Service", "Swarm", "Xlb", "run", "wait_until"]
