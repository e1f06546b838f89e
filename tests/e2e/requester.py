# SPDX-License-Identifier: MIT
"""VCD's side of the request queue in a test's hands: any bytes, any properties."""
import base64
import json
import time
import uuid

import pika

REPLY_EXCHANGE = "test.replies"


def envelope(path="/api/cse/system", method="GET", token=None, body=b"", accept="35.0", **members):
    """The message VCD sends for a request; members replace parts of it, None removes one."""
    headers = {"Accept": f"application/json;version={accept}"}
    if token:
        headers["Authorization"] = "Bearer " + token
    http = {"id": str(uuid.uuid4()), "method": method, "requestUri": path, "queryString": None,
            "headers": headers, "body": base64.b64encode(body).decode(), "request": True}
    http.update(members)
    context = {"user": "urn:vcloud:user:0", "org": "urn:vcloud:org:0", "rights": []}
    return [{name: value for name, value in http.items() if value is not None}, context]


class Reply:
    def __init__(self, properties, body):
        self.correlation_id = properties.correlation_id
        self.message = json.loads(body)
        self.id, self.status = self.message["id"], self.message["statusCode"]
        self.json = json.loads(base64.b64decode(self.message["body"]))

    @property
    def text(self):
        return json.dumps(self.json)

    def __repr__(self):
        return f"<reply {self.status} {self.text[:300]}>"


class Requester:
    """Sends to the extension's exchange and takes the replies; a fresh connection, close() it."""

    def __init__(self, broker):
        self.connection = broker.connect()
        self.channel = self.connection.channel()
        self.channel.confirm_delivery()
        self.channel.exchange_declare(REPLY_EXCHANGE, "direct")
        self.queue = self.channel.queue_declare("", exclusive=True).method.queue
        self.channel.queue_bind(self.queue, REPLY_EXCHANGE, self.queue)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self.connection.is_open:
            self.connection.close()

    def send(self, body, reply_to="mine", exchange=REPLY_EXCHANGE, headers=None, correlation_id=None):
        """Body as JSON or as the bytes given; returns the correlation id."""
        correlation_id = correlation_id or str(uuid.uuid4())
        headers = {"messageType": "ProcessHttpRequest", **(headers or {})}
        if exchange is not None:
            headers["replyToExchange"] = exchange
        self.channel.basic_publish(
            "cse-ext", "cse", body if isinstance(body, bytes) else json.dumps(body).encode(),
            pika.BasicProperties(reply_to=self.queue if reply_to == "mine" else reply_to,
                                 correlation_id=correlation_id, headers=headers))
        return correlation_id

    def take(self, queue=None, limit_s=8):
        """The next message of a queue (properties, body), or None."""
        end = time.monotonic() + limit_s
        while True:
            method, properties, body = self.channel.basic_get(queue or self.queue, auto_ack=True)
            if method:
                return properties, body
            if time.monotonic() > end:
                return None
            time.sleep(0.02)

    def reply(self, limit_s=8):
        got = self.take(limit_s=limit_s)
        return Reply(*got) if got else None

    def ask(self, body, limit_s=8, **properties):
        """The reply to this message; others are an error."""
        correlation_id = self.send(body, **properties)
        reply = self.reply(limit_s)
        assert reply is None or reply.correlation_id == correlation_id, reply
        return reply
