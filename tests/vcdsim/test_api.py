# SPDX-License-Identifier: MIT
"""The simulator as its clients see it: as strict as VCD, or these tests fail."""
import base64
import datetime
import email.utils
import http.client
import json
import os
import pathlib
import ssl
import subprocess
import threading
import time
import urllib.parse
import xml.etree.ElementTree as tree

import pytest

HERE = pathlib.Path(__file__).resolve().parent
PROGRAM = os.environ.get("VCDSIM", str(HERE.parents[1] / "build/dev/tests/vcdsim/vcdsim"))
V = "{http://www.vmware.com/vcloud/v1.5}"
TYPE = "application/vnd.vmware.vcloud."
OPENING = ('xmlns="http://www.vmware.com/vcloud/v1.5" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1" '
           'xmlns:vmw="http://www.vmware.com/schema/ovf" '
           'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"')
NETWORK = "default-organization-network"
TENANT1 = "0e000000-0000-4000-8000-000000000001"


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.body = response.read().decode()

    @property
    def xml(self):
        return tree.fromstring(self.body)

    @property
    def minor(self):
        return self.xml.get("minorErrorCode")

    @property
    def message(self):
        return self.xml.get("message")


class Simulator:
    def __init__(self, folder, **options):
        command = [PROGRAM, "--seed", HERE / "seed.json", "--dir", folder]
        for name, value in {"clone_ms": 400, "task_ms": 150, "boot_ms": 300, **options}.items():
            command += ["--set", f"{name}={value}"]
        self.log = folder.parent / (folder.name + ".log")
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        line = self.process.stdout.readline()
        assert line, self.log.read_text()
        ready = json.loads(line)
        self.url, self.admin_url = ready["url"], ready["admin"]
        self.context = ssl.create_default_context(cafile=ready["ca_file"])
        self.tokens = {}

    def stop(self):
        self.process.terminate()
        status = self.process.wait(20)
        self.process.stdout.close()
        assert status == 0, self.log.read_text()
        assert self.log.read_text() == ""

    def send(self, method, path, body=None, headers=None):
        if path.startswith(self.url):
            path = path[len(self.url):]
        connection = http.client.HTTPSConnection(self.url[len("https://"):], timeout=15,
                                                 context=self.context)
        try:
            connection.request(method, path, body, headers or {})
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def login(self, user, password=None):
        password = password or {"svc-cse": "svc", "administrator": "admin"}.get(
            user.split("@")[0], user.split("@")[0]) + "-password"
        path = "/cloudapi/1.0.0/sessions" + ("/provider" if user.endswith("@System") else "")
        basic = base64.b64encode(f"{user}:{password}".encode()).decode()
        return self.send("POST", path, headers={"Authorization": "Basic " + basic,
                                                "Accept": "application/json;version=35.0"})

    def token(self, user):
        if user not in self.tokens:
            self.tokens[user] = self.login(user).headers["x-vmware-vcloud-access-token"]
        return self.tokens[user]

    def call(self, user, method, path, body=None, kind=None, version="35.0"):
        headers = {"Authorization": "Bearer " + self.token(user),
                   "Accept": f"application/*+xml;version={version}"}
        if kind:
            headers["Content-Type"] = TYPE + kind + "+xml"
        return self.send(method, path, body, headers)

    def admin(self, path, method="GET", body=None):
        connection = http.client.HTTPConnection(self.admin_url[len("http://"):], timeout=15)
        try:
            connection.request(method, path, None if body is None else json.dumps(body))
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()

    def wait(self, href, user=None):
        """The task's end: its status and its error text."""
        end = time.monotonic() + 10
        while time.monotonic() < end:
            task = self.call(user or "svc-cse@System", "GET", href).xml
            if task.get("status") in ("success", "error"):
                error = task.find(V + "Error")
                return task.get("status"), None if error is None else error.get("message")
            time.sleep(0.05)
        raise AssertionError("the task does not end")

    # What most tests need.

    def vdc(self):
        found = self.call("alice@tenant1", "GET", "/api/query?type=orgVdc&filter=name==tenant1-vdc")
        return self.call("alice@tenant1", "GET", found.xml.find(V + "OrgVdcRecord").get("href")).xml

    def template_vm(self):
        item = self.call("svc-cse@System", "GET", "/api/query?type=adminCatalogItem").xml[0]
        template = self.call("alice@tenant1", "GET", item.get("entity")).xml
        return next(template.iter(V + "Vm")).get("href")

    def item(self, name, mode="POOL", policy=None):
        policy = "" if policy is None else (
            '<ComputePolicy><VmSizingPolicy href="https://x/cloudapi/1.0.0/vdcComputePolicies/'
            f'urn:vcloud:vdcComputePolicy:{policy}"/></ComputePolicy>')
        return f"""<SourcedItem><Source href="{self.template_vm()}"/>
            <VmGeneralParams><Name>{name}</Name><NeedsCustomization>true</NeedsCustomization></VmGeneralParams>
            <InstantiationParams><NetworkConnectionSection><ovf:Info/>
              <NetworkConnection network="{NETWORK}"><NetworkConnectionIndex>0</NetworkConnectionIndex>
              <IsConnected>true</IsConnected><IpAddressAllocationMode>{mode}</IpAddressAllocationMode>
              </NetworkConnection></NetworkConnectionSection></InstantiationParams>{policy}</SourcedItem>"""

    def compose(self, name, *items, user="alice@tenant1", extra=""):
        vdc = self.vdc()
        network = next(n for n in vdc.iter(V + "Network") if n.get("name") == NETWORK)
        body = f"""<ComposeVAppParams {OPENING} name="{name}" deploy="false" powerOn="false">
            <InstantiationParams><NetworkConfigSection><ovf:Info/><NetworkConfig networkName="{NETWORK}">
            <Configuration><ParentNetwork href="{network.get('href')}"/><FenceMode>bridged</FenceMode>
            </Configuration></NetworkConfig></NetworkConfigSection></InstantiationParams>
            {extra}{"".join(items)}</ComposeVAppParams>"""
        return self.call(user, "POST", vdc.get("href") + "/action/composeVApp", body, "composeVAppParams")

    def made(self, name, *items):
        """A composed vApp, its clone ended: href and hrefs of its VMs by name."""
        answer = self.compose(name, *items)
        assert answer.status == 201, answer.body
        task = answer.xml.find(f"{V}Tasks/{V}Task")
        assert self.wait(task.get("href")) == ("success", None)
        vapp = self.call("alice@tenant1", "GET", answer.headers["location"]).xml
        return vapp.get("href"), {vm.get("name"): vm.get("href") for vm in vapp.iter(V + "Vm")}

    def delete(self, vapp):
        answer = self.call("alice@tenant1", "DELETE", vapp + "?force=True&recursive=False")
        assert answer.status == 202, answer.body
        assert self.wait(answer.headers["location"]) == ("success", None)


