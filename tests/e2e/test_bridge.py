# SPDX-License-Identifier: MIT
"""The simulator as VCD's side of an extension, against a consumer of the test's own."""
import base64
import json
import queue
import threading
import time

import pytest

from cloud import Simulator
from tenant import Tenant

LIMIT_S = 1.0


class Extension:
    """Consumes the queue and answers as `answer` says: a function from the message to a reply or None."""

    def __init__(self, broker):
        self.broker, self.messages = broker, queue.Queue()
        self.answer = lambda request: self.reply(request, 200, {"message": "ok"})
        self.connection = broker.connect()
        self.channel = self.connection.channel()
        self.channel.queue_declare("cse", exclusive=True)
        self.channel.queue_bind("cse", "cse-ext", "cse")
        self.channel.basic_consume("cse", self.take, auto_ack=True)
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        self.channel.start_consuming()

    def stop(self):
        self.connection.add_callback_threadsafe(self.channel.stop_consuming)
        self.thread.join()
        self.connection.close()

    @staticmethod
    def reply(request, status, body, headers=None):
        data = json.dumps(body, ensure_ascii=False).encode()
        return {"id": request["id"], "statusCode": status, "request": False,
                "headers": {"Content-Type": "application/json", "Content-Length": len(data),
                            **(headers or {})},
                "body": base64.b64encode(data).decode()}

    def take(self, channel, _method, properties, body):
        message = json.loads(body)
        self.messages.put((properties, message))
        reply = self.answer(message[0])
        if reply is not None:
            channel.basic_publish(properties.headers["replyToExchange"], properties.reply_to,
                                  json.dumps(reply),
                                  type(properties)(correlation_id=properties.correlation_id))


@pytest.fixture(scope="module")
def vcd(broker, logs):
    folder = logs / "test_bridge"
    folder.mkdir()
    broker.forget_all()
    vcd = Simulator(folder, broker, {"reply_timeout_ms": int(LIMIT_S * 1000)})
    yield vcd
    assert vcd.stop() == 0
    vcd.check_reports()


@pytest.fixture
def tenant(vcd):
    return Tenant(vcd.url, vcd.ca_file, "alice@tenant1", "alice-password")


@pytest.fixture
def extension(broker, vcd):
    extension = Extension(broker)
    yield extension
    extension.stop()


def test_sends_what_vcd_sends(tenant, extension):
    answer = tenant.request("POST", "/api/cse/3.0/clusters?page=1&q=a%20b", {"kind": "nätive"})
    assert answer.status == 200
    properties, (request, context) = extension.messages.get(timeout=5)
    assert properties.headers["messageType"] == "ProcessHttpRequest"
    assert properties.correlation_id
    assert request["method"] == "POST"
    assert request["requestUri"] == "/api/cse/3.0/clusters"
    assert request["queryString"] == "page=1&q=a%20b"
    assert request["headers"]["Accept"] == "application/json;version=35.0"
    assert request["headers"]["Authorization"] == "Bearer " + tenant.token
    assert json.loads(base64.b64decode(request["body"])) == {"kind": "nätive"}
    assert request["request"] is True and request["isSecure"] is True
    assert isinstance(request["remotePort"], int)
    assert context["user"].startswith("urn:vcloud:user:")
    assert context["org"].startswith("urn:vcloud:org:")
    assert all(right.startswith("urn:vcloud:right:") for right in context["rights"])


def test_has_no_query_and_no_body(tenant, extension):
    assert tenant.request("GET", "/api/cse/system").status == 200
    _, (request, _) = extension.messages.get(timeout=5)
    assert request["queryString"] is None
    assert request["body"] == ""


def test_passes_the_reply_on(tenant, extension):
    extension.answer = lambda request: extension.reply(
        request, 202, {"name": "Größe"}, {"Location": "/api/task/1"})
    answer = tenant.request("GET", "/api/cse/system")
    assert answer.status == 202
    assert answer.json == {"name": "Größe"}
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Location"] == "/api/task/1"


def test_says_504_when_nobody_answers_in_time(tenant, extension):
    extension.answer = lambda request: None
    begin = time.monotonic()
    answer = tenant.request("GET", "/api/cse/system")
    assert LIMIT_S <= time.monotonic() - begin < LIMIT_S + 2
    assert answer.status == 504
    assert answer.xml.get("minorErrorCode") == "GATEWAY_TIMEOUT"
    assert answer.xml.get("message").endswith(
        "External service 'cse' failed to respond in the specified timeout (1 SECONDS)")


def test_drops_late_replies(tenant, extension):
    def late(request):
        if request["requestUri"].endswith("/late"):
            time.sleep(LIMIT_S + 0.2)
        return extension.reply(request, 200, {"uri": request["requestUri"]})

    extension.answer = late
    assert tenant.request("GET", "/api/cse/late").status == 504
    assert tenant.request("GET", "/api/cse/next").json == {"uri": "/api/cse/next"}


def test_does_not_ask_the_extension_without_a_token(vcd, extension):
    assert Tenant(vcd.url, vcd.ca_file).request("GET", "/api/cse/system").status == 401
    assert extension.messages.empty()


def test_delivers_twice_on_demand(vcd, tenant, extension):
    vcd.set_option(duplicate_requests=1)
    try:
        assert tenant.request("GET", "/api/cse/system").status == 200
        first, second = (extension.messages.get(timeout=5)[1][0] for _ in range(2))
    finally:
        vcd.set_option(duplicate_requests=0)
    assert first["id"] == second["id"]


def test_fails_without_the_exchange(broker, tenant):
    connection = broker.connect()
    channel = connection.channel()
    channel.exchange_delete("cse-ext")
    try:
        assert tenant.request("GET", "/api/cse/system").status == 500
    finally:
        channel.exchange_declare("cse-ext", "direct", durable=True)
        connection.close()
