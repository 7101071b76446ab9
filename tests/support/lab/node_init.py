"""Process 1 of a node: makes the node's private view of the file system, then only reaps.

    node_init.py NAME DOCKER_DATA_DIRECTORY CGROUP2_DIRECTORY READY_FILE     (in fresh net, mount, uts and pid namespaces)
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path


def mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)


def cgroup2_mount() -> str:
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        if after.split()[0] == "cgroup2":
            return before.split()[4]
    raise RuntimeError("no cgroup2 file system is mounted")


def private_copy(directory: str) -> None:
    """What the node writes below `directory` stays on the node and goes with it."""
    name = directory.strip("/").replace("/", "-")
    upper, work = Path("/run/.node", name, "upper"), Path("/run/.node", name, "work")
    upper.mkdir(parents=True)
    work.mkdir(parents=True)
    mount("-t", "overlay", "overlay", "-o", f"lowerdir={directory},upperdir={upper},workdir={work}", directory)


def private_directory(target: str) -> None:
    """An empty directory in the place of the machine's own."""
    Path(target).mkdir(parents=True, exist_ok=True)
    mount("-t", "tmpfs", "-o", "mode=0755", "tmpfs", target)


def files(name: str, docker_data: str) -> None:
    private_directory("/run")
    Path("/run/lock").mkdir()
    private_copy("/etc")
    private_copy("/var/lib")
    private_directory("/etc/docker")
    private_directory("/var/lib/xlb")
    Path("/var/lib/docker").mkdir(exist_ok=True)
    mount("--bind", docker_data, "/var/lib/docker")  # on disk: images and layers
    Path("/etc/hostname").write_text(f"{name}\n")
    # Engines always try to pull an image. A name server that refuses at once lets them go on at once.
    resolver = Path("/etc/resolv.conf")
    resolver.unlink(missing_ok=True)
    resolver.write_text("nameserver 127.0.0.1\n")


def kernel_views(cgroup: str) -> None:
    """/sys with this node's own devices, its own BPF file system, and its own part of the cgroup tree as the whole tree."""
    unified = cgroup2_mount()
    aside = "/run/.node/cgroup"
    own = "/run/.node/own-cgroup"
    Path(aside).mkdir(parents=True)
    Path(own).mkdir()
    mount("--bind", cgroup, own)
    mount("--move", "/sys/fs/cgroup", aside)
    subprocess.run(["umount", "--recursive", "--lazy", "/sys"], check=True)
    mount("-t", "sysfs", "sysfs", "/sys")
    mount("-t", "bpf", "bpf", "/sys/fs/bpf")
    mount("--move", aside, "/sys/fs/cgroup")
    if unified != "/sys/fs/cgroup":
        subprocess.run(["umount", unified], check=True)
    mount("--move", own, unified)


def reap_forever() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    while True:
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            pass
        signal.sigwait({signal.SIGCHLD})


def main() -> None:
    name, docker_data, cgroup, ready = sys.argv[1:]
    Path(cgroup, "system", "cgroup.procs").write_text("0")
    socket.sethostname(name)
    files(name, docker_data)
    kernel_views(cgroup)
    Path(ready).touch()
    reap_forever()


if __name__ == "__main__":
    main()