@pytest.fixture(scope="module")
def sim(tmp_path_factory):
    simulator = Simulator(tmp_path_factory.mktemp("vcdsim") / "dir")
    yield simulator
    simulator.stop()


def test_versions_need_no_login(sim):
    answer = sim.send("GET", "/api/versions")
    assert answer.status == 200
    versions = [v.text for v in answer.xml.iter("{http://www.vmware.com/vcloud/versions}Version")]
    assert "35.0" in versions and "36.0" not in versions
    assert email.utils.parsedate_to_datetime(answer.headers["date"])


@pytest.mark.parametrize("user, password, status", [
    ("alice@tenant1", None, 200), ("alice@tenant1", "wrong", 401), ("alice@tenant2", None, 401),
    ("svc-cse@System", None, 200)])
def test_login(sim, user, password, status):
    answer = sim.login(user, password)
    assert answer.status == status
    if status == 200:
        assert len(answer.headers["x-vmware-vcloud-access-token"]) > 1024
        assert json.loads(answer.body)["user"]["name"] == user.split("@")[0]


def test_login_on_the_wrong_path_is_refused(sim):
    basic = base64.b64encode(b"svc-cse@System:svc-password").decode()
    headers = {"Authorization": "Basic " + basic, "Accept": "application/json;version=35.0"}
    assert sim.send("POST", "/cloudapi/1.0.0/sessions", headers=headers).status == 401
    assert sim.send("POST", "/cloudapi/1.0.0/sessions/provider", headers=headers).status == 200


def test_logout_kills_every_copy_of_the_token(sim):
    token = sim.login("bob@tenant1").headers["x-vmware-vcloud-access-token"]
    headers = {"Authorization": "Bearer " + token, "Accept": "application/*+xml;version=35.0"}
    assert sim.send("GET", "/api/session", headers=headers).status == 200
    assert sim.send("DELETE", "/api/session", headers=headers).status == 204
    assert sim.send("GET", "/api/session", headers=headers).status == 401


