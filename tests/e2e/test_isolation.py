# SPDX-License-Identifier: MIT
"""Who calls, whose things are touched, and that no secret leaves the worker."""
import base64
import json
import pathlib
import re
import time

import pytest
import yaml
from bodies import cluster_body
from cloud import wait_until
from model import check_def_entity
from requester import Requester, envelope
from seeds import TENANT1, TENANT2, urn, wide
from tenant import VCLOUD, XML_35

QUICK = {"clone_ms": 20, "task_ms": 2, "boot_ms": 5, "extra_latency_ms": 0}
CLOUD = {"options": {"played_guests": 1, **QUICK}, "simulator": {"seed": wide},
         "timing": {"rungs": [0.02, 0.1, 0.3, 1.2]}}
CREATE = "/api/cse/3.0/clusters"
ORG1, ORG2 = urn("org", "0e", TENANT1), urn("org", "0e", TENANT2)
ADMIN = "urn:vcloud:user:0a0a0000-0000-4000-8000-000000000001"
SYSTEM = "urn:vcloud:org:a93c9db9-7471-3192-8d09-a8f7eeda85f9"


def path_of(cluster):
    return f"/api/cse/3.0/cluster/{cluster}"


def accepted(answer):
    assert answer.status == 202, answer
    return answer.json["id"], answer.json["entity"]["status"]["task_href"]


def do(tenant, method, path, body=None):
    """A request whose operation must succeed; the cluster's id."""
    cluster, href = accepted(tenant.request(method, path, body))
    task = tenant.wait(href)
    assert task.status == "success", task
    return cluster


def state(cloud):
    return json.loads(cloud.vcd.state())


# ---- who calls ----

def forged(token, body, **context):
    """VCD's message, with whatever user, org and rights its second part may claim."""
    message = envelope(CREATE, "POST", token, json.dumps(body).encode())
    message[1].update(context)
    return message


CLAIMS = {"user": ADMIN, "org": SYSTEM,
          "rights": ["urn:vcloud:right:00000000-0000-4000-8000-000000000001", "all",
                     "cse:nativeCluster: Full Access", "vApp: Create / Reconfigure"]}


def test_the_message_grants_nothing(cloud, broker):
    before = cloud.vcd.state()
    with Requester(broker) as requester:
        bob = cloud.tenant("bob@tenant1")
        reply = requester.ask(forged(bob.token, cluster_body("claimed"), **CLAIMS))
        assert reply.status == 403 and "bob" in reply.text, reply
        reply = requester.ask(forged(None, cluster_body("claimed"), **CLAIMS))
        assert reply.status == 401, reply
        # A tenant whose message says it is the administrator still cannot act for another org.
        body = cluster_body("claimed", metadata__org_name="tenant2", metadata__ovdc_name="tenant2-vdc")
        reply = requester.ask(forged(cloud.alice.token, body, **CLAIMS))
        assert reply.status == 403 and "tenant2" in reply.text, reply
    assert cloud.vcd.state() == before


def test_the_cluster_is_the_callers_whatever_the_message_says(cloud, broker, alice):
    before = cloud.vcd.state()
    with Requester(broker) as requester:
        reply = requester.ask(forged(alice.token, cluster_body("mine"), user=ADMIN, org=ORG2))
    assert reply.status == 202, reply
    entity = alice.entity(reply.json["id"])
    check_def_entity(entity)
    assert entity["org"]["id"] == ORG1 and entity["owner"]["name"] == "alice"
    href = reply.json["entity"]["status"]["task_href"]
    task = alice.request("GET", "/api/task/" + href.rsplit("/", 1)[1], accept=XML_35).xml
    assert task.find(VCLOUD + "Owner").get("name") == "tenant1"
    assert task.find(VCLOUD + "User").get("name") == "alice"
    assert alice.wait(href).status == "success"
    do(alice, "DELETE", path_of(reply.json["id"]))
    assert cloud.vcd.state() == before


def test_a_system_administrator_acts_for_a_tenant(cloud, alice):
    before = cloud.vcd.state()
    admin = cloud.tenant("administrator@System")
    cluster = do(admin, "POST", CREATE, cluster_body("given"))
    entity = admin.entity(cluster)
    check_def_entity(entity)
    assert entity["org"]["name"] == "tenant1"
    vapp = next(v for v in state(cloud)["vapps"] if v["name"] == "given")
    assert vapp["vdc"] == "tenant1-vdc", vapp
    # Its tasks lie in the tenant's org, so the tenant sees them.
    assert alice.task(entity["entity"]["status"]["task_href"]).status == "success"
    do(admin, "PUT", path_of(cluster), cluster_body("given", spec__expose=False))
    assert admin.entity(cluster)["entity"]["status"]["exposed"] is False
    do(admin, "DELETE", path_of(cluster))
    assert cloud.vcd.state() == before


