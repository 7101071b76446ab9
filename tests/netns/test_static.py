"""Services that xlbctl makes: traffic in both modes, changes, crashes and restarts."""

from __future__ import annotations

import pytest

from lab import Xlb, wait_until
from lab.mesh import leftovers, settle
from lab.static import ECHO, HTTP, StaticLab

BULK = 50_000_000


def test_both_backends_take_turns(web: str, static: StaticLab) -> None:
    for client in (static.lab.client, static.lab.far_client):
        answers = client.take_turns(web, 80)
        assert answers.tasks == dict.fromkeys(static.names, 20)


def test_backends_see_the_balancer(web: str, static: StaticLab) -> None:
    """Full NAT: what they answer must come back through it."""
    answers = static.lab.client.gets(web, 80, 4).expect_all()
    assert answers.clients <= {static.balancer.address, static.vip}


def test_udp(names: str, static: StaticLab) -> None:
    for client in (static.lab.client, static.lab.far_client):
        # In turn, but for a source port that happens to come twice: that is the same flow, and stays with its backend.
        counts = client.udp(names, 53, 20, source="new").expect_all().tasks
        assert counts.keys() == static.names and min(counts.values()) >= 7, counts
        assert list(client.udp(names, 53, 20, source="fixed").expect_all().tasks.values()) == [20]


@pytest.mark.parametrize("size", [1400, 1472, 4000, 8000])
def test_large_datagrams(names: str, static: StaticLab, size: int) -> None:
    for client in (static.lab.client, static.lab.far_client):
        assert client.udp(names, 53, 6, payload=size).expect_all().tasks.keys() == static.names


def test_one_port_for_both_protocols(web: str, names: str, xlb: Xlb, static: StaticLab) -> None:
    xlb.ctl("service", "add", f"tcp/{static.vip}:53", "--name", "names-tcp")
    xlb.ctl("backend", "add", "names-tcp", f"{static.backends[0].address}:{HTTP}")
    settle(static.lab.client, static.vip, 53, {static.backends[0].name}, timeout=5)
    assert static.lab.client.udp(static.vip, 53, 10).expect_all().tasks.keys() == static.names


def test_bulk_both_ways(web: str, static: StaticLab) -> None:
    for client in (static.lab.client, static.lab.far_client):
        for result in (client.download(web, 80, BULK), client.upload(web, 80, BULK)):
            assert result.get("equal"), result


def test_same_client_port_to_two_services(web: str, xlb: Xlb, static: StaticLab) -> None:
    """Two connections that full NAT would make the same one."""
    xlb.ctl("service", "add", f"tcp/{static.vip}:81", "--name", "other")
    xlb.ctl("backend", "add", "other", f"{static.backends[0].address}:{HTTP}")
    settle(static.lab.client, static.vip, 81, {static.backends[0].name}, timeout=5)
    for _ in range(4):
        static.lab.client.gets(static.vip, 80, 1, source_port=40000).expect_all()
        static.lab.client.gets(static.vip, 81, 1, source_port=40000).expect_all()


def test_ports_without_a_service_stay_the_hosts(web: str, static: StaticLab) -> None:
    assert "ConnectionRefused" in static.lab.client.get(static.vip, 82, timeout=2)["failure"]
    assert "ConnectionRefused" in static.lab.client.get(static.balancer.address, 80, timeout=2)["failure"]


def test_backend_removed_and_added(web: str, xlb: Xlb, static: StaticLab) -> None:
    gone, stays = static.backends
    with static.lab.client.load((web, 80)) as load:
        load.wait_for("ok", 20)
        # Removal ends what is under way; drained first, there is nothing.
        xlb.ctl("drain", "web", f"{gone.address}:{HTTP}")
        settle(static.lab.client, web, 80, {stays.name}, timeout=3)
        xlb.ctl("backend", "rm", "web", f"{gone.address}:{HTTP}")
        xlb.ctl("backend", "add", "web", f"{gone.address}:{HTTP}")
        settle(static.lab.client, web, 80, static.names, timeout=3)
        assert load.stop()["failures"] == []


def test_weights(web: str, xlb: Xlb, static: StaticLab) -> None:
    heavy, light = static.backends
    xlb.ctl("backend", "set", "web", f"{heavy.address}:{HTTP}", "--weight", "3")
    xlb.ctl("service", "set", "web", "--scheduler", "wrr")
    counts = static.lab.client.take_turns(web, 80).tasks
    assert counts == {heavy.name: 30, light.name: 10}


def test_removed_service_is_dead(web: str, xlb: Xlb, static: StaticLab) -> None:
    xlb.ctl("service", "rm", "web")
    wait_until(lambda: "failure" in static.lab.client.get(web, 80, timeout=1), 3, "the removed service to be dead")


def test_crash_under_load_fails_no_connection(web: str, xlb: Xlb, static: StaticLab) -> None:
    xlb.ctl("service", "add", f"tcp/{static.vip}:7000", "--name", "echo")
    xlb.ctl("backend", "add", "echo", f"{static.backends[0].address}:{ECHO}")
    with static.lab.client.load((web, 80), rate=50) as load, static.lab.far_client.hold(static.vip, 7000) as held:
        held.wait_for("echoes", 3)
        for _ in range(2):
            xlb.kill()
            load.wait_for("ok", 100)
            xlb.start()
            load.wait_for("ok", 100)
        held.wait_for("echoes", 3)
        connection, requests = held.stop(), load.stop()
    assert requests["failures"] == []
    assert connection["breaks"] == []
    assert set(requests["tasks"]) == static.names


@pytest.mark.parametrize("ending", ["stop", "kill"])
def test_services_survive_a_restart(web: str, names: str, xlb: Xlb, static: StaticLab, ending: str) -> None:
    before = xlb.ctl("export")
    getattr(xlb, ending)()
    xlb.start()
    assert xlb.ctl("export") == before
    static.lab.client.gets(web, 80, 10).expect_all()
    static.lab.client.udp(names, 53, 10).expect_all()


def test_services_survive_a_detach(web: str, xlb: Xlb, static: StaticLab) -> None:
    """As after a boot: nothing pinned, only the file."""
    xlb.remove()
    assert leftovers(static.balancer) == []
    assert "failure" in static.lab.client.get(web, 80, timeout=1)
    xlb.start()
    settle(static.lab.client, web, 80, static.names, timeout=5)


def test_export_and_apply(web: str, names: str, xlb: Xlb, static: StaticLab) -> None:
    exported = xlb.ctl("export")
    for name in ("web", "names"):
        xlb.ctl("service", "rm", name)
    xlb.ctl("apply", "-", stdin=exported)
    assert xlb.ctl("export") == exported
    settle(static.lab.client, web, 80, static.names, timeout=5)