@pytest.mark.parametrize("accept, status", [
    ("application/*+xml;version=35.0", 200), ("application/*+xml;version=35.2", 200),
    ("application/*+xml;version=36.0", 406), ("application/*+xml", 406), (None, 406)])
def test_accept_must_name_a_version(sim, accept, status):
    headers = {"Authorization": "Bearer " + sim.token("alice@tenant1")}
    if accept:
        headers["Accept"] = accept
    answer = sim.send("GET", "/api/session", headers=headers)
    assert answer.status == status
    if status == 200:
        assert answer.headers["content-type"].endswith(accept[len("application/*+xml"):])


def test_a_tenant_context_of_a_urn_is_401(sim):
    headers = {"Authorization": "Bearer " + sim.token("administrator@System"),
               "Accept": "application/json;version=35.0",
               "X-VMWARE-VCLOUD-TENANT-CONTEXT": "urn:vcloud:org:" + TENANT1}
    assert sim.send("GET", "/cloudapi/1.0.0/sessions/current", headers=headers).status == 401


def test_idle_sessions_expire(tmp_path):
    simulator = Simulator(tmp_path / "dir", session_idle_ms=300)
    try:
        token = simulator.token("alice@tenant1")
        assert simulator.call("alice@tenant1", "GET", "/api/session").status == 200
        time.sleep(0.5)
        assert simulator.call("alice@tenant1", "GET", "/api/session").status == 401
        assert simulator.login("alice@tenant1").headers["x-vmware-vcloud-access-token"] != token
    finally:
        simulator.stop()


def test_admin_types_are_for_the_provider(sim):
    assert sim.call("alice@tenant1", "GET", "/api/query?type=adminVApp").status == 403
    assert sim.call("svc-cse@System", "GET", "/api/query?type=adminVApp").status == 200
    assert sim.call("alice@tenant1", "GET", "/api/query?type=adminOrgVdc").minor == \
        "ACCESS_TO_RESOURCE_IS_FORBIDDEN"
    assert len(sim.call("alice@tenant1", "GET", "/api/query?type=catalog").xml) == 0
    assert len(sim.call("svc-cse@System", "GET", "/api/query?type=adminCatalog").xml) == 1


def test_query_filters_and_pages(sim):
    def users(query):
        answer = sim.call("svc-cse@System", "GET", "/api/query?type=adminUser&" + query)
        assert answer.status == 200, answer.body
        return [u.get("name") for u in answer.xml.iter(V + "AdminUserRecord")], answer.xml

    org = urllib.parse.quote(f"(name==alice,name==bob);org==urn:vcloud:org:{TENANT1}")
    assert users(f"filter={org}&sortAsc=name")[0] == ["alice", "bob"]
    assert users("filter=name==al*&format=idrecords")[1][0].get("id").startswith("urn:vcloud:user:")
    assert users("filter=name==" + urllib.parse.quote("a\\,b\\(c\\)"))[0] == []
    names, page = users("pageSize=4&sortAsc=name")
    assert (len(names), page.get("total")) == (4, "6")
    link = page.find(f"{V}Link[@rel='nextPage']").get("href")
    rest = sim.call("svc-cse@System", "GET", link).xml
    assert [u.get("name") for u in rest.iter(V + "AdminUserRecord")] == ["dave", "svc-cse"]
    assert rest.find(f"{V}Link[@rel='nextPage']") is None
    assert sim.call("svc-cse@System", "GET", "/api/query?type=adminUser&filter=colour==red").status == 400
    assert sim.call("svc-cse@System", "GET", "/api/query?type=adminUser&filter=name=red").status == 400
    assert sim.call("svc-cse@System", "GET", "/api/query?type=adminuser").status == 400


def test_what_is_not_visible_is_403(sim):
    vapp, _ = sim.made("hidden")
    for user in ("dave@tenant2", "carol@tenant1"):
        answer = sim.call(user, "GET", vapp)
        assert (answer.status, answer.minor) == (403, "ACCESS_TO_RESOURCE_IS_FORBIDDEN")
    unknown = sim.call("alice@tenant1", "GET", "/api/vApp/vapp-" + TENANT1)
    assert unknown.status == 403 and "com.vmware.vcloud.entity.vapp:" in unknown.message
    assert sim.call("dave@tenant2", "GET", f"/api/org/{TENANT1}").status == 403
    assert sim.call("alice@tenant1", "GET", "/api/nothing/here").status == 404
    sim.delete(vapp)


