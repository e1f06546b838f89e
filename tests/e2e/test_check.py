# SPDX-License-Identifier: MIT
"""`cse-worker check`: each row as ok, warn and FAIL, against the real broker and the simulated VCD."""
import contextlib
import copy
import email.utils
import http.server
import json
import os
import pathlib
import re
import socket
import ssl
import subprocess
import threading
import time

import pika
import pytest

from cloud import SEED, WORKER, Simulator
from tenant import XML_35, Tenant

TEMPLATE = "ubuntu-20.04_tkgm-1.20_antrea-0.11"
TENANT1 = "0e000000-0000-4000-8000-000000000001"
SECRETS = ("svc-password", "alice-password", "wrong-password", "Bearer")
PREFIX = "chk"  # of the broker objects made here
QUEUES = [PREFIX, f"{PREFIX}.operations", f"{PREFIX}.parked",
          *(f"{PREFIX}.operations.delay.{rung}s" for rung in (1, 5, 15, 60))]


class Report:
    """What a run says; whatever is not well comes with what to do."""

    def __init__(self, run, as_json):
        self.status, self.text, self.errors = run.returncode, run.stdout, run.stderr
        self.json = json.loads(run.stdout) if as_json else None
        if as_json:
            bad = [row for row in self.json["rows"] if row["result"] in ("FAIL", "warn")]
            assert all(row["do"].strip() for row in bad), bad
        else:
            bad = [line for line in self.text.splitlines() if line.startswith(("FAIL", "warn"))]
            assert all(re.search(" -> .", line) for line in bad), bad

    def rows(self, check, about=""):
        """[(result, found, do)] of a check, for the objects that contain `about`."""
        return [(row["result"], row["found"], row["do"]) for row in self.json["rows"]
                if row["check"] == check and about in row["object"]]

    def results(self, check, about=""):
        return [row[0] for row in self.rows(check, about)]


def changed(config, changes):
    config = copy.deepcopy(config)
    for path, value in changes.items():
        at = config
        *way, last = path.split("__")
        for name in way:
            at = at.setdefault(name, {})
        if value is None:
            at.pop(last, None)
        else:
            at[last] = value
    return config


class Checker:
    """Runs the program; every run must keep the secrets to itself."""

    def __init__(self, folder, broker, vcd):
        self.folder, self.broker, self.vcd = folder, broker, vcd
        self.password = self.secret("svc", "svc-password")
        self.config = {
            "deployment": "chk",
            "broker": {"hosts": [f"{broker.env['TLS_HOST']}:{broker.env['TLS_PORT']}"],
                       "user": broker.env["USER"], "vhost": broker.env["VHOST"],
                       "password_file": broker.env["PASSWORD_FILE"],
                       "tls": {"ca_file": broker.env["TLS_DIR"] + "/ca.pem"}},
            "queues": {"prefix": PREFIX, "routing_key": PREFIX},
            "vcd": {"host": vcd.url.removeprefix("https://"), "ca_file": vcd.ca_file,
                    "user": "svc-cse@System", "password_file": self.password},
            "catalog": {"org": "cse", "name": "cse-templates", "default_template": TEMPLATE,
                        "default_revision": 1},
        }
        self.secrets = [*SECRETS, pathlib.Path(broker.env["PASSWORD_FILE"]).read_text().strip()]

    def secret(self, name, text, mode=0o600):
        path = self.folder / name
        path.write_text(text + "\n")
        path.chmod(mode)
        return str(path)

    def write(self, **changes):
        path = self.folder / "check.yaml"
        path.write_text(json.dumps(changed(self.config, changes)))
        return path

    def run(self, *options, config=None, **changes):
        path = config or self.write(**changes)
        environment = {**os.environ, "ASAN_OPTIONS": f"log_path={self.folder}/check.sanitizer"}
        run = subprocess.run([WORKER, "check", "--config", path, *options], text=True,
                             capture_output=True, timeout=60, check=False, env=environment)
        reports = list(self.folder.glob("check.sanitizer*"))
        assert not reports, reports[0].read_text()[:3000]
        for secret in self.secrets:
            assert secret not in run.stdout + run.stderr
        return Report(run, "--json" in options)

    def __call__(self, *options, **changes):
        report = self.run("--json", *options, **changes)
        counts = report.json["counts"]
        worst = "FAIL" if counts["FAIL"] else "warn" if counts["warn"] else "ok"
        assert report.json["result"] == worst
        assert report.status == {"FAIL": 2, "warn": 1, "ok": 0}[worst], report.json
        return report


