# SPDX-License-Identifier: MIT
"""A broker in a test's hands: queues, delays, confirms, redelivery and dead letters as RabbitMQ has
them, and hooks to lose, copy, hold and look at every message.

Time: queues that dead-letter (the rungs between two passes) wait `scale` times what they were
declared with. All other times are as declared.
"""
import base64
import collections
import contextlib
import heapq
import itertools
import json
import os
import socket
import struct
import threading
import time

REQUEST_EXCHANGE, REPLY_EXCHANGE = "cse-ext", "vcd.replies"


class Message:
    """One message with its way through the broker."""

    numbers = itertools.count(1)

    def __init__(self, exchange, key, body, worker=None, **properties):
        self.number = next(self.numbers)
        self.exchange, self.key, self.body, self.worker = exchange, key, body, worker
        self.properties = {name: value for name, value in properties.items() if value is not None}
        self.deliveries = 0  # how often it came back without an acknowledgement
        self.expires = None
        self.delay_ms = 0  # how long it slept on its rung, unscaled
        self.delivered_to = []  # worker pids, in order

    @property
    def json(self):
        return json.loads(self.body)

    def copy(self):
        return Message(self.exchange, self.key, self.body, self.worker, **self.properties)

    def __repr__(self):
        return f"<message {self.number} {self.exchange!r} {self.key!r} {self.body[:300]!r}>"


class Queue:
    def __init__(self, name, arguments, owner=None):
        self.name, self.arguments, self.owner = name, arguments, owner
        self.ready = collections.deque()
        self.consumers = []  # connections, the next one first
        self.served = collections.Counter()  # when each worker got its last message
        self.held = False  # by a test


class Connection:
    """One worker thread's socket."""

    def __init__(self, broker, sock):
        self.broker, self.sock = broker, sock
        self.pid = struct.unpack("3i", sock.getsockopt(
            socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))[0]
        self.name = ""
        self.tags = itertools.count(1)
        self.held = None  # (tag, queue, message)
        self.queue = None
        self.open = True

    def send(self, frame):
        text = json.dumps(frame).encode()
        try:
            self.sock.sendall(struct.pack(">I", len(text)) + text)
        except OSError:
            pass  # its reader notices

    def read(self, size):
        data = b""
        while len(data) < size:
            part = self.sock.recv(size - len(data))
            if not part:
                return None
            data += part
        return data

    def serve(self):
        try:
            while True:
                head = self.read(4)
                text = self.read(struct.unpack(">I", head)[0]) if head else None
                if text is None:
                    break
                self.broker.take(self, json.loads(text))
        except OSError:
            pass
        self.broker.forget(self)

    def close(self):
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


class Refused(Exception):
    def __init__(self, error, text):
        super().__init__(text)
        self.error, self.text = error, text


class Dropped(Exception):
    """The connection dies instead of an answer."""


