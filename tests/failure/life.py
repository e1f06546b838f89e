# SPDX-License-Identifier: MIT
"""A cluster's life in a box, and how to say of it that nothing was lost and nothing made twice."""
import json
import time

from bodies import cluster_body
from cloud import wait_until
from tenant import XML_35

AGENT = "cse-worker"
WORKERS = 1
STEPS = ("create", "unexpose", "delete")
STATE_S = 3


class Life:
    """One cluster. Each step sends its request and returns the answer; done() ends it well."""

    def __init__(self, box, name, **changes):
        self.box, self.alice, self.name = box, box.alice, name
        self.body = cluster_body(name, spec__workers__count=WORKERS, **changes)
        self.id = None
        self.before = box.vcd.state()

    def request(self, step):
        """Method, path and body."""
        if step == "create":
            return "POST", "/api/cse/3.0/clusters", self.body
        path = f"/api/cse/3.0/cluster/{self.id}"
        if step == "unexpose":
            body = json.loads(json.dumps(self.body))
            body["spec"]["expose"] = False
            return "PUT", path, body
        return "DELETE", path, None

    def send(self, step, request_id=None):
        options = {"request_id": request_id} if request_id else {}
        return self.alice.request(*self.request(step), **options)

    def posted(self, step, request_id, copies):
        """Sends copies of one request at one moment, without waiting; their correlation ids."""
        with self.box.broker.lock:
            return [self.alice.send(*self.request(step), request_id=request_id)
                    for _ in range(copies)]

    def accepted(self, step, answer):
        """The answer's task; it must be accepted."""
        assert answer.status == 202, (step, answer)
        if step == "create":
            self.id = answer.json["id"]
        return answer.json["entity"]["status"]["task_href"]

    def do(self, step, limit_s=60):
        """One step without failures."""
        return self.finish(step, self.send(step), limit_s)

    def finish(self, step, answer, limit_s=60):
        """What was answered is accepted, and done well."""
        task = self.box.wait_task(self.accepted(step, answer), limit_s)
        assert task.status == "success", (step, task)
        self.check(step)
        return task

    def state(self):
        return json.loads(self.box.vcd.state())

    def entities(self):
        """Those of its name."""
        return [e for e in self.state()["entities"] if e["name"] == self.name]

    def vapp(self):
        """Of its name."""
        vapp, = (vapp for vapp in self.state()["vapps"] if vapp["name"] == self.name)
        return vapp

    def describe_vapp(self, text, name=None):
        """The owner's PUT of its vApp with another description, or another name."""
        path = "/api/vApp/vapp-" + self.vapp()["id"]
        body = f'<VApp xmlns="http://www.vmware.com/vcloud/v1.5" name="{name or self.name}">' \
               f"<Description>{text}</Description></VApp>"

        def is_taken():
            answer = self.alice.request("PUT", path, body.encode(), accept=XML_35, headers={
                "Content-Type": "application/vnd.vmware.vcloud.vApp+xml"})
            assert answer.status == 202 or b"BUSY_ENTITY" in answer.body, answer
            return answer.status == 202
        wait_until(is_taken, pause_s=0.02, what="the vApp to be free")
        wait_until(lambda: not self.state()["locks"], pause_s=0.02, what="the end of the change")

    def check(self, step):
        """The cloud is what the step wants, once: one vApp, each VM, one rule, one entity."""
        if step == "delete":
            self.check_nothing_left()
            return
        state = self.state()
        before = json.loads(self.before)

        def new(kind):
            return [o for o in state[kind] if o not in before[kind]]
        exposed = step == "create"
        vapps, vms, rules, entities = map(new, ("vapps", "vms", "nat_rules", "entities"))
        found = {"vapps": len(vapps), "vms": len(vms), "rules": len(rules), "entities": len(entities)}
        assert found == {"vapps": 1, "vms": 1 + WORKERS, "rules": int(exposed), "entities": 1}, found
        assert len(new("used_addresses")) == int(exposed), new("used_addresses")
        assert state["running_tasks"] == before["running_tasks"] and not state["locks"], state
        entity = entities[0]
        assert entity["id"] == self.id and entity["state"] == "RESOLVED", entity
        assert entity["externalId"].endswith(vapps[0]["id"]), (entity["externalId"], vapps)
        status, spec = entity["entity"]["status"], entity["entity"]["spec"]
        assert status["phase"] == ("CREATE" if exposed else "UPDATE") + ":SUCCEEDED", status
        assert status["exposed"] is exposed and spec["expose"] is exposed, entity
        address = rules[0]["externalAddresses"] if exposed else self.internal_address(vms)
        assert status["nodes"]["control_plane"]["ip"] == address, (status, rules)
        assert len(status["nodes"]["workers"]) == WORKERS, status

    @staticmethod
    def internal_address(vms):
        return next(vm["ip"] for vm in vms if vm["name"].startswith("mstr-"))

    def check_nothing_left(self):
        """The cloud is as it was, once VCD's own last tasks are over."""
        before, end = json.loads(self.before), time.monotonic() + STATE_S
        while (state := self.state()) != before and time.monotonic() < end:
            time.sleep(0.05)
        assert state == before, difference(before, state)


def difference(before, after):
    """What two states differ in, short enough to be read."""
    found = {}
    for kind in after:
        if after[kind] == before[kind]:
            continue
        if not isinstance(after[kind], list):
            found[kind] = (before[kind], after[kind])
            continue
        found[kind] = {"more": [o for o in after[kind] if o not in before[kind]],
                       "less": [o for o in before[kind] if o not in after[kind]]}
    return json.dumps(found)[:3000]


def is_there(life):
    return any(entity["id"] == life.id for entity in life.state()["entities"])
