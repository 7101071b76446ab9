"""Shows xlb at work: a real three-node Docker Swarm in network namespaces, first without xlb, then with it. See scripts/demo."""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.dont_write_bytecode = True

from lab import Client, CommandFailed, Lab, Mesh, Service, Swarm, Xlb  # noqa: E402
from lab import xlb as programs  # noqa: E402

HTTP, UDP = 8091, 8093
BOLD, DIM, GREEN, RED, PLAIN = ("\033[1m", "\033[2m", "\033[32m", "\033[31m", "\033[0m") if sys.stdout.isatty() else [""] * 5


def title(text: str) -> None:
    print(f"\n{BOLD}== {text}{PLAIN}", flush=True)


def say(text: str) -> None:
    print(f"   {text}", flush=True)


def command(words: list[str]) -> None:
    print(f"{DIM}   $ {shlex.join(words)}{PLAIN}", flush=True)


def prepare(build: bool) -> None:
    title("Build")
    steps = [[str(ROOT / "scripts" / "build")]] if build else []
    for step in steps:
        command(step)
        finished = subprocess.run(step, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if finished.returncode != 0:
            sys.exit(f"{finished.stdout[-4000:]}\ndemo: {step[0]} ended with status {finished.returncode}")
    if obstacle := programs.missing():
        sys.exit(f"demo: {obstacle}")
    say("ready")


def show_cluster(swarm: Swarm, web: Service) -> None:
    for member in swarm.nodes:
        tasks = ", ".join(task.host_name for task in web.tasks_on(member.name)) or "no task"
        say(f"{member.name}  {member.address:12}  dockerd, {'manager' if member.manager else 'worker'}, {tasks}")
    lab = swarm.lab
    say(f"client on the same network {lab.client.address}, client behind a router {lab.far_client.address}")


def ask(client: Client, swarm: Swarm, count: int) -> None:
    """Asks every node and prints who answered, and which client address the task saw."""
    for member in swarm.nodes:
        print(f"   {client.name} -> http://{member.address}:{HTTP}/ ({member.name})", flush=True)
        for _ in range(count):
            answer = client.get(member.address, HTTP, timeout=2)
            if "failure" in answer:
                print(f"      {RED}no answer: {answer['failure']}{PLAIN}")
                break
            milliseconds = answer["seconds"] * 1000
            print(f"      {GREEN}{answer['task']}{PLAIN} saw {answer['client']:21} {milliseconds:6.2f} ms")


def ask_udp(client: Client, swarm: Swarm) -> None:
    for member in swarm.nodes:
        counts = client.udp(member.address, UDP, 10).expect_all().tasks
        say(f"{member.address}:{UDP}/udp ({member.name}): " + ", ".join(f"{task} {count}" for task, count in sorted(counts.items())))


def show_ctl(xlb: Xlb, *arguments: str) -> None:
    print(f"{DIM}   {xlb.node.name}$ xlbctl {shlex.join(arguments)}{PLAIN}")
    print(textwrap.indent(xlb.ctl(*arguments).rstrip(), "   "), flush=True)


def crash(mesh: Mesh, client: Client) -> None:
    """Kills every daemon under load and starts it again."""
    targets = [(address, HTTP) for address in mesh.addresses]
    with client.load(*targets, rate=50) as load:
        load.wait_for("ok", 25)
        for xlb in mesh.xlb.values():
            xlb.kill()
        load.wait_for("ok", 100)
        for xlb in mesh.xlb.values():
            xlb.start()
        load.wait_for("ok", 50)
        result = load.stop()
    colour = RED if result["failures"] else GREEN
    say(f"{result['started']} connections, {colour}{len(result['failures'])} failed{PLAIN}")


def stay(swarm: Swarm) -> None:
    title("Yours, until Ctrl-C")
    for host in (*(member.node for member in swarm.nodes), swarm.lab.client):
        enter = ["nsenter", "-t", str(host.pid), "-n", "bash"]
        if host is not swarm.lab.client:
            enter[3:3] = ["-m", "-u", "-p"]
        say(f"{host.name:8} {shlex.join(enter)}")
    say(f"xlbctl is at {programs.bin_dir()}/xlbctl")
    try:
        signal.pause()
    except KeyboardInterrupt:
        pass


def show(options: argparse.Namespace) -> None:
    title("A Docker Swarm of three nodes; service web: two tasks, port 8091 of every node -> 80")
    with Lab() as lab:
        swarm = Swarm(lab)
        web = swarm.deploy_classic()
        show_cluster(swarm, web)

        title("Docker's own routing mesh")
        if swarm.leader.kernel_has_ipvs():
            say("this kernel has IPVS, so it answers; every task sees the entry node's address instead of the client's")
        else:
            say("this kernel has no IPVS, so the published port is dead")
        ask(lab.client, swarm, 1)

        title(f"xlbd --xdp {options.xdp} on every node")
        mesh = Mesh(swarm, xdp=options.xdp)
        with mesh:
            mesh.start()
            mesh.settle(lab.client, HTTP, {task.host_name for task in web.tasks()})
            say("answers on every node, n2 included, which runs no task")

            title("The tasks take turns; TCP")
            ask(lab.client, swarm, 4)
            title("The same from behind a router")
            ask(lab.far_client, swarm, 2)
            title("UDP, ten datagrams to each node")
            ask_udp(lab.client, swarm)
            title("Every xlbd killed (SIGKILL) and started again, under 50 new connections a second")
            crash(mesh, lab.client)
            title("What n0 says")
            for arguments in (["status"], ["service", "ls"], ["stats"]):
                show_ctl(mesh.xlb["n0"], *arguments)
            if options.stay:
                stay(swarm)
    title("Taken down; nothing is left behind")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stay", action="store_true")
    parser.add_argument("--xdp", choices=("auto", "native", "generic", "off"), default="auto")
    parser.add_argument("--no-build", action="store_true")
    options = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("demo: needs root, for network namespaces and BPF programs")
    prepare(not options.no_build)
    try:
        show(options)
    except KeyboardInterrupt:
        sys.exit("\ndemo: interrupted; all is taken down")
    except (CommandFailed, TimeoutError, RuntimeError, AssertionError) as error:
        sys.exit(f"demo: {error}")


if __name__ == "__main__":
    main()
