# SPDX-License-Identifier: MIT
"""TLS to the broker: its certificate is verified, name and all; nothing is said to one that is wrong."""
import pathlib
import ssl
import types

import pytest

from cloud import Worker, wait_until
from proxy import Authority, Proxy
from requester import Requester, envelope

NAME = "DNS:localhost"
WRONG = {
    "expired": "cert verification",
    "of another host": "hostname",
    "of an unknown CA": "cert verification",
    "self-signed": "cert verification",
    "another CA than ours": "cert verification",
    "an address for a name": "hostname",
    "no TLS at all": "",
    "a client certificate of another CA": "",
}


@pytest.fixture(scope="module")
def place(broker, logs):
    """What workers need of a cloud: there is none behind it."""
    folder = logs / "test_broker_tls"
    folder.mkdir()
    password = folder / "svc.password"
    password.write_text("none\n")
    password.chmod(0o600)
    broker.forget_all()
    connection = broker.connect()
    connection.channel().exchange_declare("cse-ext", "direct", durable=True)
    connection.close()
    return types.SimpleNamespace(
        broker=broker, folder=folder, password_file=password,
        vcd=types.SimpleNamespace(url="https://127.0.0.1:1", ca_file=broker.env["TLS_DIR"] + "/ca.pem"))


def start(place, name, host, ca_file, **tls):
    env = place.broker.env
    settings = {"hosts": [host], "user": env["USER"], "vhost": env["VHOST"], "heartbeat_s": 2,
                "password_file": env["PASSWORD_FILE"],
                "tls": {"enabled": True, "ca_file": str(ca_file), **tls}}
    return Worker(name.replace(" ", "-"), place.folder, place, {}, broker=settings,
                  threads={"request": 5, "operation": 1})


def end(worker):
    assert worker.stop() == 0
    worker.check_reports()


def check_answer(broker, worker):
    """It has no VCD to ask who this is, but it is there."""
    wait_until(lambda: worker.events("broker.connected"), what=worker.name)
    with Requester(broker) as requester:
        assert requester.ask(envelope(token="nobody")) is not None
    assert not worker.events("broker.plaintext")


def test_the_right_broker_is_spoken_to(broker, place):
    env = broker.env
    worker = start(place, "good", f"{env['TLS_HOST']}:{env['TLS_PORT']}", env["TLS_DIR"] + "/ca.pem")
    check_answer(broker, worker)
    end(worker)


def test_a_client_certificate_is_shown(broker, place):
    env = broker.env
    worker = start(place, "client", f"{env['TLS_HOST']}:{env['TLS_PORT']}", env["TLS_DIR"] + "/ca.pem",
                   cert_file=env["TLS_DIR"] + "/client.pem", key_file=env["TLS_DIR"] + "/client.key")
    check_answer(broker, worker)
    listed = broker.ctl("list_connections", "ssl", "peer_cert_subject")
    assert "CN=cse-worker" in listed, listed
    end(worker)


@pytest.fixture(scope="module")
def wrong(place):
    """A worker for every kind of wrong; all at once, since each only has to fail."""
    env, authority = place.broker.env, Authority(place.folder / "ca")
    stranger, proxies = Authority(place.folder / "stranger"), []

    def behind(context):
        """The address of a proxy that shows this certificate and speaks to the real broker."""
        proxies.append(Proxy(place.broker.address))
        proxies[-1].serve(context)
        return f"localhost:{proxies[-1].port}"

    alone = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    alone.load_cert_chain(stranger.ca, stranger.folder / "ca.key")
    real, real_ca = f"localhost:{env['TLS_PORT']}", pathlib.Path(env["TLS_DIR"]) / "ca.pem"
    pem, key = stranger.sign("client", NAME)
    cases = {
        "right": (behind(authority.context("right", NAME)), authority.ca),
        "expired": (behind(authority.context("expired", NAME, days=-1)), authority.ca),
        "of another host": (behind(authority.context("other", "DNS:other.example")), authority.ca),
        "of an unknown CA": (behind(stranger.context("unknown", NAME)), authority.ca),
        "self-signed": (behind(alone), authority.ca),
        "another CA than ours": (real, authority.ca),
        "an address for a name": (f"127.0.0.1:{env['TLS_PORT']}", real_ca),
        "no TLS at all": (place.broker.address.replace("127.0.0.1", "localhost"), real_ca),
        "a client certificate of another CA": (real, real_ca),
    }
    workers = {name: start(place, name, *case, **({"cert_file": str(pem), "key_file": str(key)}
                                                  if name.startswith("a client") else {}))
               for name, case in cases.items()}
    yield workers
    for worker in workers.values():
        end(worker)
    for proxy in proxies:
        proxy.close()


def test_a_proxy_with_a_right_certificate_is_spoken_to(broker, wrong):
    check_answer(broker, wrong["right"])


@pytest.mark.parametrize("name", WRONG)
def test_no_wrong_broker_is_spoken_to(wrong, name):
    worker = wrong[name]
    wait_until(lambda: len(worker.events("broker.unreachable")) >= 6, what="attempts")
    assert worker.is_alive() and not worker.events("broker.connected")
    for line in worker.events("broker.unreachable"):
        assert WRONG[name] in line["reason"], line
