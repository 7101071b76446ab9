"""The programs under this kernel's verifier, and packets through them."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from conftest import NAMES, WEB, Balancer

BULK = 5_000_000
PACKET_TESTS = [Path(path) for path in os.environ.get("XLB_PACKET_TESTS", "").split(os.pathsep) if path]


def test_kernel_is_debians() -> None:
    assert os.uname().release.startswith("6.1.")
    assert "Debian" in os.uname().version


def test_programs_load(balancer: Balancer) -> None:
    """xlbd loads them all or does not start; here it is told what the verifier thought of each."""
    balancer.begin("auto")
    programs = json.loads(balancer.node.run(["bpftool", "--json", "prog", "show"]).stdout)
    ours = {program["name"]: program for program in programs if program.get("name", "").startswith("xlb_")}
    for name, program in sorted(ours.items()):
        print(f"{name}: {program['type']}, {program['bytes_xlated'] // 8} instructions, {program['bytes_jited']} bytes of machine code")
    assert set(ours) == {"xlb_xdp", "xlb_uplink", "xlb_task", "xlb_host", "xlb_clock", "xlb_mark"}
    assert {program["type"] for program in programs if program.get("name") == "xlb_xdp"} == {"xdp", "ext"}
    assert all(program["jited"] for program in ours.values())


@pytest.mark.parametrize(("mode", "hook"), [("auto", "xdp"), ("off", "tc")], ids=["native", "xdp-off"])
def test_traffic(balancer: Balancer, mode: str, hook: str) -> None:
    static = balancer.static
    assert balancer.begin(mode)["attach"] == ("dispatcher" if hook == "xdp" else "none")
    balancer.serve()
    near, far = static.lab.client, static.lab.far_client
    assert near.gets(static.vip, WEB, 10).expect_all().tasks == {name: 5 for name in static.names}
    for client in (near, far):
        assert client.udp(static.vip, NAMES, 10, source="new").expect_all().tasks == {name: 5 for name in static.names}
    for result in (near.upload(static.vip, WEB, BULK), far.download(static.vip, WEB, BULK)):
        assert result.get("equal"), result
    assert balancer.packets(hook, "forward_route") > 0
    assert balancer.packets(hook, "reply_route") > 0
    if hook == "tc":
        assert balancer.packets("xdp", "forward_route") == 0


@pytest.mark.parametrize("program", PACKET_TESTS, ids=lambda path: path.name)
def test_packet_program(program: Path) -> None:
    """The tests of single packets, which show on what the two kernels differ."""
    outcome = subprocess.run([str(program), "--gtest_brief=1"], capture_output=True, text=True, timeout=300)
    if outcome.returncode == 77:
        pytest.skip(outcome.stdout.strip())
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    print(outcome.stdout)