def test_rights_are_checked_per_call(sim):
    assert sim.compose("bobs", user="bob@tenant1").status == 403
    assert sim.call("alice@tenant1", "POST", f"/api/tasksList/{TENANT1}").status == 403


def test_compose_is_asynchronous_and_locks(sim):
    before = sim.admin("/state")
    answer = sim.compose("locked", sim.item("mstr-a"))
    assert answer.status == 201 and answer.xml.get("status") == "0"
    href, task = answer.headers["location"], answer.xml.find(f"{V}Tasks/{V}Task").get("href")
    busy = sim.call("alice@tenant1", "POST", href + "/power/action/powerOn")
    assert (busy.status, busy.minor) == (400, "BUSY_ENTITY")
    assert "is busy completing an operation VDC_COMPOSE_VAPP" in busy.message
    rels = {link.get("rel") for link in sim.call("alice@tenant1", "GET", href).xml.findall(V + "Link")}
    assert not rels & {"recompose", "remove", "power:powerOn"}
    assert sim.wait(task) == ("success", None)
    vapp = sim.call("alice@tenant1", "GET", href).xml
    assert vapp.get("status") == "8" and vapp.find(V + "Tasks") is None
    assert next(vapp.iter(V + "IpAddress")).text == "127.50.0.10"
    assert {"recompose", "remove", "power:powerOn"} <= {link.get("rel") for link in vapp.findall(V + "Link")}
    sim.delete(href)
    assert sim.admin("/state") == before


def test_names_are_unique(sim):
    vapp, _ = sim.made("twin", sim.item("mstr-a"))
    assert sim.compose("twin").minor == "DUPLICATE_NAME"
    body = f"<RecomposeVAppParams {OPENING} deploy='false' powerOn='false'>{sim.item('mstr-a')}</RecomposeVAppParams>"
    answer = sim.call("alice@tenant1", "POST", vapp + "/action/recomposeVApp", body, "recomposeVAppParams")
    assert answer.status == 400 and 'There is already a VM named "mstr-a".' in answer.message
    sim.delete(vapp)


def test_pools_and_policies_fail_in_the_task(sim):
    answer = sim.compose("poor", sim.item("mstr-a", policy="0c000000-0000-4000-8000-000000000077"))
    status, message = sim.wait(answer.xml.find(f"{V}Tasks/{V}Task").get("href"))
    assert status == "error" and "throwPolicyNotAvailableException" in message
    assert sim.call("alice@tenant1", "GET", answer.headers["location"]).xml.get("status") == "-1"
    sim.delete(answer.headers["location"])
    answer = sim.compose("big", *[sim.item(f"node-{i}") for i in range(91)])
    status, message = sim.wait(answer.xml.find(f"{V}Tasks/{V}Task").get("href"))
    assert status == "error" and "no more IP addresses" in message
    sim.delete(answer.headers["location"])
    assert sim.admin("/state")[1]["pool_addresses"] == []


def test_recompose_adds_and_removes(sim):
    vapp, vms = sim.made("grow", sim.item("mstr-a"))
    body = f"""<RecomposeVAppParams {OPENING} deploy="false" powerOn="false">{sim.item('node-b')}
        <DeleteItem href="{vms['mstr-a']}"/></RecomposeVAppParams>"""
    answer = sim.call("alice@tenant1", "POST", vapp + "/action/recomposeVApp", body, "recomposeVAppParams")
    assert answer.status == 202 and sim.wait(answer.headers["location"]) == ("success", None)
    children = sim.call("alice@tenant1", "GET", vapp).xml.iter(V + "Vm")
    assert [vm.get("name") for vm in children] == ["node-b"]
    sim.delete(vapp)