# ---- whose things are touched ----

def far_body(name):
    return cluster_body(name, metadata__org_name="tenant2", metadata__ovdc_name="tenant2-vdc",
                        spec__settings__network="far-routed")


@pytest.fixture(scope="module")
def dave(cloud):
    return cloud.tenant("dave@tenant2")


@pytest.fixture(scope="module")
def victim(cloud, dave):
    """A cluster of tenant2: its entity, and the ids of all that belongs to it."""
    before = state(cloud)
    cluster = do(dave, "POST", CREATE, far_body("victim"))
    after = state(cloud)
    new = [thing for kind in ("vapps", "vms", "nat_rules", "entities")
           for thing in after[kind] if thing not in before[kind]]
    ids = set(re.findall(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
                         json.dumps([thing["id"] for thing in new])))
    assert len(ids) == 5, new  # vApp, two VMs, rule, entity
    entity = dave.entity(cluster)
    edge = cloud.tenant("dave@tenant2").request(
        "GET", "/cloudapi/1.0.0/edgeGateways?page=1&pageSize=25").json["values"][0]["id"]
    ids |= {edge[-36:], entity["entity"]["status"]["task_href"][-36:]}
    return entity, ids


FORGERIES = {
    "externalId": lambda mine, theirs: mine.update(externalId=theirs["externalId"]),
    "task": lambda mine, theirs: mine["entity"]["status"].update(
        task_href=theirs["entity"]["status"]["task_href"]),
    "network": lambda mine, theirs: mine["entity"]["spec"]["settings"].update(network="far-routed"),
    "template": lambda mine, theirs: mine["entity"]["spec"]["k8_distribution"].update(
        template_name="other-kind"),
    "org": lambda mine, theirs: mine["entity"]["metadata"].update(
        org_name="tenant2", ovdc_name="tenant2-vdc"),
    "name": lambda mine, theirs: mine["entity"]["metadata"].update(cluster_name="victim"),
    "nodes": lambda mine, theirs: mine["entity"]["status"].update(
        nodes=theirs["entity"]["status"]["nodes"]),
}


def forge(alice, cluster, victim, *what):
    """Alice writes that into her entity; what stands there now."""
    document = alice.entity(cluster)
    for name in what:
        FORGERIES[name](document, victim)
    answer = alice.request("PUT", f"/cloudapi/1.0.0/entities/{cluster}", document)
    assert answer.status == 200, answer
    return document


def touched(cloud, ids):
    """Calls that would change something of the victim's."""
    return [call for call in cloud.vcd.calls()
            if call["method"] != "GET" and any(one in call["path"] for one in ids)]


def check_reads(cloud, victim, names):
    """A forged href is looked at, to learn that it is not the cluster's; nothing behind it ever is."""
    entity, ids = victim
    vapp, task = entity["externalId"].rsplit("/", 1)[1], entity["entity"]["status"]["task_href"].rsplit("/", 1)[1]
    hints = []
    if "externalId" in names:
        hints += [f"/api/vApp/{vapp}", f"/api/vApp/{vapp}/metadata"]
    if "task" in names:
        hints += [f"/api/task/{task}"]
    read = {call["path"] for call in cloud.vcd.calls() if any(one in call["path"] for one in ids)}
    # Why a vApp is no good is asked before it is said, whosever it is.
    if "externalId" in names and "task" in names:
        read = {path for path in read if not path.startswith("/api/query?type=adminTask&")}
    assert read == set(hints)


@pytest.mark.parametrize("names, outcome", [
    (("externalId",), "success"), (("task",), "success"),
    (("network", "template", "org", "name", "nodes"), "success"), (tuple(FORGERIES), "error"),
], ids=["externalId", "task", "wishes", "all"])
def test_a_forged_entity_reaches_nobody_else(cloud, alice, victim, names, outcome):
    """Un-expose and delete of a cluster whose entity its tenant has changed."""
    entity, ids = victim
    before = cloud.vcd.state()
    mine = do(alice, "POST", CREATE, cluster_body("mine"))
    cloud.vcd.reset_calls()
    document = forge(alice, mine, entity, *names)
    config = alice.request("GET", path_of(mine) + "/config")
    assert config.status in (200, 409), config
    if "externalId" in names:
        assert config.status == 409, config
    for address in (entity["entity"]["status"]["nodes"]["control_plane"]["ip"], "client-key"):
        assert config.status == 200 or address not in config.body.decode()
    # As the CLI sends it: what stands there, but for one change.
    body = json.loads(json.dumps(document["entity"]))
    body["spec"]["expose"] = False
    answer = alice.request("PUT", path_of(mine), body)
    unexposed = alice.wait(accepted(answer)[1])
    assert unexposed.status == outcome, unexposed
    if outcome == "error":
        # Neither its own task nor its vApp is named any more: there is nothing to go by.
        assert "is not this cluster's" in unexposed.error, unexposed
    rules = [rule for rule in state(cloud)["nat_rules"] if mine in rule["name"]]
    assert len(rules) == (outcome == "error"), rules
    forge(alice, mine, entity, *names)
    _, href = accepted(alice.request("DELETE", path_of(mine)))
    task = alice.wait(href)
    assert task.status == "success", task
    assert cloud.vcd.state() == before
    assert not touched(cloud, ids)
    check_reads(cloud, victim, names)