@pytest.fixture(scope="module")
def folder(logs):
    folder = logs / "test_check"
    folder.mkdir()
    return folder


@pytest.fixture(scope="module")
def vcd(folder, broker):
    broker.forget_all()
    vcd = Simulator(folder, broker, {})
    yield vcd
    assert vcd.stop() == 0
    vcd.check_reports()


@pytest.fixture(scope="module")
def check(folder, broker, vcd):
    return Checker(folder, broker, vcd)


@pytest.fixture
def channel(broker):
    """A channel whose queues and exchanges with our prefix are gone afterwards."""
    connection = broker.connect()
    yield connection.channel()
    connection.close()
    connection = broker.connect()
    channel = connection.channel()
    for name in QUEUES:
        channel.queue_delete(name)
    channel.exchange_delete(f"{PREFIX}.events")
    connection.close()


def objects(broker):
    """Which of the objects that a worker would make are there."""
    found = []
    connection = broker.connect()
    for ask, names in (("queue_declare", QUEUES), ("exchange_declare", [f"{PREFIX}.events"])):
        for name in names:
            channel = connection.channel()
            with contextlib.suppress(pika.exceptions.ChannelClosedByBroker):
                getattr(channel, ask)(name, passive=True)
                found.append(name)
    connection.close()
    return found


def openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)


def make_certificate(folder, name, days=90):
    """Self-signed, so that it is its own CA file; days may be negative."""
    key, pem = folder / f"{name}.key", folder / f"{name}.pem"
    request = folder / f"{name}.csr"
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}",
            "-keyout", key, "-out", request)
    names = folder / f"{name}.ext"
    names.write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    openssl("x509", "-req", "-in", request, "-signkey", key, "-days", days, "-extfile", names, "-out", pem)
    return pem, key


class Peer:
    """Something with a certificate that answers /api/versions, as it is told."""

    def __init__(self, pem, key):
        self.versions, self.ahead_s, self.dated = [("35.0", False)], 0, True
        peer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                body = peer.body()
                self.send_response_only(200)
                if peer.dated:
                    self.send_header("Date", email.utils.formatdate(time.time() + peer.ahead_s, usegmt=True))
                self.send_header("Content-Type", "text/xml")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem, key)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.address = f"localhost:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05})
        self.thread.start()

    def body(self):
        rows = "".join(f'<VersionInfo deprecated="{str(old).lower()}"><Version>{name}</Version></VersionInfo>'
                       for name, old in self.versions)
        return (f'<SupportedVersions xmlns="http://www.vmware.com/vcloud/versions">{rows}'
                "</SupportedVersions>").encode()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@contextlib.contextmanager
def peer_with(folder, name, days=90):
    pem, key = make_certificate(folder, name, days)
    peer = Peer(pem, key)
    peer.ca_file = str(pem)
    try:
        yield peer
    finally:
        peer.stop()


@contextlib.contextmanager
def cloud_with(folder, name, broker, change):
    """A cloud from a changed seed."""
    seed = json.loads(SEED.read_text())
    change(seed)
    own = folder / name
    own.mkdir()
    path = own / "seed.json"
    path.write_text(json.dumps(seed))
    vcd = Simulator(own, broker, {}, seed=path)
    try:
        yield vcd
    finally:
        assert vcd.stop() == 0
        vcd.check_reports()


def at(vcd):
    return {"vcd__host": vcd.url.removeprefix("https://"), "vcd__ca_file": vcd.ca_file}


# Everything as it should be.

def test_all_is_well_and_nothing_changes(check, vcd, broker):
    state = vcd.state()
    vcd.reset_calls()
    report = check("--orphans")
    assert report.status == 0, [row for row in report.json["rows"] if row["result"] != "ok"]
    names = [row["check"] for row in report.json["rows"]]
    assert list(dict.fromkeys(names)) == [
        "config", "secret", "admin.port", "broker.tls", "broker.login", "broker.exchange", "broker.queue",
        "vcd.tls", "vcd.version", "vcd.clock", "vcd.login", "vcd.right", "vcd.entity_type", "vcd.catalog",
        "vcd.template", "vcd.default_template", "vcd.task", "vcd.orphan"]
    assert names.count("broker.queue") == 7 and names.count("vcd.right") > 20
    assert objects(broker) == []
    assert vcd.state() == state
    changing = {(call["method"], call["path"]) for call in vcd.calls() if call["method"] != "GET"}
    assert changing == {("POST", "/cloudapi/1.0.0/sessions/provider"), ("DELETE", "/api/session")}