class Broker:
    """Everything a test may ask is below "for tests"; all of it is thread-safe."""

    def __init__(self, path, scale=1.0):
        self.path, self.scale = str(path), scale
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.queues = {}
        self.exchanges = {REQUEST_EXCHANGE: "direct", REPLY_EXCHANGE: "direct"}
        self.bindings = {}  # (exchange, key) -> queue
        self.connections = []
        self.delayed = []  # heap of (when, number, queue, message)
        self.published, self.events, self.replies = [], [], []
        self.on_publish = None
        self.on_deliver = None
        self.blocked = False
        self.leader_allowed = True
        self.running = True
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen(64)
        for target in (self._accept, self._run_clock):
            threading.Thread(target=target, daemon=True).start()

    # ---- for tests ----

    def request(self, body, **properties):
        """Publishes a request as VCD does; the reply is to be awaited by its correlation id."""
        with self.lock:
            queue = self.bindings.get((REQUEST_EXCHANGE, "cse"))
            message = Message(REQUEST_EXCHANGE, "cse", body, **properties)
            if queue:
                self._enqueue(queue, message)
            return message

    def await_reply(self, correlation, limit_s=10, count=1):
        """Bodies of the replies with that correlation id, once there are `count`; fewer after limit_s."""
        def found():
            return [r for r in self.replies if r.properties.get("correlation_id") == correlation]
        with self.changed:
            self.changed.wait_for(lambda: len(found()) >= count, limit_s)
            return found()

    def hold(self, *names):
        """Delivers nothing from these queues until released."""
        with self.lock:
            for name in names:
                self.queues[name].held = True

    def release(self, *names):
        with self.lock:
            for name in names or list(self.queues):
                self.queues[name].held = False
                self._dispatch(self.queues[name])

    def lose_all(self):
        """Forgets every message that waits or sleeps (not those in a worker's hand); returns them."""
        with self.lock:
            lost = [message for _, _, _, message in self.delayed]
            self.delayed = []
            for name, queue in self.queues.items():
                if not name.endswith(".parked"):
                    lost += queue.ready
                    queue.ready.clear()
            return lost

    def put(self, name, message):
        """Enqueues a message a second time, or one of the test's own."""
        with self.lock:
            self._enqueue(name, message)

    def deliver_to_all(self, name, message):
        """Gives copies of one message to one idle consumer of each worker, at the same moment."""
        with self.lock:
            queue, used = self.queues[name], set()
            for connection in list(queue.consumers):
                if connection.held is None and connection.pid not in used:
                    used.add(connection.pid)
                    self._deliver(queue, connection, message.copy())
            return len(used)

    def cut(self, pid, name=""):
        """Closes the connections of a worker whose name contains that: what they held comes back."""
        with self.lock:
            gone = [c for c in self.connections if c.pid == pid and name in c.name]
            for connection in gone:
                self._op_cancel(connection, None)  # none takes over what another held
            for connection in gone:
                self._drop(connection)
        return len(gone)

    def set_blocked(self, blocked):
        """A memory alarm: publishing waits."""
        with self.lock:
            self.blocked = blocked
            for connection in self.connections:
                connection.send({"event": "blocked" if blocked else "unblocked"})

    def waiting(self, name):
        with self.lock:
            return list(self.queues[name].ready) if name in self.queues else []

    def parked(self):
        return self.waiting("cse.parked")

    def in_flight(self, name):
        """Messages of a queue that workers hold now."""
        with self.lock:
            return [c.held[2] for c in self.connections if c.held and c.held[1].name == name]

    def sleeping(self):
        with self.lock:
            return [message for _, _, _, message in sorted(self.delayed, key=lambda d: d[:2])]

    def is_quiet(self):
        """Nothing waits, sleeps or is in a worker's hand."""
        with self.lock:
            return (not self.delayed and not any(c.held for c in self.connections) and
                    not any(q.ready for n, q in self.queues.items() if not n.endswith(".parked")))

    def wait(self, question, limit_s=30, what="the broker"):
        """Waits until question() holds; it is asked with the lock held, after each change."""
        with self.changed:
            assert self.changed.wait_for(question, limit_s), f"waited {limit_s} s for {what}"

    def allow_leader(self, allowed):
        """Whether any worker may search for unfinished work (own the exclusive queue)."""
        with self.lock:
            self.leader_allowed = allowed
            for queue in [q for q in self.queues.values() if q.owner and not allowed]:
                self._drop(queue.owner)

    def leader(self, name="cse.resync.leader"):
        """Pid of the owner of an exclusive queue, or None."""
        with self.lock:
            queue = self.queues.get(name)
            return queue.owner.pid if queue else None

    def stop(self):
        with self.lock:
            self.running = False
            self.changed.notify_all()
            for connection in self.connections:
                connection.close()
        self.listener.close()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)

    # ---- sockets and clock ----

    def _accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            connection = Connection(self, sock)
            with self.lock:
                self.connections.append(connection)
            threading.Thread(target=connection.serve, daemon=True).start()

    def _run_clock(self):
        with self.changed:
            while self.running:
                now = time.monotonic()
                while self.delayed and self.delayed[0][0] <= now:
                    _, _, name, message = heapq.heappop(self.delayed)
                    if name in self.queues:
                        self._enqueue(name, message)
                self.changed.wait(self.delayed[0][0] - now if self.delayed else 0.5)

    # ---- queues; the lock is held ----

    def _enqueue(self, name, message, front=False):
        queue = self.queues[name]
        arguments = queue.arguments
        if arguments["ttl_ms"] and arguments.get("dead_letter_key") and not front:
            message.delay_ms = arguments["ttl_ms"]
            when = time.monotonic() + arguments["ttl_ms"] * self.scale / 1000
            heapq.heappush(self.delayed, (when, message.number, arguments["dead_letter_key"], message))
        else:
            if arguments["ttl_ms"] and message.expires is None:
                message.expires = time.monotonic() + arguments["ttl_ms"] / 1000
            (queue.ready.appendleft if front else queue.ready.append)(message)
            self._dispatch(queue)
        self.changed.notify_all()

    def _dispatch(self, queue):
        now = time.monotonic()
        while queue.ready and not queue.held:
            if queue.ready[0].expires is not None and queue.ready[0].expires < now:
                queue.ready.popleft()
                continue
            # Workers take turns, or all copies of a request would meet in one of them.
            free = min((c for c in queue.consumers if c.held is None),
                       key=lambda c: queue.served[c.pid], default=None)
            if free is None:
                return
            queue.served[free.pid] = queue.served.total() + 1
            queue.consumers.remove(free)
            queue.consumers.append(free)
            self._deliver(queue, free, queue.ready.popleft())

    def _deliver(self, queue, connection, message):
        tag = next(connection.tags)
        connection.held = (tag, queue, message)
        message.delivered_to.append(connection.pid)
        if self.on_deliver:
            self.on_deliver(message, connection)
        connection.send({"deliver": {
            "tag": tag, "redelivered": message.deliveries > 0,
            "body": base64.b64encode(message.body).decode(), **message.properties}})

    def _give_back(self, connection):
        """What died with its connection is delivered again, or parked after too many times."""
        _, queue, message = connection.held
        connection.held = None
        limit = queue.arguments["delivery_limit"]
        message.deliveries += 1
        if queue.name not in self.queues:
            return
        if limit and message.deliveries > limit:
            if queue.arguments.get("dead_letter_key"):
                self._enqueue(queue.arguments["dead_letter_key"], message)
        else:
            self._enqueue(queue.name, message, front=True)

    def _drop(self, connection):
        connection.close()
        if not connection.open:
            return
        connection.open = False
        self.connections.remove(connection)
        if connection.queue:
            connection.queue.consumers.remove(connection)
        for queue in [q for q in self.queues.values() if q.owner is connection]:
            del self.queues[queue.name]
        if connection.held:
            self._give_back(connection)
        self.changed.notify_all()

    def forget(self, connection):
        """The other end closed."""
        with self.lock:
            self._drop(connection)
        connection.sock.close()

    # ---- calls of a worker ----

    def take(self, connection, frame):
        with self.changed:
            if not connection.open:
                return
            if self.blocked and frame["op"] in ("publish", "reply"):
                self.changed.wait_for(lambda: not self.blocked or not connection.open)
            answer = {"re": frame.get("seq")}
            try:
                answer.update(getattr(self, "_op_" + frame["op"])(connection, frame) or {})
            except Refused as refused:
                answer.update(error=refused.error, text=refused.text)
            except Dropped:
                self._drop(connection)
                return
            if frame["op"] != "ack":
                connection.send(answer)
            if frame["op"] in ("consume", "ack") and connection.queue:
                self._dispatch(connection.queue)
            self.changed.notify_all()

    def _op_hello(self, connection, frame):
        connection.name = frame.get("name") or ""
        if self.blocked:
            connection.send({"event": "blocked"})

    def _op_declare_exchange(self, _, frame):
        if frame["passive"] and frame["name"] not in self.exchanges:
            raise Refused("gone", f"404 NOT_FOUND - no exchange '{frame['name']}'")
        if self.exchanges.setdefault(frame["name"], frame["type"]) != frame["type"]:
            raise Refused("conflict", "406 PRECONDITION_FAILED - inequivalent arg 'type'")

    def _op_declare_queue(self, connection, frame):
        queue = self.queues.get(frame["name"])
        if frame["exclusive"] and not self.leader_allowed:
            raise Refused("conflict", "405 RESOURCE_LOCKED - exclusive queue of another connection")
        if queue is None:
            if frame["passive"]:
                raise Refused("gone", f"404 NOT_FOUND - no queue '{frame['name']}'")
            queue = Queue(frame["name"], frame["arguments"], connection if frame["exclusive"] else None)
            self.queues[queue.name] = queue
        if queue.owner not in (None, connection):
            raise Refused("conflict", "405 RESOURCE_LOCKED - exclusive queue of another connection")
        if not frame["passive"] and queue.arguments != frame["arguments"]:
            raise Refused("conflict", "406 PRECONDITION_FAILED - inequivalent arguments")
        return {"count": len(queue.ready)}

    def _op_bind(self, _, frame):
        if frame["queue"] not in self.queues or frame["exchange"] not in self.exchanges:
            raise Refused("gone", "404 NOT_FOUND - nothing to bind")
        self.bindings[frame["exchange"], frame["key"]] = frame["queue"]

    def _op_consume(self, connection, frame):
        if frame["queue"] not in self.queues:
            raise Refused("gone", f"404 NOT_FOUND - no queue '{frame['queue']}'")
        connection.queue = self.queues[frame["queue"]]
        connection.queue.consumers.append(connection)

    def _op_cancel(self, connection, _):
        if connection.queue:
            connection.queue.consumers.remove(connection)
        connection.queue = None

    def _op_ack(self, connection, frame):
        if connection.held and connection.held[0] == frame["tag"]:
            connection.held = None

    def _route(self, message):
        if message.exchange == "":
            return message.key if message.key in self.queues else None
        return self.bindings.get((message.exchange, message.key))

    @staticmethod
    def _message(connection, frame):
        return Message(frame.get("exchange", ""), frame["key"], base64.b64decode(frame["body"]),
                       connection.pid, message_id=frame.get("message_id"),
                       correlation_id=frame.get("correlation_id"))

    def _op_publish(self, connection, frame):
        message = self._message(connection, frame)
        if message.exchange not in self.exchanges and message.exchange:
            self._drop(connection)
            return
        if self.exchanges.get(message.exchange) == "topic":
            self.events.append(message)
            return
        queue = self._route(message)
        if queue is None:
            if frame["mandatory"]:
                raise Refused("gone", "the message reaches no queue")
            return
        self.published.append(message)
        kept = [message]
        if self.on_publish:
            kept = self.on_publish(message)
        for one in kept:
            self._enqueue(queue, one)

    def _op_reply(self, connection, frame):
        message = self._message(connection, frame)
        if message.exchange not in self.exchanges:
            raise Refused("gone", f"404 NOT_FOUND - no exchange '{message.exchange}'")
        if self.exchanges[message.exchange] == "topic":
            self.events.append(message)
            return
        self.replies.append(message)
