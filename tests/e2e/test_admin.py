# SPDX-License-Identifier: MIT
"""The admin port over HTTP, the metrics as Prometheus reads them, and systemd's notify socket."""
import datetime
import json
import os
import re
import socket
import socketserver
import threading
import urllib.error
import urllib.request
import uuid

import pytest
from bodies import cluster_body
from cloud import free_port, wait_until
from requester import Requester
from tenant import XML_35


PORT = free_port()
CLOUD = {"options": {"played_guests": 1}, "timing": {"resync": 6}, "config": {"admin": {"port": PORT}}}

NAME = re.compile(r"cse_worker_[a-z_]*[a-z]$")
SAMPLE = re.compile(r'^([a-z_]+)(?:\{(.*)\})? (-?[0-9.]+)$')
LABEL = re.compile(r'([a-z_]+)="([^"]*)"')
# Every text a label may hold, but for numbers: none of them comes from a tenant.
LABEL_WORDS = re.compile(r"[a-z_]+$|[0-9.]+$|\+Inf$")


def fetch(path, port=PORT, method="GET", host="127.0.0.1"):
    """Status, headers and text of an answer."""
    request = urllib.request.Request(f"http://{host}:{port}{path}", method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status, response.headers, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read().decode()


def ask(path, port=PORT):
    status, _, text = fetch(path, port)
    return status, json.loads(text)


def metrics(port=PORT):
    """{sample with labels: value}; every line is judged on the way."""
    status, headers, text = fetch("/metrics", port)
    assert status == 200 and headers["Content-Type"].startswith("text/plain; version=0.0.4")
    samples, helped, types = {}, set(), {}
    assert text.endswith("\n")
    for line in text.splitlines():
        words = line.split(" ", 3)
        if line.startswith("# HELP "):
            assert words[2] not in helped and len(words[3]) > 5, line
            helped.add(words[2])
        elif line.startswith("# TYPE "):
            assert words[2] in helped and words[2] not in types and NAME.match(words[2]), line
            types[words[2]] = words[3]
        else:
            check_sample(line, types, samples)
    assert helped == set(types)
    return samples


def check_sample(line, types, samples):
    name, labels, value = SAMPLE.match(line).groups()
    family = name if name in types else re.sub("_(bucket|sum|count)$", "", name)
    assert family == list(types)[-1], f"{line} does not stand under its family"
    assert (name.endswith("_total")) == (types[family] == "counter"), line
    assert (family != name) == (types[family] == "histogram"), line
    pairs = LABEL.findall(labels or "")
    assert ",".join(f'{key}="{text}"' for key, text in pairs) == (labels or ""), line
    assert all(LABEL_WORDS.match(text) for _, text in pairs), line
    key = line.rpartition(" ")[0]
    assert key not in samples, f"{key} stands there twice"
    samples[key] = float(value)


def test_a_serving_worker_is_healthy_and_ready(cloud):
    assert ask("/healthz") == (200, {"healthy": True})
    assert wait_until(lambda: ask("/readyz") == (200, {"ready": True}), what="the session")


def test_only_get_only_known_pages_only_this_address(cloud):
    status, headers, _ = fetch("/metrics", method="POST")
    assert (status, headers["Allow"]) == (405, "GET")
    assert fetch("/healthz", method="DELETE")[0] == 405
    assert fetch("/v1/nothing")[0] == 404
    with pytest.raises(OSError):
        fetch("/healthz", host="127.0.0.2")


def test_an_operation_shows_while_it_runs_and_is_counted(cloud, alice):
    before = metrics()
    answer = alice.request("POST", "/api/cse/3.0/clusters", cluster_body("observed-name"))
    assert answer.status == 202, answer
    task = answer.json["entity"]["status"]["task_href"].rpartition("/")[2]

    def shown():
        busy = [t for t in ask("/v1/operations")[1]["threads"] if t.get("task") == task]
        return busy[0] if busy and busy[0]["step"] else None

    thread = wait_until(shown, pause_s=0.01, what="the pass")
    assert thread["operation"] == "create" and thread["cluster"] == answer.json["id"]
    assert thread["pass"] >= 1 and thread["state"] == "busy" and thread["since"].endswith("Z")
    done = alice.wait(answer.json["entity"]["status"]["task_href"])
    assert done.status == "success", done
    after = wait_until(lambda: grown(before, "cse_worker_operations_total", 'operation="create",outcome="done"'),
                       what="the count")
    for name, labels in (("cse_worker_requests_total", 'outcome="ok"'),
                         ("cse_worker_passes_total", 'outcome="again"'),
                         ("cse_worker_vcd_calls_total", 'class="ok"'),
                         ("cse_worker_vcd_call_duration_seconds_count", 'kind="write"')):
        assert after[f"{name}{{{labels}}}"] > before[f"{name}{{{labels}}}"], name
    assert after["cse_worker_vcd_session"] == 1
    assert after['cse_worker_threads{kind="operation",state="consuming"}'] == 4
    text = fetch("/metrics")[2]
    for word in ("observed-name", "alice", "tenant1", task, answer.json["id"], "svc-cse"):
        assert word not in text, word
    idle = ask("/v1/operations")[1]["threads"]
    assert "last" in {t.get("last_outcome") for t in idle}, idle


def grown(before, name, labels):
    now, key = metrics(), f"{name}{{{labels}}}"
    return now if now[key] > before[key] else None


def test_without_a_broker_it_says_so(cloud):
    port = free_port()
    broker = {"hosts": ["127.0.0.1:1"], "user": "x", "password_file": cloud.broker.env["PASSWORD_FILE"],
              "tls": {"enabled": False}, "heartbeat_s": 2}
    worker = cloud.add_worker(admin={"port": port}, broker=broker)
    wait_until(lambda: can_fetch(port), what="the admin port")
    wait_until(lambda: metrics(port)["cse_worker_broker_connect_failures_total"] > 0, what="an attempt")
    status, body = ask("/healthz", port)
    assert status == 503 and body["healthy"] is False
    assert body["reasons"] == ["no request thread consumes from the broker",
                               "no operation thread consumes from the broker"]
    assert ask("/readyz", port)[0] == 503
    assert wait_until(lambda: worker.events("worker.unwell"), what="the log line")
    assert worker.stop() == 0


class Forwarder(socketserver.ThreadingTCPServer):
    """A port that leads to another one, from the moment on it is made."""

    allow_reuse_address = daemon_threads = True

    def __init__(self, port, target):
        self.target = ("127.0.0.1", target)
        super().__init__(("127.0.0.1", port), self.Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            with socket.create_connection(self.server.target) as other:
                back = threading.Thread(target=self.copy, args=(other, self.request), daemon=True)
                back.start()
                self.copy(self.request, other)
                back.join()

        @staticmethod
        def copy(source, target):
            try:
                while data := source.recv(65536):
                    target.sendall(data)
                target.shutdown(socket.SHUT_WR)
            except OSError:
                pass


def test_without_vcd_it_is_healthy_and_ready_once_vcd_is_back(cloud):
    port, vcd_port = free_port(), free_port()
    vcd = {"host": f"127.0.0.1:{vcd_port}", "ca_file": cloud.vcd.ca_file, "user": "svc-cse@System",
           "password_file": str(cloud.password_file)}
    worker = cloud.add_worker(admin={"port": port}, vcd=vcd)
    wait_until(lambda: can_fetch(port) and ask("/healthz", port)[0] == 200, what="the consumers")
    status, body = ask("/readyz", port)
    assert status == 503 and len(body["reasons"]) == 1 and "session" in body["reasons"][0], body
    wait_until(lambda: metrics(port)['cse_worker_vcd_calls_total{class="no_answer"}'] > 0,
               what="the failed call")
    # Nobody asks this worker anything, and it notices all the same.
    with Forwarder(vcd_port, int(cloud.vcd.url.rpartition(":")[2])):
        wait_until(lambda: ask("/readyz", port)[0] == 200, what="the session")
        assert worker.stop() == 0


def test_what_is_parked_shows_as_a_level(cloud):
    connection = cloud.broker.connect()
    channel = connection.channel()
    channel.confirm_delivery()
    channel.basic_publish("", "cse.parked", b"{}", mandatory=True)
    wait_until(lambda: metrics()["cse_worker_parked"] == 1, what="the level")
    channel.queue_purge("cse.parked")
    wait_until(lambda: metrics()["cse_worker_parked"] == 0, what="the level")
    connection.close()


# ---- counters of what goes wrong ----

REQUESTS, OPERATIONS = 8, 4  # threads, each with a connection
TASK = ('<Task xmlns="http://www.vmware.com/vcloud/v1.5" name="task" status="running" '
        'type="application/vnd.vmware.vcloud.task+xml" operation="Creating cluster" '
        'operationName="cluster operation" serviceNamespace="vcloud.cse"><Owner href="{url}/api/org/{org}" '
        'name="tenant1" type="application/vnd.vmware.vcloud.org+xml"/><User href="{url}/api/admin/user/{user}" '
        'name="alice" type="application/vnd.vmware.admin.user+xml"/><Details>{details}</Details></Task>')


def risen(name, labels="", by=1):
    """Waits, when called, until the number has grown by so much since now."""
    key = f"{name}{{{labels}}}" if labels else name
    before = metrics()[key]
    return lambda: wait_until(lambda: metrics()[key] >= before + by, pause_s=0.02, what=f"{key} to rise")


def operation(**changes):
    """A good message about a task that does not exist."""
    return json.dumps({"version": 1, "id": str(uuid.uuid4()), "operation": "create", "cluster": "urn:c",
                       "task": str(uuid.uuid4()), "pass": 1, "attempt": 0, "due": "", "request_id": "r",
                       "user": "u", "org": "o", **changes}).encode()


@pytest.fixture
def channel(cloud):
    connection = cloud.broker.connect()
    yield connection.channel()
    if connection.is_open:
        connection.close()


def test_parked_messages_are_counted_by_their_kind(cloud, channel):
    request, one = (risen("cse_worker_parked_total", f'kind="{kind}"') for kind in ("request", "operation"))
    unreadable = risen("cse_worker_passes_total", 'outcome="unreadable"')
    malformed = risen("cse_worker_requests_total", 'outcome="malformed"')
    before = metrics()
    channel.basic_publish("", "cse.operations", b"{}")
    one()
    unreadable()
    assert metrics()['cse_worker_parked_total{kind="request"}'] == before['cse_worker_parked_total{kind="request"}']
    with Requester(cloud.broker) as requester:
        assert requester.ask(b"{}").status == 400
    request()
    malformed()
    assert channel.queue_purge("cse.parked").method.message_count == 2


def test_lag_is_how_late_passes_begin(channel):
    assert metrics()["cse_worker_lag_seconds"] < 1
    due = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=80)
    channel.basic_publish("", "cse.operations", operation(due=due.strftime("%Y-%m-%dT%H:%M:%S.000Z")))
    lag = wait_until(lambda: value if (value := metrics()["cse_worker_lag_seconds"]) > 1 else None, pause_s=0.02,
                     what="the lag")
    assert lag < 11  # an average over eight passes
    wait_until(lambda: metrics()["cse_worker_lag_seconds"] < 1, what="idle threads")


def test_operations_taken_over_are_counted(cloud, alice):
    """The record of a create that was accepted, and whose message was lost."""
    service, session = cloud.tenant("svc-cse@System"), alice.request("GET", "/cloudapi/1.0.0/sessions/current").json
    details = ('cse-worker/1 e2e {"op":"create","request":"lost","vapp":"%s",'
               '"cluster":"urn:vcloud:entity:cse:nativeCluster:%s"}' % (uuid.uuid4(), uuid.uuid4()))
    counts = [risen("cse_worker_revivals_total"), risen("cse_worker_resync_rounds_total"),
              risen("cse_worker_operations_total", 'operation="create",outcome="failed"')]
    body = TASK.format(url=cloud.vcd.url, org=session["org"]["id"].rpartition(":")[2],
                       user=session["user"]["id"].rpartition(":")[2], details=details)
    answer = service.request("POST", f"/api/tasksList/{session['org']['id'].rpartition(':')[2]}", body.encode(),
                             accept=XML_35, headers={"Content-Type": "application/vnd.vmware.vcloud.task+xml"})
    assert answer.status == 200, answer
    cloud.vcd.set_option(clock_ahead_s=60)
    try:
        for count in counts:
            count()
    finally:
        cloud.vcd.set_option(clock_ahead_s=0)
    assert metrics()["cse_worker_resync_leader"] == 1


def test_connections_that_are_lost_are_counted(cloud):
    count = risen("cse_worker_broker_reconnects_total", by=REQUESTS + OPERATIONS)
    cloud.broker.ctl("close_all_connections", "-p", cloud.broker.env["VHOST"], "asked for by the test")
    count()
    wait_until(lambda: metrics()['cse_worker_threads{kind="operation",state="consuming"}'] == OPERATIONS)
    assert ask("/healthz")[0] == 200


@pytest.mark.long
def test_blocked_connections_are_counted_and_shown(cloud, channel):
    """Whoever publishes during the alarm is told; what is parked then was sent before."""
    count = risen("cse_worker_broker_blocked_total")
    channel.basic_publish("", "cse.operations.delay.6s", b"{}")
    assert metrics()["cse_worker_broker_blocked"] == 0
    cloud.broker.ctl("set_vm_memory_high_watermark", "absolute", "1MB")
    try:
        count()
        assert metrics()["cse_worker_broker_blocked"] >= 1
    finally:
        cloud.broker.ctl("set_vm_memory_high_watermark", "0.6")
    wait_until(lambda: metrics()["cse_worker_broker_blocked"] == 0, what="the end of it")
    wait_until(lambda: channel.queue_purge("cse.parked").method.message_count == 1, what="the parked message")


def can_fetch(port):
    try:
        return fetch("/healthz", port)
    except OSError:
        return None


def test_a_taken_port_ends_the_worker_with_a_reason(cloud):
    worker = cloud.add_worker(admin={"port": PORT})
    assert worker.popen.wait(30) == 1
    assert str(PORT) in worker.events("admin.not_started")[0]["reason"]
    cloud.workers.remove(worker)
    worker.check_reports()


def test_systemd_hears_ready_watchdog_and_stopping(cloud, monkeypatch):
    name = f"@cse-worker-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(name.replace("@", "\0"))
        listener.settimeout(30)
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        monkeypatch.setenv("WATCHDOG_USEC", "1000000")
        worker = cloud.add_worker()
        lines = []

        def heard(word, times=1):
            while lines.count(word) < times:
                lines.extend(listener.recv(4096).decode().splitlines())
            return True

        assert heard("READY=1") and heard("STATUS=consuming") and heard("WATCHDOG=1", 5)
        assert lines.count("READY=1") == 1
        assert worker.stop() == 0
        assert heard("STOPPING=1")