def test_a_line_each(check):
    report = check.run(broker__tls__enabled=False, broker__hosts=[check.broker.address])
    *lines, totals = report.text.splitlines()
    assert report.status == 1
    assert all(re.match(r"(ok|warn|FAIL|skipped) +[a-z._]+ ", line) for line in lines), lines
    assert re.fullmatch(rf"{len(lines) - 1} ok, 1 warn, 0 FAIL, 0 skipped", totals)
    bad = [line for line in lines if line.startswith("warn")]
    assert bad[0].split()[1] == "broker.tls" and bad[0].endswith("-> set broker.tls.enabled")


# Configuration and secrets.

@pytest.mark.parametrize("text", [None, "deployment: [", '{"deployment": "x", "surprise": 1}'])
def test_a_configuration_that_cannot_be_read_fails(check, folder, text):
    path = folder / "bad.yaml"
    path.unlink(missing_ok=True)
    if text:
        path.write_text(text)
    report = check.run("--json", config=path)
    assert report.status == 2
    assert report.results("config") == ["FAIL"]
    assert {row["result"] for row in report.json["rows"][1:]} == {"skipped"}


@pytest.mark.parametrize("mode, result, words", [
    (0o640, "ok", "0640"), (0o660, "warn", "chmod g-w"), (0o644, "FAIL", "chmod o="),
])
def test_modes_of_secrets(check, mode, result, words):
    path = check.secret("mode", "svc-password", mode)
    report = check(vcd__password_file=path)
    [(got, found, remedy)] = report.rows("secret", "vcd.password_file")
    assert got == result and words in found + remedy
    assert report.results("vcd.login") == [("skipped" if result == "FAIL" else "ok")]


def test_a_secret_file_that_is_not_there(check):
    report = check(vcd__password_file=str(check.folder / "nowhere"))
    [(result, found, remedy)] = report.rows("secret", "vcd.password_file")
    assert result == "FAIL" and "nowhere" in found and "can read" in remedy


def test_a_secret_file_that_is_empty(check):
    report = check(vcd__password_file=check.secret("empty", ""))
    assert "FAIL" in report.results("secret")


# The admin port.