def test_power_and_deletion_rules(sim):
    vapp, vms = sim.made("power", sim.item("mstr-a", "NONE"))
    undeploy = f"<UndeployVAppParams {OPENING}><UndeployPowerAction>powerOff</UndeployPowerAction></UndeployVAppParams>"
    vm = vms["mstr-a"]
    not_running = sim.call("alice@tenant1", "POST", vapp + "/action/undeploy", undeploy, "undeployVAppParams")
    assert not_running.status == 400 and "is not running" in not_running.message
    answer = sim.call("alice@tenant1", "POST", vm + "/power/action/powerOn")
    assert sim.wait(answer.headers["location"]) == ("success", None)
    assert sim.call("alice@tenant1", "GET", vapp).xml.get("deployed") == "true"
    assert "Stop the vApp and try again" in sim.call("alice@tenant1", "DELETE", vapp).message
    answer = sim.call("alice@tenant1", "POST", vm + "/power/action/powerOff")
    assert sim.wait(answer.headers["location"]) == ("success", None)
    # Off is not undeployed: the VM still cannot be removed.
    assert sim.call("alice@tenant1", "DELETE", vm).status == 400
    answer = sim.call("alice@tenant1", "POST", vm + "/action/undeploy", undeploy, "undeployVAppParams")
    assert sim.wait(answer.headers["location"]) == ("success", None)
    answer = sim.call("alice@tenant1", "DELETE", vm)
    assert answer.status == 202 and sim.wait(answer.headers["location"]) == ("success", None)
    sim.delete(vapp)
    assert sim.admin("/state")[1]["guest_processes"] == 0


def test_imposed_time_is_itemised(sim):
    sim.admin("/calls/reset", "POST")
    vapp, vms = sim.made("timed", sim.item("mstr-a"), sim.item("node-b"))
    for vm in vms.values():
        answer = sim.call("alice@tenant1", "POST", vm + "/power/action/powerOn")
        assert sim.wait(answer.headers["location"]) == ("success", None)
    path = sim.admin("/path")[1]
    assert (path["items"]["clone"], path["items"]["extra_latency"]) == (400, 5000)
    assert path["items"]["boot"] >= 300 and path["total_ms"] == sum(path["items"].values())
    sim.delete(vapp)


def test_metadata_domains(sim):
    vapp, _ = sim.made("meta")

    def entry(domain, visibility, key):
        return (f'<MetadataEntry><Domain visibility="{visibility}">{domain}</Domain><Key>{key}</Key>'
                '<TypedValue xsi:type="MetadataStringValue"><Value>v</Value></TypedValue></MetadataEntry>')

    def write(user, *entries):
        return sim.call(user, "POST", vapp + "/metadata", f"<Metadata {OPENING}>{''.join(entries)}</Metadata>",
                        "metadata")

    def keys(user):
        return [k.text for k in sim.call(user, "GET", vapp + "/metadata").xml.iter(V + "Key")]

    assert write("alice@tenant1", entry("SYSTEM", "READONLY", "cse.cluster.id")).status == 403
    assert write("svc-cse@System", entry("GENERAL", "PRIVATE", "x")).status == 400
    answer = write("svc-cse@System", entry("SYSTEM", "READONLY", "cse.cluster.id"),
                   entry("SYSTEM", "PRIVATE", "cse.edge"), entry("GENERAL", "READWRITE", "g"))
    assert answer.status == 202
    assert write("svc-cse@System", entry("GENERAL", "READWRITE", "h")).minor == "BUSY_ENTITY"
    assert keys("svc-cse@System") == []
    assert sim.wait(answer.headers["location"]) == ("success", None)
    assert sorted(keys("svc-cse@System")) == ["cse.cluster.id", "cse.edge", "g"]
    assert sorted(keys("alice@tenant1")) == ["cse.cluster.id", "g"]
    assert sim.call("alice@tenant1", "GET", vapp + "/metadata/SYSTEM/cse.cluster.id").status == 200
    assert sim.call("alice@tenant1", "GET", vapp + "/metadata/cse.cluster.id").status == 403
    assert sim.call("alice@tenant1", "DELETE", vapp + "/metadata/SYSTEM/cse.cluster.id").status == 403
    found = sim.call("svc-cse@System", "GET", "/api/query?type=adminVApp&filter=" + urllib.parse.quote(
        "metadata@SYSTEM:cse.cluster.id==STRING:v"))
    assert found.xml[0].get("name") == "meta"
    sim.delete(vapp)


