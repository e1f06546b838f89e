# SPDX-License-Identifier: MIT
"""A TCP proxy that breaks the way networks and peers do, and certificates that are wrong."""
import pathlib
import socket
import ssl
import subprocess
import threading


class Link:
    """One client's connection and ours to the target."""

    def __init__(self, client, server, frozen):
        self.client, self.server, self.frozen = client, server, frozen

    def close(self):
        for sock in (self.client, self.server):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            sock.close()

    def pump(self, source, sink):
        """Copies until the end; a frozen link neither reads, nor writes, nor closes."""
        try:
            while data := source.recv(65536):
                if self.frozen:
                    return
                sink.sendall(data)
        except OSError:
            pass
        if not self.frozen:
            self.close()


class Proxy:
    """Listens on 127.0.0.1; `mode` decides over new connections, the methods also over old ones."""

    def __init__(self, target="127.0.0.1:1"):
        self.aim(target)
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self.listener.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        self.links, self.lock = [], threading.Lock()
        self.frozen, self.context, self.handler = False, None, None
        threading.Thread(target=self.accept, daemon=True).start()

    def aim(self, target):
        host, _, port = target.rpartition(":")
        self.target = self.right_target = host, int(port)

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.begin, args=(client,), daemon=True).start()

    def begin(self, client):
        try:
            if self.context and not self.frozen:
                client = self.context.wrap_socket(client, server_side=True)
                if self.handler:
                    self.handler(client)
                    client.close()
                    return
            server = socket.create_connection(self.target)
        except OSError:
            client.close()
            return
        link = Link(client, server, self.frozen)
        with self.lock:
            self.links.append(link)
        if not link.frozen:
            threading.Thread(target=link.pump, args=(client, server), daemon=True).start()
            link.pump(server, client)

    def freeze(self):
        """Nothing passes any more, and nothing closes: old connections stay so for ever."""
        self.frozen = True
        with self.lock:
            for link in self.links:
                link.frozen = True

    def refuse(self):
        """Old and new connections are ended."""
        self.target = "127.0.0.1", 1
        self.cut()

    def serve(self, context, handler=None):
        """New connections meet TLS with this certificate; then the handler, or the target in clear."""
        self.context, self.handler = context, handler
        self.cut()

    def heal(self):
        """New connections pass as they come."""
        self.frozen, self.context, self.handler = False, None, None
        self.target = self.right_target

    def inject(self, data):
        """Bytes of nobody's to every client."""
        with self.lock:
            for link in self.links:
                try:
                    link.client.sendall(data)
                except OSError:
                    pass

    def cut(self):
        """Ends every connection; how many there were."""
        with self.lock:
            links, self.links = self.links, []
        for link in links:
            link.close()
        return len(links)

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.cut()


class Authority:
    """A certificate authority in a folder."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True)
        self.ca = self.folder / "ca.pem"
        self.run("req", "-x509", *self.key("ca"), "-days", "2", "-subj", "/CN=test CA", "-out", self.ca)

    @staticmethod
    def run(*arguments):
        subprocess.run(["openssl", *map(str, arguments)], check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)

    def key(self, name):
        return ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
                self.folder / (name + ".key"))

    def sign(self, name, san, days=2):
        """Files of a certificate and its key; days < 0: it has expired."""
        pem, request = self.folder / (name + ".pem"), self.folder / (name + ".csr")
        extensions = self.folder / (name + ".ext")
        extensions.write_text(f"subjectAltName={san}\n")
        self.run("req", *self.key(name), "-subj", "/CN=" + name, "-out", request)
        self.run("x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", self.folder / "ca.key",
                 "-CAcreateserial", "-days", days, "-extfile", extensions, "-out", pem)
        return pem, self.folder / (name + ".key")

    def context(self, name, san, days=2):
        """For a server with that certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.sign(name, san, days))
        return context