@pytest.mark.long
def test_admin_port(check):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        answers = [b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 503 No\r\n\r\n", b"220 mail\r\n"]

        def answer():
            for text in answers:
                client, _ = server.accept()
                with client:
                    client.recv(1000)
                    client.sendall(text)

        thread = threading.Thread(target=answer)
        thread.start()
        results = [check(admin__port=port).results("admin.port") for _ in answers]
        thread.join()
    assert results == [["ok"], ["warn"], ["FAIL"]]
    assert check(admin__port=port).rows("admin.port") == [("ok", "free", "")]
    assert check(admin__port=port, admin__address="192.0.2.1").results("admin.port") == ["FAIL"]


# The broker.

def test_broker_login(check):
    good = check.config["broker"]["hosts"][0]
    dead = "localhost:1"
    report = check(broker__password_file=check.secret("wrong", "wrong-password"))
    [(result, _, remedy)] = report.rows("broker.login")
    assert result == "FAIL" and "broker.password_file" in remedy
    assert set(report.results("broker.queue") + report.results("broker.exchange")) == {"skipped"}
    assert check(broker__vhost="none").results("broker.login") == ["FAIL"]
    report = check(broker__hosts=[good, dead])
    assert report.results("broker.tls") == report.results("broker.login") == ["ok", "warn"]
    assert set(report.results("broker.queue")) == {"ok"}
    report = check(broker__hosts=[dead, "localhost:2"])
    assert report.results("broker.tls") == ["warn", "warn", "FAIL"]
    assert report.results("broker.login") == ["skipped"]
    report = check(broker__hosts=["localhost:1", "localhost:2"], broker__tls__enabled=False)
    assert report.results("broker.login") == ["warn", "warn", "FAIL"]


def test_broker_certificates(check, folder, broker):
    other, _ = make_certificate(folder, "other")
    [(result, found, _)] = check(broker__tls__ca_file=str(other)).rows("broker.tls")
    assert result == "FAIL" and "not trusted" in found
    port = broker.env["TLS_PORT"]
    [(result, found, remedy)] = check(broker__hosts=[f"127.0.0.1:{port}"]).rows("broker.tls")
    assert result == "FAIL" and "name" in remedy
    [(result, found, _)] = check(broker__hosts=[broker.address.replace("127.0.0.1", "localhost")]).rows("broker.tls")
    assert result == "FAIL" and "TLS" in found


def test_exchange_of_vcd(check, channel):
    [row, _] = check(queues__exchange="nowhere").rows("broker.exchange")
    assert row[0] == "FAIL" and "cse install" in row[2]
    channel.exchange_declare("chk-topic", "topic", auto_delete=False)
    try:
        [(result, found, _), _] = check(queues__exchange="chk-topic").rows("broker.exchange")
        assert result == "warn" and "type is 'topic'" in found and "durable is 'false'" in found
    finally:
        channel.exchange_delete("chk-topic")


def test_exchange_of_ours(check, channel):
    channel.exchange_declare(f"{PREFIX}.events", "fanout", durable=True)
    assert check().results("broker.exchange", "events") == ["FAIL"]


def test_each_differing_argument_is_named(check, channel):
    channel.queue_declare(f"{PREFIX}.operations.delay.1s", durable=True, arguments={
        "x-queue-type": "quorum", "x-message-ttl": 2000, "x-dead-letter-exchange": "elsewhere",
        "x-max-length": 7})
    [(result, found, remedy)] = check().rows("broker.queue", "delay.1s")
    assert result == "FAIL" and "delete it" in remedy
    for part in ("x-message-ttl is '2000', wanted '1000'", "x-dead-letter-exchange is 'elsewhere', wanted ''",
                 "x-max-length is '7', wanted none",
                 f"x-dead-letter-routing-key is none, wanted '{PREFIX}.operations'",
                 "x-dead-letter-strategy is none, wanted 'at-least-once'",
                 "x-overflow is none, wanted 'reject-publish'"):
        assert part in found, found
    assert found.count(" is ") == 6, found


@pytest.mark.parametrize("queue, arguments, different", [
    ("operations", {"x-queue-type": "quorum", "x-delivery-limit": 9, "x-dead-letter-exchange": "elsewhere",
                    "x-message-ttl": 1000},
     ("x-delivery-limit is '9', wanted '5'", "x-dead-letter-exchange is 'elsewhere', wanted ''",
      f"x-dead-letter-routing-key is none, wanted '{PREFIX}.parked'", "x-message-ttl is '1000', wanted none")),
    ("parked", {"x-queue-type": "quorum", "x-max-length": 5, "x-overflow": "reject-publish"},
     ("x-max-length is '5', wanted '10000'", "x-message-ttl is none, wanted '1209600000'",
      "x-overflow is 'reject-publish', wanted none")),
], ids=["operations", "parked"])
def test_each_differing_argument_of_the_other_queues(check, channel, queue, arguments, different):
    channel.queue_declare(f"{PREFIX}.{queue}", durable=True, arguments=arguments)
    [(result, found, remedy)] = [row for row in check().rows("broker.queue", f"{PREFIX}.{queue}") if row[0] != "ok"]
    assert result == "FAIL" and "delete it" in remedy
    for part in different:
        assert part in found, found
    assert found.count(" is ") == len(different), found


def test_a_queue_that_cannot_be_asked_for(check, channel):
    channel.queue_declare(f"{PREFIX}.operations", exclusive=True)
    [(result, found, _)] = [row for row in check().rows("broker.queue", f"{PREFIX}.operations") if row[0] != "ok"]
    assert result == "FAIL" and "exclusive" in found


def test_a_queue_of_the_old_server(check, channel):
    channel.queue_declare(PREFIX, durable=False)
    channel.basic_publish("", PREFIX, b"x")
    report = check()
    [(result, found, _)] = [row for row in report.rows("broker.queue", PREFIX) if "x-queue-type" in row[1]]
    assert result == "FAIL" and "durable is 'false', wanted 'true'" in found
    assert "x-message-ttl is none, wanted '4000'" in found and "1 messages, 0 consumers" in found
    report = check(queues__declare="passive")
    assert report.results("broker.queue") == ["warn"] + 6 * ["ok"]


def test_a_passive_queue_must_exist(check):
    assert check(queues__declare="passive").results("broker.queue") == ["FAIL"] + 6 * ["ok"]


# VCD.

def test_vcd_certificates(check, folder, vcd):
    other, _ = make_certificate(folder, "other-vcd")
    [(result, found, remedy)] = check(vcd__ca_file=str(other)).rows("vcd.tls")
    assert result == "FAIL" and "not trusted" in found and "ca_file" in remedy
    report = check(vcd__host="localhost:1")
    assert report.results("vcd.tls") == ["FAIL"]
    assert {row["result"] for row in report.json["rows"] if row["check"].startswith("vcd.")} == {
        "FAIL", "skipped"}
    with peer_with(folder, "ends-soon", 10) as peer:
        [(result, found, remedy)] = check(vcd__host=peer.address, vcd__ca_file=peer.ca_file).rows("vcd.tls")
        assert result == "warn" and "renew" in remedy
        assert time.strftime("%Y-%m-%d", time.gmtime(time.time() + 10 * 86400)) in found
    with peer_with(folder, "ended", -1) as peer:
        [(result, found, _)] = check(vcd__host=peer.address, vcd__ca_file=peer.ca_file).rows("vcd.tls")
        assert result == "FAIL" and "expired" in found
        assert time.strftime("%Y-%m-%d", time.gmtime(time.time() - 86400)) in found


def test_versions_and_clock(check, folder):
    with peer_with(folder, "peer") as peer:
        def row(name):
            [(result, found, _)] = check(vcd__host=peer.address, vcd__ca_file=peer.ca_file).rows(name)
            return result, found

        assert row("vcd.version")[0] == "ok" and row("vcd.clock")[0] == "ok"
        peer.versions = [("36.0", False), ("35.0", True)]
        assert row("vcd.version")[0] == "warn"
        peer.versions = [("36.0", False), ("35.2", False)]
        assert row("vcd.version")[0] == "FAIL" and row("vcd.clock")[0] == "skipped"
        peer.versions = [("35.0", False)]
        peer.ahead_s = 600
        assert row("vcd.clock")[0] == "warn" and "behind" in row("vcd.clock")[1]
        peer.ahead_s = -7200
        assert row("vcd.clock")[0] == "FAIL" and "ahead" in row("vcd.clock")[1]
        peer.dated = False
        assert row("vcd.clock")[0] == "FAIL" and "Date" in row("vcd.clock")[1]
        peer.body = lambda: b"<html/>"
        assert row("vcd.version")[0] == "FAIL"


def test_vcd_login(check):
    report = check(vcd__password_file=check.secret("wrong", "wrong-password"))
    [(result, _, remedy)] = report.rows("vcd.login")
    assert result == "FAIL" and "vcd.password_file" in remedy
    for name in ("right", "entity_type", "catalog", "template", "default_template", "task"):
        assert report.results("vcd." + name) == ["skipped"]
    report = check(vcd__user="alice@tenant1", vcd__password_file=check.secret("alice", "alice-password"))
    [(result, found, _)] = report.rows("vcd.login")
    assert result == "FAIL" and "tenant1" in found


def test_catalog_and_default_template(check):
    report = check(catalog__name="nothing")
    assert report.results("vcd.catalog") == ["FAIL"]
    assert report.results("vcd.template") == report.results("vcd.default_template") == ["skipped"]
    assert check(catalog__default_template=None).results("vcd.default_template") == ["ok"]
    assert check(catalog__default_revision=2).results("vcd.default_template") == ["FAIL"]


@pytest.mark.parametrize("status", [403, 503, 400])
@pytest.mark.parametrize("check_name, path", [
    ("vcd.right", "/cloudapi/1.0.0/roles/"), ("vcd.entity_type", "/cloudapi/1.0.0/entityTypes/"),
    ("vcd.catalog", "/api/catalog/"), ("vcd.template", "/api/catalogItem/"), ("vcd.task", "/api/query"),
])
def test_calls_that_fail(check, vcd, check_name, path, status):
    vcd.fail(method="GET", path_prefix=path, status=status, times=99)
    try:
        rows = check().rows(check_name)
    finally:
        vcd.heal()
    assert rows[0][0] == "FAIL", rows
    assert ("right" in rows[0][2]) or status != 403, rows


def test_a_cloud_that_is_not_ready(check, folder, broker):
    def change(seed):
        role = next(role for role in seed["roles"] if role["name"] == "CSE Service Role")
        for right in ("Task: Update", "vApp: Delete"):
            role["rights"].remove(right)
        seed["entity_types"][0]["readonly"] = True
        first = seed["templates"][0]
        for number, lacking in ((2, ("cse_prepared",)), (3, ("kind", "revision"))):
            template = json.loads(json.dumps(first))
            for key in ("id", "vm_id", "item_id"):
                template[key] = template[key].replace("07000000", f"0700000{number}")
            template["name"] += f"-{number}"
            template["metadata"]["revision"] = str(number)
            for key in lacking:
                del template["metadata"][key]
            seed["templates"].append(template)

    with cloud_with(folder, "unready", broker, change) as vcd:
        report = check(catalog__default_revision=2, **at(vcd))
        missing = [row["object"] for row in report.json["rows"]
                   if row["check"] == "vcd.right" and row["result"] == "FAIL"]
        assert missing == ["Task: Update", "vApp: Delete"]
        [(_, found, remedy)] = report.rows("vcd.right", "vApp: Delete")
        assert "DELETE /api/vApp/" in found and "CSE Service Role" in remedy
        [(result, found, _)] = report.rows("vcd.entity_type")
        assert result == "FAIL" and "read-only" in found
        [prepared, unprepared, nameless] = sorted(report.rows("vcd.template"))
        assert (prepared[0], unprepared[0], nameless[0]) == ("ok", "warn", "warn")
        assert "a revision, kind" in nameless[1] + unprepared[1]
        assert "not prepared" in nameless[1] + unprepared[1]
        [(result, found, _)] = report.rows("vcd.default_template")
        assert result == "FAIL" and "not prepared" in found


def test_a_cloud_without_anything(check, folder, broker):
    def change(seed):
        seed["entity_types"] = []
        del seed["templates"][0]["metadata"]["cse_prepared"]

    with cloud_with(folder, "bare", broker, change) as vcd:
        report = check(**at(vcd))
        [(result, _, remedy)] = report.rows("vcd.entity_type")
        assert result == "FAIL" and "cse install" in remedy
        assert report.results("vcd.template") == ["warn", "FAIL"]
        assert report.results("vcd.default_template") == ["skipped"]


# Unfinished tasks.

TASK = ('<Task xmlns="http://www.vmware.com/vcloud/v1.5" name="task" status="running" '
        'type="application/vnd.vmware.vcloud.task+xml" operation="{operation}" '
        'operationName="cluster operation" serviceNamespace="vcloud.cse">'
        '<Owner href="{url}/api/org/{org}" name="tenant1" type="application/vnd.vmware.vcloud.org+xml"/>'
        '<User href="{url}/api/admin/user/{user}" name="alice" '
        'type="application/vnd.vmware.admin.user+xml"/><Details>{details}</Details></Task>')


def test_unfinished_tasks(check, folder, broker):
    with cloud_with(folder, "tasks", broker, lambda seed: None) as vcd:
        service = Tenant(vcd.url, vcd.ca_file, "svc-cse@System", "svc-password")
        alice = next(user["id"] for user in json.loads(SEED.read_text())["users"] if user["name"] == "alice")

        def make(operation, details):
            body = TASK.format(url=vcd.url, org=TENANT1, user=alice, operation=operation, details=details)
            answer = service.request("POST", f"/api/tasksList/{TENANT1}", body.encode(), accept=XML_35,
                                     headers={"Content-Type": "application/vnd.vmware.vcloud.task+xml"})
            assert answer.status == 200, answer

        make("Creating cluster 'mine'", 'cse-worker/1 chk {"op":"create","request":"r1"}')
        make("Creating cluster 'theirs'", 'cse-worker/1 other {"op":"create","request":"r2"}')
        make("Creating cluster vApp 'python'", "")
        state = vcd.state()
        report = check("--orphans", **at(vcd))
        assert report.rows("vcd.task") == [("ok", "1 unfinished of this deployment, 2 of others", "")]
        others = dict.fromkeys(("deployment other", "CSE?"))
        for word in others:
            [(result, found, _)] = [row for row in report.rows("vcd.orphan") if word in row[1]]
            assert result == "ok" and "user alice, running for 0 min" in found
        assert not check(**at(vcd)).rows("vcd.orphan")
        vcd.set_option(clock_ahead_s=3 * 3600 + 60)
        report = check("--orphans", **at(vcd))
        [(result, found, _)] = report.rows("vcd.task")
        assert result == "warn" and "'mine'" in found and "3 h" in found
        assert report.results("vcd.orphan") == ["warn", "warn"]
        assert report.results("vcd.clock") == ["FAIL"]
        assert vcd.state() == state
        vcd.fail(method="GET", path_prefix="/api/task/", status=500, times=2)
        report = check("--orphans", **at(vcd))
        assert report.results("vcd.task") == ["FAIL"] and report.results("vcd.orphan") == ["skipped"]
