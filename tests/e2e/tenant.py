# SPDX-License-Identifier: MIT
"""A tenant of the cloud over HTTPS, certificate verified, with the standard library only."""
import base64
import json
import ssl
import time
import urllib.error
import urllib.request
import xml.etree.ElementTree as tree

JSON_35 = "application/json;version=35.0"
XML_35 = "application/*+xml;version=35.0"
VCLOUD = "{http://www.vmware.com/vcloud/v1.5}"
FINAL = ("success", "error", "aborted", "canceled")
ENTITY_TYPE = "urn:vcloud:type:cse:nativeCluster:1.0.0"


class Answer:
    """Status, headers and body of one response, whatever the status is."""

    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body) if self.body else {}

    @property
    def xml(self):
        return tree.fromstring(self.body)

    @property
    def problem(self):
        """Text of an error body, from the extension or from the cloud itself."""
        message = self.json.get("message")
        return message["error description"] if isinstance(message, dict) else message

    def __repr__(self):
        return f"<{self.status} {self.body[:400]!r}>"


class Tenant:
    def __init__(self, url, ca_file, user=None, password=None):
        self.url = url
        self.context = ssl.create_default_context(cafile=ca_file)
        self.token = None
        if user:
            self.login(user, password)

    def request(self, method, path, body=None, accept=JSON_35, headers=None):
        url = path if path.startswith("https:") else self.url + path
        request = urllib.request.Request(url, method=method)
        if body is not None:
            request.data = body if isinstance(body, bytes) else json.dumps(body).encode()
        if body is not None or method in ("PUT", "POST", "DELETE"):
            request.add_header("Content-Type", "application/json")
        if accept is not None:
            request.add_header("Accept", accept)
        if self.token:
            request.add_header("Authorization", "Bearer " + self.token)
        for name, value in (headers or {}).items():
            request.add_header(name, value)
        try:
            with urllib.request.urlopen(request, context=self.context, timeout=30) as response:
                return Answer(response.status, response.headers, response.read())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, error.headers, error.read())

    def login(self, user, password):
        basic = base64.b64encode(f"{user}:{password}".encode()).decode()
        path = "/cloudapi/1.0.0/sessions" + ("/provider" if user.endswith("@System") else "")
        answer = self.request("POST", path, headers={"Authorization": "Basic " + basic})
        assert answer.status == 200, answer
        self.token = answer.headers["X-VMWARE-VCLOUD-ACCESS-TOKEN"]
        assert self.token

    def switch_off(self, vapp_id):
        """As a user does it in VCD's UI; VCD's task is not waited for."""
        body = b'<UndeployVAppParams xmlns="http://www.vmware.com/vcloud/v1.5">' \
               b"<UndeployPowerAction>powerOff</UndeployPowerAction></UndeployVAppParams>"
        kind = {"Content-Type": "application/vnd.vmware.vcloud.undeployVAppParams+xml"}
        answer = self.request("POST", f"/api/vApp/vapp-{vapp_id}/action/undeploy", body, XML_35, kind)
        assert answer.status == 202, answer

    def task(self, href):
        answer = self.request("GET", "/api/task/" + href.rsplit("/", 1)[1], accept=XML_35)
        assert answer.status == 200, answer
        return Task(answer.xml)

    def wait(self, href, limit_s=120):
        """The finished task, with all (text, percent) pairs that were seen on the way."""
        seen, end = [], time.monotonic() + limit_s
        while True:
            task = self.task(href)
            step = (task.text, task.percent)
            if not seen or seen[-1] != step:
                seen.append(step)
            if task.status in FINAL:
                task.seen = seen
                return task
            assert time.monotonic() < end, f"task does not end: {seen}"
            time.sleep(0.1)

    def clusters(self, name=None):
        path = "/cloudapi/1.0.0/entities/types/cse/nativeCluster/1.0.0?page=1&pageSize=25"
        if name:
            path += "&filter=name==" + name
        answer = self.request("GET", path)
        assert answer.status == 200, answer
        return answer.json["values"]

    def entity(self, urn):
        answer = self.request("GET", "/cloudapi/1.0.0/entities/" + urn)
        return answer.json if answer.status == 200 else None


class Task:
    """What the CLI reads of a task."""

    def __init__(self, element):
        assert element.tag == VCLOUD + "Task", element.tag
        self.status = element.get("status")
        self.text = element.get("operation")
        self.operation_name = element.get("operationName")
        self.href = element.get("href")
        progress = element.find(VCLOUD + "Progress")
        self.percent = int(progress.text) if progress is not None else None
        error = element.find(VCLOUD + "Error")
        self.error = error.get("message") if error is not None else None
        details = element.find(VCLOUD + "Details")
        self.details = details.text if details is not None else None
        self.seen = []

    def __repr__(self):
        return f"<task {self.status} {self.text!r} error={self.error!r} seen={self.seen}>"
