"""A swarm to play with: `PYTHONPATH=tests/support /usr/bin/python3 -m lab`; Ctrl-C takes it down."""

from __future__ import annotations

import argparse
import signal

from . import xlb
from .mesh import Mesh
from .swarm import Swarm
from .topology import Lab


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--managers", type=int, default=3)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--xlb", choices=("auto", "native", "generic", "off"), help="start xlbd on every node, with this --xdp")
    options = parser.parse_args()
    if options.xlb and (obstacle := xlb.missing()):
        parser.error(obstacle)
    with Lab() as lab:
        swarm = Swarm(lab, options.managers, options.workers)
        swarm.deploy_classic()
        if options.xlb:
            Mesh(swarm, xdp=options.xlb).start()
        print(f"logs: {lab.workspace.path}/*/log; service web: HTTP 8091, echo 8092, UDP 8093")
        for member in swarm.nodes:
            print(f"{member.name:10} {member.address:15} nsenter -t {member.node.pid} -m -n -u -p bash")
        for client in (lab.client, lab.far_client):
            print(f"{client.name:10} {client.address:15} nsenter --net=/proc/{client.pid}/ns/net bash")
        print("Ctrl-C ends it.", flush=True)
        try:
            signal.pause()
        except KeyboardInterrupt:
            pass


if __name__ == "__main__":
    main()
