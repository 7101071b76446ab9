"""Bad input: status 1, one line that says why, and nothing changed."""

from __future__ import annotations

import pytest

from lab import Xlb
from lab.static import HTTP, StaticLab

# {vip}: the balancer's second address; {b0}: a backend that `web` has.
REFUSED = {
    "service name in use": "service add tcp/{vip}:90 --name web",
    "service endpoint in use": "service add tcp/{vip}:80 --name other",
    "unknown protocol": "service add icmp/{vip}:90 --name other",
    "no protocol": "service add {vip}:90 --name other",
    "bad address": "service add tcp/192.0.2.300:90 --name other",
    "host name for an address": "service add tcp/localhost:90 --name other",
    "port 0": "service add tcp/{vip}:0 --name other",
    "port too large": "service add tcp/{vip}:65536 --name other",
    "port with rubbish": "service add tcp/{vip}:90x --name other",
    "unknown scheduler": "service add tcp/{vip}:90 --name other --scheduler lottery",
    "unknown scheduler for a service": "service set web --scheduler lottery",
    "unknown service to set": "service set absent --scheduler rr",
    "unknown service to remove": "service rm absent",
    "unknown service to show": "service show absent",
    "backend of an unknown service": "backend add absent 192.0.2.9:80",
    "backend twice": "backend add web {b0}",
    "backend with a bad address": "backend add web 192.0.2:80",
    "backend without a port": "backend add web 192.0.2.9",
    "backend with port 0": "backend add web 192.0.2.9:0",
    "negative weight": "backend add web 192.0.2.9:80 --weight -1",
    "huge weight": "backend add web 192.0.2.9:80 --weight 4294967296",
    "unknown backend to remove": "backend rm web 192.0.2.9:80",
    "unknown backend to set": "backend set web 192.0.2.9:80 --weight 2",
}

USAGE = {
    "no such command": "serve",
    "no such option": "service ls --frobnicate",
    "argument missing": "service add",
}


def words(template: str, static: StaticLab) -> list[str]:
    return template.format(vip=static.vip, b0=f"{static.backends[0].address}:{HTTP}").split()


@pytest.mark.parametrize("template", REFUSED.values(), ids=REFUSED.keys())
def test_refused(web: str, xlb: Xlb, static: StaticLab, template: str) -> None:
    before = xlb.ctl("export")
    outcome = xlb.try_ctl(*words(template, static))
    assert outcome.returncode == 1, outcome
    assert len(outcome.stderr.strip().splitlines()) == 1, outcome.stderr
    assert outcome.stdout == ""
    assert xlb.ctl("export") == before
    static.lab.client.gets(web, 80, 2).expect_all()


@pytest.mark.parametrize("template", USAGE.values(), ids=USAGE.keys())
def test_usage(xlb: Xlb, static: StaticLab, template: str) -> None:
    outcome = xlb.try_ctl(*words(template, static))
    assert outcome.returncode == 2, outcome
    assert outcome.stderr.strip()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"services": 1}', "null"])
def test_bad_file_to_apply(web: str, xlb: Xlb, static: StaticLab, text: str) -> None:
    before = xlb.ctl("export")
    outcome = xlb.try_ctl("apply", "-", stdin=text)
    assert outcome.returncode == 1, outcome
    assert len(outcome.stderr.strip().splitlines()) == 1, outcome.stderr
    assert xlb.ctl("export") == before


def test_no_daemon_is_said_in_one_line(xlb: Xlb) -> None:
    xlb.stop()
    outcome = xlb.try_ctl("status")
    assert outcome.returncode == 1
    assert len(outcome.stderr.strip().splitlines()) == 1, outcome.stderr
    xlb.start()


def test_second_daemon_is_refused(web: str, xlb: Xlb, static: StaticLab) -> None:
    second = Xlb(static.balancer)
    second.start(wait=False)
    assert second.process.wait(10) == 1
    static.lab.client.gets(web, 80, 4).expect_all()