def test_extra_config_needs_its_right(sim):
    vapp, vms = sim.made("extra", sim.item("mstr-a"))
    vm = vms["mstr-a"]

    def write(user, *pairs):
        keys = "".join(f'<vmw:ExtraConfig vmw:key="{k}" vmw:value="{v}"/>' for k, v in pairs)
        return sim.call(user, "POST", vm + "/action/reconfigureVm", f"""<Vm {OPENING} name="mstr-a">
            <ovf:VirtualHardwareSection><ovf:Info/>{keys}</ovf:VirtualHardwareSection></Vm>""", "vm")

    def shown(user):
        found = sim.call(user, "GET", vm).xml.iter("{http://www.vmware.com/schema/ovf}ExtraConfig")
        return {e.get("{http://www.vmware.com/schema/ovf}key"):
                e.get("{http://www.vmware.com/schema/ovf}value") for e in found}

    assert write("alice@tenant1", ("guestinfo.a", "1")).status == 403
    assert write("svc-cse@System", ("guest info", "1")).status == 400
    for pairs, left in [((("guestinfo.a", "1"), ("guestinfo.b", "2")),
                         {"guestinfo.a": "1", "guestinfo.b": "2"}),
                        ((("guestinfo.b", ""), ("guestinfo.c", "3")),
                         {"guestinfo.a": "1", "guestinfo.c": "3"})]:
        answer = write("svc-cse@System", *pairs)
        assert answer.status == 202 and sim.wait(answer.headers["location"]) == ("success", None)
        assert shown("svc-cse@System") == left
    assert shown("alice@tenant1") == {}
    sim.delete(vapp)


def test_leases(sim):
    lease = ("<InstantiationParams><LeaseSettingsSection><ovf:Info/><DeploymentLeaseInSeconds>0"
             "</DeploymentLeaseInSeconds></LeaseSettingsSection></InstantiationParams>")
    refused = sim.compose("twice", extra=lease)
    assert refused.status == 400 and "InstantiationParams" in refused.message
    vapp, _ = sim.made("leased")
    section = sim.call("alice@tenant1", "GET", vapp + "/leaseSettingsSection/").xml
    assert section.find(V + "StorageLeaseInSeconds").text != "0"
    body = f"""<LeaseSettingsSection {OPENING}><ovf:Info/><DeploymentLeaseInSeconds>0</DeploymentLeaseInSeconds>
        <StorageLeaseInSeconds>0</StorageLeaseInSeconds></LeaseSettingsSection>"""
    answer = sim.call("alice@tenant1", "PUT", vapp + "/leaseSettingsSection/", body, "leaseSettingsSection")
    assert answer.status == 202 and sim.wait(answer.headers["location"]) == ("success", None)
    section = sim.call("alice@tenant1", "GET", vapp + "/leaseSettingsSection/").xml
    assert section.find(V + "StorageLeaseInSeconds").text == "0"
    sim.delete(vapp)


@pytest.mark.parametrize("body, kind, status, text", [
    ("<nonsense", "composeVAppParams", 400, "JAXB"),
    (f"<ComposeVAppParams {OPENING} name='x'><AllEULAsAccepted>true</AllEULAsAccepted><Description/>"
     "</ComposeVAppParams>", "composeVAppParams", 400, "cvc-complex-type.2.4.d"),
    (f"<ComposeVAppParams {OPENING} name='x'/>", "recomposeVAppParams", 415, "not supported"),
    (f"<Metadata {OPENING}/>", "metadata", 400, "ComposeVAppParams"),
    (f"<ComposeVAppParams {OPENING} name='x'><Description>{'y' * 530000}</Description></ComposeVAppParams>",
     "composeVAppParams", 400, "larger"),
    (f"<Metadata {OPENING}>" + "<Link/>" * 4100 + "</Metadata>", "metadata", 400, "4096"),
])
def test_bodies_are_checked(sim, body, kind, status, text):
    path = sim.vdc().get("href") + "/action/composeVApp"
    answer = sim.call("alice@tenant1", "POST", path, body, kind)
    assert answer.status == status and text in answer.message


def task_body(status="running", details="d", space="vcloud.cse"):
    return f"""<Task {OPENING} name="task" status="{status}" operation="Creating" operationName="cluster operation"
        serviceNamespace="{space}"><Owner href="https://x/api/org/{TENANT1}" name="tenant1"/>
        <User href="https://x/api/admin/user/7" name="alice"/><Progress>5</Progress>
        <Details>{details}</Details></Task>"""