@pytest.mark.long
def test_a_forged_entity_in_the_middle_of_a_create(cloud, alice, victim):
    entity, ids = victim
    before = cloud.vcd.state()
    cloud.vcd.reset_calls()
    cloud.vcd.set_option(clone_ms=1500)
    try:
        mine, href = accepted(alice.request("POST", CREATE, cluster_body("mine")))
        forge(alice, mine, entity, *FORGERIES)
    finally:
        cloud.vcd.set_option(**QUICK)
    assert alice.wait(href).status in ("success", "error")
    if alice.entity(mine):
        do(alice, "DELETE", path_of(mine))
    assert cloud.vcd.state() == before
    assert not touched(cloud, ids)


@pytest.mark.long
def test_a_running_task_of_another_org_goes_on(cloud, alice, dave):
    before = cloud.vcd.state()
    mine = do(alice, "POST", CREATE, cluster_body("mine"))
    cloud.vcd.set_option(clone_ms=1500)
    try:
        theirs, running = accepted(dave.request("POST", CREATE, far_body("busy")))
        forge(alice, mine, dave.entity(theirs), "task")
        _, href = accepted(alice.request("DELETE", path_of(mine)))
    finally:
        cloud.vcd.set_option(**QUICK)
    assert href != running
    assert alice.wait(href).status == "success"
    assert dave.wait(running).status == "success"
    do(dave, "DELETE", path_of(theirs))
    assert cloud.vcd.state() == before


# ---- secrets ----

class Trace:
    """Everything that is published on the broker, from now on, by RabbitMQ's own tracer."""

    def __init__(self, broker):
        self.broker = broker
        broker.ctl("trace_on", "-p", broker.env["VHOST"])
        self.connection = broker.connect()
        self.channel = self.connection.channel()
        self.queue = self.channel.queue_declare("", exclusive=True).method.queue
        self.channel.queue_bind(self.queue, "amq.rabbitmq.trace", "publish.#")

    def stop(self):
        """Pairs of the exchange and all that was in the message, encoded and decoded."""
        self.broker.ctl("trace_off", "-p", self.broker.env["VHOST"])
        found = []
        while True:
            method, properties, body = self.channel.basic_get(self.queue, auto_ack=True)
            if method is None:
                break
            text = body.decode(errors="replace") + json.dumps(properties.headers, default=str)
            found.append((method.routing_key.removeprefix("publish."), text + decoded(body)))
        self.connection.close()
        return found


def decoded(body):
    """The body inside of a reply."""
    try:
        message = json.loads(body)
        message = message[0] if isinstance(message, list) else message
        return base64.b64decode(message.get("body") or b"").decode(errors="replace")
    except (ValueError, AttributeError):
        return ""


