# SPDX-License-Identifier: MIT
"""A real guest whose kubeadm fails: what the tenant is told, what operators find in the log and on cse.events."""
import json
import os
import threading

import pytest
from bodies import cluster_body
from cloud import wait_until

REQUIRED = {"version", "id", "time", "event", "deployment", "worker", "operation", "task", "org", "user",
            "request_id", "status"}
TOKEN = "abcdef.0123456789abcdef"
# Fails as kubeadm does: with far more words than can be told, and secrets among the last of them.
KUBEADM = f"""#!/bin/bash
[ "$1" = init ] || exec /sim/kubeadm.py "$@"
for i in {{1..500}}; do echo "[preflight] Pulling image $i of 500, this might take a minute or two"; done
printf 'many words %.0s' {{1..600}}
echo
echo "[init] Using Kubernetes version: v1.20.4"
echo "kubeadm join 10.0.0.1:6443 --token {TOKEN}"
echo "Authorization: Bearer hunter2hunter2"
echo "password: hunter2"
echo "-----BEGIN RSA PRIVATE KEY-----"
echo "QUJDREVG"
echo "-----END RSA PRIVATE KEY-----"
printf 'error execution phase preflight: [ERROR Port-10250]: Port 10250 is in use\n' >&2
printf 'see the documentation %.0s' {{1..20}} >&2
exit 7
"""
SECRETS = (TOKEN, "hunter2", "QUJDREVG")


class Consumer(threading.Thread):
    """A queue of its own on the events' exchange, as a monitoring tool has one."""

    def __init__(self, broker):
        super().__init__(daemon=True)
        self.events, self.ended = [], threading.Event()
        self.connection = broker.connect()
        self.channel = self.connection.channel()
        queue = self.channel.queue_declare("", exclusive=True).method.queue
        self.channel.queue_bind(queue, "cse.events", "task.#")
        self.channel.basic_consume(queue, self.take, auto_ack=True)
        self.start()

    def take(self, _channel, method, _properties, body):
        self.events.append((method.routing_key, json.loads(body), len(body)))

    def run(self):
        while not self.ended.is_set():
            self.connection.process_data_events(time_limit=0.2)
        self.connection.close()

    def of(self, href):
        """The task's events, once its last one is there."""
        uuid = href.rsplit("/", 1)[1]

        def find():
            found = [event for event in self.events if event[1].get("task") == uuid]
            return found if found and found[-1][1]["status"] != "running" else None
        return wait_until(find, what="the last event")

    def stop(self):
        self.ended.set()
        self.join(10)


@pytest.fixture(scope="module")
def consumer(cloud):
    consumer = Consumer(cloud.broker)
    yield consumer
    consumer.stop()


def break_kubeadm(cloud):
    """On the control plane's disk as soon as it has one; without the pauses between the attempts."""
    def find():
        for disk in (cloud.folder / "vcd" / "guests").glob("*/disk"):
            name = disk / "etc" / "hostname"
            if name.exists() and name.read_text().startswith("mstr-") and \
                    (disk / "local" / "bin" / "kubeadm").is_symlink():
                return disk / "local" / "bin"
        return None
    folder = wait_until(find, pause_s=0.02, what="the control plane's disk")
    for name, text in (("kubeadm", KUBEADM), ("sleep", "#!/bin/bash\nexec /usr/bin/sleep 0.1\n")):
        fresh = folder / (name + ".new")
        fresh.write_text(text)
        fresh.chmod(0o755)
        os.replace(fresh, folder / name)


def fail(cloud, name, rollback):
    answer = cloud.alice.request(
        "POST", "/api/cse/3.0/clusters",
        cluster_body(name, spec__settings__rollback_on_failure=rollback))
    assert answer.status == 202, answer
    break_kubeadm(cloud)
    href = answer.json["entity"]["status"]["task_href"]
    return answer.json["id"], href, cloud.alice.wait(href)


def check_error(task, remedy):
    assert task.status == "error", task
    assert len(task.error.encode()) <= 1024
    # The node said more than there is room for, and what to do stands there all the same.
    assert 0 < task.error.count("see the documentation") < 20, task
    # Step, object, the failing command, remedy.
    assert task.error.startswith("Step init: node mstr-")
    assert "failed in phase init: timeout 900 kubeadm init --config" in task.error
    assert "exit code 7" in task.error
    assert task.error.endswith(remedy)


def check_evidence(cloud, consumer, href):
    events = consumer.of(href)
    (key, verdict, size), = [event for event in events if event[0].endswith(".verdict")]
    assert key == "task.create.verdict" and size <= 66 * 1024
    node = verdict["evidence"]["nodes"][0]
    assert (node["role"], node["phase"], node["status"]) == ("control-plane", "init", "failed")
    assert node["command"].startswith("timeout 900 kubeadm init --config")
    assert "[ERROR Port-10250]: Port 10250 is in use\n" in node["text"]
    lines = [line for line in cloud.workers[0].events("operation.evidence")
             if line["task"] == verdict["task"]]
    assert any("Port 10250 is in use" in line["text"] for line in lines)
    assert 512 < len(node["text"].encode()) <= 4096
    assert sum(len(json.dumps(line)) for line in lines) <= 64 * 1024
    # The evidence was there before the undo began.
    keys = [event[0] for event in events]
    assert keys.index("task.create.verdict") < keys.index("task.create.error")
    log = cloud.workers[0].log.read_text()
    for secret in SECRETS:
        assert secret not in log and secret not in json.dumps(events)


def test_a_failed_create_is_rolled_back_when_asked(cloud, consumer):
    before = cloud.vcd.state()
    urn, href, task = fail(cloud, "undone", True)
    check_error(task, "The cluster was removed; correct the cause and send it again.")
    check_evidence(cloud, consumer, href)
    assert not any(secret in f"{task.error}{task.details}" for secret in SECRETS)
    assert cloud.alice.entity(urn) is None
    assert cloud.vcd.state() == before


def test_a_failed_create_is_kept_and_can_be_deleted_when_not(cloud, consumer):
    before = cloud.vcd.state()
    urn, href, task = fail(cloud, "kept", False)
    check_error(task, "Delete the cluster before you send it again.")
    check_evidence(cloud, consumer, href)
    assert cloud.alice.entity(urn)["entity"]["status"]["phase"] == "CREATE:FAILED"
    assert [vapp["name"] for vapp in json.loads(cloud.vcd.state())["vapps"]] == ["kept"]
    answer = cloud.alice.request("DELETE", f"/api/cse/3.0/cluster/{urn}")
    assert answer.status == 202, answer
    gone = answer.json["entity"]["status"]["task_href"]
    assert cloud.alice.wait(gone).status == "success"
    assert cloud.vcd.state() == before
    check_events(consumer, href, "create", "error")
    check_events(consumer, gone, "delete", "success")


def check_events(consumer, href, operation, end):
    """Every change is there, in order, from the first text to the last."""
    events = consumer.of(href)
    for key, event, _ in events:
        assert REQUIRED <= event.keys(), REQUIRED - event.keys()
        assert event["event"] == key == f"task.{operation}.{key.rsplit('.', 1)[1]}"
        assert event["deployment"] == "e2e" and event["user"] == "alice"
    # A create's task is there before its cluster's id.
    assert all("cluster" in event for _, event, _ in events[operation == "create":])
    percents = [event["percent"] for _, event, _ in events if "percent" in event]
    assert percents == sorted(percents) and percents[0] <= 5
    assert len({event["id"] for _, event, _ in events}) == len(events) >= 3
    assert [key for key, _, _ in events].count(f"task.{operation}.{end}") == 1