def test_external_tasks_live_as_they_are_put(sim):
    path = f"/api/tasksList/{TENANT1}"
    assert sim.call("svc-cse@System", "POST", path, task_body(space="com.vmware.vcloud.x"), "task").status == 400
    answer = sim.call("svc-cse@System", "POST", path, task_body(), "task")
    task = answer.xml
    assert answer.status == 200
    assert task.find(V + "Organization").get("name") == "tenant1" and task.get("startTime")
    href = task.get("href")
    assert sim.call("alice@tenant1", "GET", href).xml.find(V + "Details").text == "d"
    assert sim.call("alice@tenant1", "PUT", href, task_body(), "task").status == 403
    assert sim.call("dave@tenant2", "GET", href).status == 403
    assert sim.call("alice@tenant1", "POST", href + "/action/cancel").status == 204
    assert sim.call("svc-cse@System", "GET", href).xml.get("cancelRequested") == "true"
    assert sim.call("svc-cse@System", "PUT", href, task_body("flying"), "task").status == 400
    ended = sim.call("svc-cse@System", "PUT", href, task_body("success", "e"), "task")
    assert ended.status == 200 and ended.xml.get("endTime")
    assert sim.call("svc-cse@System", "PUT", href, task_body(), "task").status == 400
    found = sim.call("svc-cse@System", "GET", "/api/query?type=adminTask&filter="
                     "serviceNamespace==vcloud.cse;status==success")
    assert found.xml[0].get("href") == href


def test_prefixes_may_vary(sim):
    sim.admin("/options", "POST", {"ns_prefix": 1})
    try:
        answer = sim.call("alice@tenant1", "GET", "/api/session")
        assert answer.body.count("<ns2:Session") == 1
        assert answer.xml.tag == V + "Session" and answer.xml.get("user") == "alice"
    finally:
        sim.admin("/options", "POST", {"ns_prefix": 0})


def test_faults_and_counts(sim):
    assert sim.admin("/calls/reset", "POST")[0] == 200
    assert sim.admin("/faults", "POST", {"colour": "red"})[0] == 400
    sim.admin("/faults", "POST", {"method": "GET", "path_prefix": "/api/session", "nth": 2, "status": 503,
                                  "minor": "BUSY_ENTITY", "message": "later"})
    answers = [sim.call("alice@tenant1", "GET", "/api/session") for _ in range(3)]
    assert [a.status for a in answers] == [200, 503, 200]
    assert answers[1].minor == "BUSY_ENTITY"
    sim.admin("/faults", "POST", {"method": "POST", "path_prefix": "/api/tasksList", "status": 500,
                                  "after_effect": True})
    before = len(sim.admin("/tasks")[1])
    assert sim.call("svc-cse@System", "POST", f"/api/tasksList/{TENANT1}", task_body(), "task").status == 500
    assert len(sim.admin("/tasks")[1]) == before + 1
    sim.admin("/faults", "POST", {"path_prefix": "/api/org", "reset": True})
    with pytest.raises((http.client.HTTPException, OSError)):
        sim.call("alice@tenant1", "GET", "/api/org")
    sim.admin("/faults", "POST", {"path_prefix": "/api/org", "delay_ms": 300})
    start = time.monotonic()
    assert sim.call("alice@tenant1", "GET", "/api/org").status == 200
    assert time.monotonic() - start >= 0.3
    sim.admin("/faults", "DELETE")
    calls = sim.admin("/calls")[1]
    assert calls["counts"]["GET /api/session"] == 3
    assert calls["log"][0]["user"] == "alice@tenant1"


def in_background(call):
    """Starts a call; what it returned or raised stands in the list once the thread has ended."""
    result = []

    def run():
        try:
            result.append(call())
        except (http.client.HTTPException, OSError) as error:
            result.append(error)
    thread = threading.Thread(target=run)
    thread.start()
    return thread, result


