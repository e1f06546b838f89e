# SPDX-License-Identifier: MIT
"""What the service account writes into VCD beside the worker: tasks as another program makes them."""
from tenant import XML_35

TASK = "application/vnd.vmware.vcloud.task+xml"


class Service:
    def __init__(self, account):
        """The account: a Tenant, svc-cse@System."""
        self.account = account
        orgs = self.account.request("GET", "/api/org", accept=XML_35).xml
        self.org = next(org.get("href") for org in orgs if org.get("name") == "tenant1")

    def make(self, details=None):
        """A running task of tenant1; its uuid."""
        return self._write("POST", "/api/tasksList/" + self.org.rsplit("/", 1)[1], "running", details)

    def put(self, uuid, status="running", details=None):
        return self._write("PUT", "/api/task/" + uuid, status, details)

    def _write(self, method, path, status, details):
        body = (f'<Task xmlns="http://www.vmware.com/vcloud/v1.5" name="task" status="{status}" operation="Work" '
                f'operationName="cluster operation" serviceNamespace="vcloud.cse"><Owner href="{self.org}"/>'
                f'{f"<Details>{details}</Details>" if details else ""}</Task>')
        answer = self.account.request(method, path, body.encode(), accept=XML_35, headers={"Content-Type": TASK})
        assert answer.status == 200, answer
        return answer.xml.get("href").rsplit("/", 1)[1]