def spellings(secret):
    """How a secret may be written: as it is, a line of it, or within a longer text in Base64."""
    lines = [line for line in secret.strip().splitlines() if not line.startswith("-----")]
    for text in {secret.strip(), lines[0], lines[-1], *lines[1:3]}:
        if len(text) < 12:
            continue
        yield text
        for skip in range(3):
            # Only whole groups of three bytes look the same wherever they stand.
            inner = text.encode()[skip:]
            yield base64.b64encode(inner[:len(inner) // 3 * 3]).decode()


def leaks(secrets, text):
    return [name for name, secret in secrets.items()
            for spelling in spellings(secret) if spelling in text]


def node_secrets(service, cluster):
    """What the worker has given the control plane, while it is still there."""
    vapp = service.entity(cluster)["externalId"].rsplit("/", 1)[1]

    def find():
        answer = service.request("GET", "/api/vApp/" + vapp, accept=XML_35)
        vms = {}
        for vm in answer.xml.iter(VCLOUD + "Vm"):
            values = {}
            for element in vm.iter():
                if element.tag.endswith("}ExtraConfig"):
                    attributes = {k.rsplit("}", 1)[-1]: v for k, v in element.attrib.items()}
                    values[attributes.get("key")] = attributes.get("value")
            vms[vm.get("name")] = values
        master = next((v for n, v in vms.items() if n.startswith("mstr-")), {})
        return master if (master.get("guestinfo.cse.secret") or "").strip() else None
    values = wait_until(find, limit_s=20, pause_s=0.02, what="the node's secrets")
    secrets = {"cluster key": values["cse.key"]}
    for line in base64.b64decode(values["guestinfo.cse.secret"]).decode().splitlines():
        key, value = line.split(" ", 1)
        secrets["node " + key] = base64.b64decode(value).decode()
    assert "PRIVATE KEY" in secrets["node ca_key"] and "node token" in secrets
    return secrets


def make_with_canary(cloud, alice, service, name, outcome):
    """A create and its end; the cluster, and every secret its nodes were given."""
    cloud.vcd.set_option(boot_ms=3000, played_fail=int(outcome == "error"))
    cluster, href = accepted(alice.request(
        "POST", CREATE, cluster_body(name, spec__settings__rollback_on_failure=False)))
    secrets = {f"{name}: {key}": secret for key, secret in node_secrets(service, cluster).items()}
    cloud.vcd.set_option(**QUICK)
    task = alice.wait(href)
    cloud.vcd.set_option(played_fail=0)
    assert task.status == outcome, task
    return cluster, secrets


def log_at(cloud, level):
    """From now on there is one worker, which logs at this level."""
    for worker in cloud.workers:
        assert worker.stop() == 0
        worker.check_reports()
    cloud.workers.clear()
    worker = cloud.add_worker(log={"level": level})
    wait_until(lambda: cloud.broker.consumers("cse") and cloud.broker.consumers("cse.operations"), what="the worker")
    return worker


@pytest.mark.parametrize("level, seen", [("debug", "vcd.call"), ("info", "pass.done")])
def test_no_secret_leaves_the_worker(cloud, broker, level, seen):
    worker = log_at(cloud, level)
    alice, service = cloud.tenant("alice@tenant1"), cloud.tenant("svc-cse@System")
    trace = Trace(broker)
    failed, secrets = make_with_canary(cloud, alice, service, "canary-dead", "error")
    cluster, more = make_with_canary(cloud, alice, service, "canary", "success")
    secrets.update(more)
    entity = json.dumps([alice.entity(cluster), alice.entity(failed)])
    answer = alice.request("GET", path_of(cluster) + "/config")
    assert answer.status == 200, answer
    user = yaml.safe_load(answer.json["message"])["users"][0]["user"]
    secrets.update({"kubeconfig key": base64.b64decode(user["client-key-data"]).decode(),
                    "token": alice.token, "service token": service.token,
                    "service password": "svc-password", "password": "alice-password",
                    "broker password": pathlib.Path(broker.env["PASSWORD_FILE"]).read_text()})
    # What goes wrong must not tell either: refused, malformed, expired.
    with Requester(broker) as requester:
        assert requester.ask(envelope(CREATE, "POST", alice.token, b"{")).status == 400
        assert requester.ask(b"not JSON: Bearer " + alice.token.encode()).status == 400
        requester.send(envelope(CREATE, "POST", alice.token), reply_to=None)
        assert requester.ask(envelope(CREATE, "GET", alice.token + "x")).status >= 400
    wait_until(lambda: broker.length("cse.parked") == 2, what="two parked messages")
    taken = broker.connect()
    taken.channel().queue_purge("cse.parked")
    taken.close()
    for one in (cluster, failed):
        do(alice, "DELETE", path_of(one))
    time.sleep(0.2)
    messages = trace.stop()

    tasks = json.dumps(cloud.vcd.ask("/tasks"))
    assert "canary" in tasks and "canary" in entity
    assert not leaks(secrets, tasks) and not leaks(secrets, entity)
    text = worker.log.read_text()
    assert ('"level":"debug"' in text) is (level == "debug") and worker.events(seen)
    assert worker.events("operation.evidence") and not leaks(secrets, text)
    process = pathlib.Path("/proc") / str(worker.popen.pid)
    started = (process / "cmdline").read_text() + (process / "environ").read_text()
    assert not leaks(secrets, started)
    assert re.search(r"^Max core file size +0 +0 ", (process / "limits").read_text(), re.M)
    # Requests carry the caller's token, that is how VCD sends them; nothing else carries anything,
    # but for the one reply that was asked for the kubeconfig.
    ours = [(key, text) for key, text in messages if key != "cse-ext"]
    found = [(key, leaks(secrets, text)) for key, text in ours if leaks(secrets, text)]
    assert len(ours) > 8 and {name for _, names in found for name in names} == {"kubeconfig key"}, found
    assert len(found) == 1 and found[0][0] != "", found
    assert [key for key, text in messages if key == "cse-ext" and alice.token in text]
    assert sum('"kind":"request"' in text for key, text in ours) == 2
    assert any('"evidence"' in text for key, text in ours)