def held(sim, count=1):
    """The held calls, once there are so many."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        calls = [call for fault in sim.admin("/faults")[1] for call in fault["held"]]
        if len(calls) == count:
            return calls
        time.sleep(0.02)
    raise AssertionError("no call is held")


def post_task(sim):
    return sim.call("svc-cse@System", "POST", f"/api/tasksList/{TENANT1}", task_body(), "task")


def task_count(sim):
    return len(sim.admin("/tasks")[1])


@pytest.mark.parametrize("when, then, made, status", [
    ("before", {}, 1, 200), ("after", {}, 1, 200), ("before", {"drop": True}, 0, None),
    ("after", {"drop": True}, 1, None)])
def test_calls_can_be_held(sim, when, then, made, status):
    assert sim.admin("/faults", "POST", {"hold": "sometimes"})[0] == 400
    before = task_count(sim)
    sim.token("svc-cse@System")
    sim.admin("/faults", "POST", {"path_prefix": "/api/tasksList", "hold": when})
    thread, result = in_background(lambda: post_task(sim))
    assert held(sim) == [{"method": "POST", "path": f"/api/tasksList/{TENANT1}", "agent": ""}]
    assert task_count(sim) == before + (when == "after")
    assert sim.admin("/faults/release", "POST", then) == (200, {"released": 1})
    thread.join(10)
    assert task_count(sim) == before + made
    assert getattr(result[0], "status", None) == status
    assert [(f["seen"], f["hits"], f["held"]) for f in sim.admin("/faults")[1]] == [(1, 1, [])]
    assert post_task(sim).status == 200
    sim.admin("/faults", "DELETE")


def test_held_calls_are_released_one_by_one(sim):
    before = task_count(sim)
    sim.token("svc-cse@System")
    sim.admin("/faults", "POST", {"path_prefix": "/api/tasksList", "hold": "before", "times": 0})

    def post(details):
        return sim.call("svc-cse@System", "POST", f"/api/tasksList/{TENANT1}", task_body(details=details), "task")
    threads = [in_background(lambda text=text: post(text))[0] for text in ("first", "second")]
    held(sim, 2)
    for which, released, left in (({"path_prefix": "/api/vApp"}, 0, 2), ({"body": "second"}, 1, 1),
                                  ({"path_prefix": "/api/tasksList"}, 1, 0)):
        assert sim.admin("/faults/release", "POST", which) == (200, {"released": released})
        held(sim, left)
        for thread in threads[left:]:
            thread.join(10)
        assert task_count(sim) == before + 2 - left
    sim.admin("/faults", "DELETE")


def test_dropping_the_faults_releases(sim):
    sim.token("svc-cse@System")
    sim.admin("/faults", "POST", {"path_prefix": "/api/tasksList", "hold": "before", "times": 0})
    threads = [in_background(lambda: post_task(sim)) for _ in range(2)]
    held(sim, 2)
    sim.admin("/faults", "DELETE")
    for thread, result in threads:
        thread.join(10)
        assert result[0].status == 200


def test_faults_may_mean_writes_only(sim):
    sim.admin("/faults", "POST", {"writes": True, "status": 503, "times": 0})
    assert sim.login("alice@tenant1").status == 200
    assert sim.call("alice@tenant1", "GET", "/api/session").status == 200
    assert post_task(sim).status == 503
    sim.admin("/faults", "DELETE")


def test_tasks_fail_when_ordered(sim):
    before = sim.admin("/state")
    sim.admin("/faults", "POST", {"writes": True, "task_error": "the storage is gone"})
    answer = sim.compose("unlucky", sim.item("mstr-a"))
    assert answer.status == 201
    assert sim.wait(answer.xml.find(f"{V}Tasks/{V}Task").get("href")) == ("error", "the storage is gone")
    vapp = sim.call("alice@tenant1", "GET", answer.headers["location"]).xml
    assert vapp.get("status") == "-1" and next(vapp.iter(V + "IpAddress"), None) is None
    sim.admin("/faults", "POST", {"writes": True, "task_error": "still there"})
    gone = sim.call("alice@tenant1", "DELETE", answer.headers["location"] + "?force=True&recursive=False")
    assert sim.wait(gone.headers["location"]) == ("error", "still there")
    sim.admin("/faults", "DELETE")
    sim.delete(answer.headers["location"])
    assert sim.admin("/state") == before


def test_the_clock_may_be_ahead(sim):
    def date(answer):
        return email.utils.parsedate_to_datetime(answer.headers["date"]).timestamp()

    assert abs(date(post_task(sim)) - time.time()) < 60
    sim.admin("/options", "POST", {"clock_ahead_s": 7200})
    try:
        answer = post_task(sim)
        assert abs(date(answer) - time.time() - 7200) < 60
        started = datetime.datetime.fromisoformat(answer.xml.get("startTime").replace("Z", "+00:00"))
        assert abs(started.timestamp() - time.time() - 7200) < 60
    finally:
        sim.admin("/options", "POST", {"clock_ahead_s": 0})
