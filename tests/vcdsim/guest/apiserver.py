#!/usr/bin/python3 -sE
# SPDX-License-Identifier: MIT
"""Stand-in for kube-apiserver with its etcd, controllers and bootstrap signer.

TLS with the cluster's own PKI, client certificates, bootstrap tokens. It listens on the node's address
only and judges its peer: nodes of the same network and the edge (the gateway's address) may connect,
everybody else's connection is closed before the handshake, as if there were no route.
"""
import http.server
import ipaddress
import json
import os
import ssl
import sys
import tempfile
import threading
import time
import urllib.parse

sys.path.insert(0, '/sim')
from simlib import KUBERNETES, address, now, read, sign_request, template, write  # noqa: E402
import pki  # noqa: E402

PKI = KUBERNETES + '/pki'
STORE = '/var/lib/etcd/member/state.json'
NODE_GRACE_S = 5  # a node that was silent for longer is not ready
VERSION = template('kubeadm', 'v1.20.4+vmware.1')

NODE_COLUMNS = (('Name', 0), ('Status', 0), ('Roles', 0), ('Age', 0), ('Version', 0),
                ('Internal-IP', 1), ('External-IP', 1), ('OS-Image', 1), ('Kernel-Version', 1),
                ('Container-Runtime', 1))
RESOURCES = {
    '/api/v1': [('nodes', 'Node', False), ('namespaces', 'Namespace', False), ('pods', 'Pod', True),
                ('secrets', 'Secret', True), ('configmaps', 'ConfigMap', True),
                ('serviceaccounts', 'ServiceAccount', True)],
    '/apis/apps/v1': [('deployments', 'Deployment', True), ('daemonsets', 'DaemonSet', True)],
    '/apis/certificates.k8s.io/v1': [('certificatesigningrequests', 'CertificateSigningRequest', False)],
}


class Failure(Exception):
    def __init__(self, code, reason, message):
        super().__init__(message)
        self.body = {'kind': 'Status', 'apiVersion': 'v1', 'metadata': {}, 'status': 'Failure',
                     'message': message, 'reason': reason, 'code': code}


class Store:
    """All objects by path, written to disk at every change."""

    def __init__(self):
        self.lock = threading.RLock()
        self.beats = {}  # node name: when it was last heard
        try:
            self.objects = json.loads(read(STORE))
        except OSError:
            self.objects = {}

    def put(self, path, item):
        item.setdefault('metadata', {}).setdefault(
            'creationTimestamp', time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime()))
        self.objects[path] = item
        write(STORE, json.dumps(self.objects), 0o600)

    def delete(self, path):
        del self.objects[path]
        write(STORE, json.dumps(self.objects), 0o600)

    def below(self, path):
        return [item for key, item in sorted(self.objects.items())
                if key.startswith(path + '/') and '/' not in key[len(path) + 1:]]

    def cni_images(self):
        """References of all network plug-ins that were applied; empty when there is none."""
        return [container['image'] for item in self.below('/apis/apps/v1/namespaces/kube-system/daemonsets')
                for container in item['spec']['template']['spec']['containers']]

    def node(self, item):
        """The node as it is shown: Ready when it is heard and has the network plug-in's images."""
        item = json.loads(json.dumps(item))
        have = {name for image in item['status'].pop('images') for name in image['names']}
        wanted = self.cni_images()
        heard = time.monotonic() - self.beats.get(item['metadata']['name'], -1e9) < NODE_GRACE_S
        if not heard:
            ready = ('Unknown', 'NodeStatusUnknown', 'Kubelet stopped posting node status.')
        elif not wanted or not have.issuperset(wanted):
            ready = ('False', 'KubeletNotReady', 'cni plugin not initialized')
        else:
            ready = ('True', 'KubeletReady', 'kubelet is posting ready status')
        item['status']['conditions'] = [
            {'type': 'Ready', 'status': ready[0], 'reason': ready[1], 'message': ready[2]}]
        return {'kind': 'Node', 'apiVersion': 'v1', **item}

    def show(self, path, item):
        if path.startswith('/api/v1/nodes/'):
            return self.node(item)
        if path.startswith('/apis/apps/v1/') and '/deployments/' in path:
            ready = [node for node in map(self.node, self.below('/api/v1/nodes'))
                     if node['status']['conditions'][0]['status'] == 'True']
            return {**item, 'status': {'availableReplicas': item['spec']['replicas'] if ready else 0}}
        if path.endswith('/configmaps/cluster-info'):
            return self.signed(item)
        return item

    def token(self, identity):
        """The secret of a bootstrap token that has not expired, else None."""
        item = self.objects.get('/api/v1/namespaces/kube-system/secrets/bootstrap-token-' + identity)
        data = item['stringData'] if item else None
        return data['token-secret'] if data and data['expires'] > now() else None

    def signed(self, item):
        """What the bootstrap signer adds to cluster-info: one signature per valid token."""
        item = json.loads(json.dumps(item))
        prefix = '/api/v1/namespaces/kube-system/secrets/bootstrap-token-'
        for path in self.objects:
            identity = path.removeprefix(prefix)
            if path.startswith(prefix) and self.token(identity):
                item['data']['jws-kubeconfig-' + identity] = pki.jws_sign(
                    item['data']['kubeconfig'], identity, self.token(identity))
        return item


STATE = Store()


def node_cells(node):
    labels, spec, info = node['metadata'].get('labels', {}), node['spec'], node['status']['nodeInfo']
    status = {'True': 'Ready'}.get(node['status']['conditions'][0]['status'], 'NotReady')
    if spec.get('unschedulable'):
        status += ',SchedulingDisabled'
    roles = [key.split('/')[1] for key in sorted(labels) if key.startswith('node-role.kubernetes.io/')]
    made = time.mktime(time.strptime(node['metadata']['creationTimestamp'], '%Y-%m-%dT%H:%M:%SZ'))
    age = int(time.mktime(time.gmtime()) - made)
    internal = [a['address'] for a in node['status']['addresses'] if a['type'] == 'InternalIP']
    return [node['metadata']['name'], status, ','.join(roles) or '<none>', f'{age}s',
            info['kubeletVersion'], internal[0], '<none>', info['osImage'], info['kernelVersion'],
            info['containerRuntimeVersion']]


def node_table(nodes):
    columns = [{'name': name, 'type': 'string', 'format': 'name' if name == 'Name' else '',
                'description': name, 'priority': priority} for name, priority in NODE_COLUMNS]
    rows = [{'cells': node_cells(node),
             'object': {'kind': 'PartialObjectMetadata', 'apiVersion': 'meta.k8s.io/v1',
                        'metadata': node['metadata']}} for node in nodes]
    return {'kind': 'Table', 'apiVersion': 'meta.k8s.io/v1', 'metadata': {'resourceVersion': '1'},
            'columnDefinitions': columns, 'rows': rows}


def discovery(path):
    if path == '/version':
        major, minor = VERSION[1:].split('.')[:2]
        return {'major': major, 'minor': minor, 'gitVersion': VERSION, 'platform': 'linux/amd64'}
    if path == '/api':
        return {'kind': 'APIVersions', 'versions': ['v1'], 'serverAddressByClientCIDRs': []}
    if path == '/apis':
        groups = []
        for prefix in ('apps', 'certificates.k8s.io'):
            version = {'groupVersion': prefix + '/v1', 'version': 'v1'}
            groups.append({'name': prefix, 'versions': [version], 'preferredVersion': version})
        return {'kind': 'APIGroupList', 'apiVersion': 'v1', 'groups': groups}
    if path in RESOURCES:
        verbs = ['create', 'delete', 'get', 'list']
        return {'kind': 'APIResourceList', 'apiVersion': 'v1',
                'groupVersion': path.removeprefix('/apis/').removeprefix('/api/'),
                'resources': [{'name': name, 'singularName': '', 'kind': kind, 'namespaced': namespaced,
                               'verbs': verbs} for name, kind, namespaced in RESOURCES[path]]}
    return None


def list_kind(path):
    """The kind of a collection's path, None when it is not one."""
    for base, resources in RESOURCES.items():
        for name, kind, namespaced in resources:
            rest = path.removeprefix(base + '/').split('/')
            if path.startswith(base + '/') and rest[-1] == name and len(rest) in (1, 3 if namespaced else 1):
                return kind
    return None


class Caller:
    """Who calls: a client certificate's subject, a bootstrap token's user, or nobody."""

    def __init__(self, certificate, authorization):
        self.user, self.groups = 'system:anonymous', []
        if certificate:
            pairs = [pair for part in certificate['subject'] for pair in part]
            self.user = dict(pairs).get('commonName', '')
            self.groups = [value for name, value in pairs if name == 'organizationName']
        elif authorization:
            identity, _, secret = authorization.removeprefix('Bearer ').partition('.')
            if not secret or STATE.token(identity) != secret:
                raise Failure(401, 'Unauthorized', 'Unauthorized')
            self.user, self.groups = 'system:bootstrap:' + identity, ['system:bootstrappers']

    def may(self, method, path):
        if path in ('/readyz', '/livez', '/healthz', '/version') or \
                (method == 'GET' and path.endswith('/kube-public/configmaps/cluster-info')):
            return True
        if 'system:masters' in self.groups:
            return True
        if self.user == 'system:anonymous':
            return False
        if discovery(path):
            return True
        if 'system:bootstrappers' in self.groups:
            return (method == 'POST' and path.endswith('/certificatesigningrequests')) or \
                (method == 'GET' and path.startswith('/api/v1/nodes/'))
        name = self.user.removeprefix('system:node:')
        return 'system:nodes' in self.groups and path in (
            '/api/v1/nodes', f'/api/v1/nodes/{name}', f'/api/v1/nodes/{name}/status')


def sign(body):
    with tempfile.NamedTemporaryFile('w') as file:
        file.write('basicConstraints=critical,CA:FALSE\nextendedKeyUsage=clientAuth\n')
        file.flush()
        certificate = sign_request(PKI + '/ca.crt', PKI + '/ca.key', body['spec']['request'], file.name)
    return 201, {**body, 'status': {'certificate': certificate}}


def patch_node(path, body):
    name = path.removeprefix('/api/v1/nodes/').removesuffix('/status')
    item = STATE.objects.get('/api/v1/nodes/' + name)
    if not item:
        raise Failure(404, 'NotFound', f'nodes "{name}" not found')
    if path.endswith('/status'):
        STATE.beats[name] = time.monotonic()
        if item['status'] == body['status']:
            return 200, {}
        item['status'] = body['status']
    else:
        item['metadata'].setdefault('labels', {}).update(body['metadata'].get('labels', {}))
        item['spec'].update(body['spec'])
    STATE.put('/api/v1/nodes/' + name, item)
    return 200, {}


def change(method, path, body):
    if method == 'PATCH' and path.startswith('/api/v1/nodes/'):
        return patch_node(path, body)
    if method == 'POST' and path.endswith('/certificatesigningrequests'):
        return sign(body)
    if method == 'POST' and list_kind(path):
        target = f"{path}/{body['metadata']['name']}"
        if target in STATE.objects:
            raise Failure(409, 'AlreadyExists', f'{target} already exists')
        if path == '/api/v1/nodes':
            STATE.beats[body['metadata']['name']] = time.monotonic()
        STATE.put(target, body)
        return 201, body
    if method == 'DELETE' and path in STATE.objects:
        STATE.delete(path)
        return 200, {'kind': 'Status', 'apiVersion': 'v1', 'metadata': {}, 'status': 'Success'}
    raise Failure(404, 'NotFound', 'the server could not find the requested resource')


def look(path, accept):
    if path in ('/readyz', '/livez', '/healthz'):
        return 200, 'ok'
    found = discovery(path)
    if found:
        return 200, found
    table = 'as=Table' in accept
    if path in STATE.objects:
        item = STATE.show(path, STATE.objects[path])
        return 200, node_table([item]) if table and item.get('kind') == 'Node' else item
    kind = list_kind(path)
    if not kind:
        name = path.rsplit('/', 1)[1]
        raise Failure(404, 'NotFound', f'"{name}" not found')
    items = [STATE.show(f"{path}/{item['metadata']['name']}", item) for item in STATE.below(path)]
    if table and kind == 'Node':
        return 200, node_table(items)
    return 200, {'kind': kind + 'List', 'apiVersion': 'v1', 'metadata': {'resourceVersion': '1'},
                 'items': items}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    timeout = 30

    def setup(self):
        self.request.settimeout(10)
        self.request.do_handshake()
        super().setup()

    def answer(self, status, body):
        text = body if isinstance(body, str) else json.dumps(body)
        data = text.encode()
        self.send_response(status)
        self.send_header('Content-Type', 'text/plain' if isinstance(body, str) else 'application/json')
        self.send_header('Content-Length', str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def handle_call(self):
        path = urllib.parse.urlsplit(self.path).path
        length = int(self.headers.get('Content-Length') or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        try:
            with STATE.lock:
                caller = Caller(self.connection.getpeercert(), self.headers.get('Authorization'))
                if not caller.may(self.command, path):
                    raise Failure(403, 'Forbidden', f'User "{caller.user}" cannot {self.command} {path}')
                if self.command == 'GET':
                    status, out = look(path, self.headers.get('Accept', ''))
                else:
                    status, out = change(self.command, path, body)
        except Failure as failure:
            status, out = failure.body['code'], failure.body
        self.answer(status, out)

    do_GET = do_POST = do_PATCH = do_DELETE = handle_call

    def log_message(self, format, *args):  # noqa: A002 (the base class names it so)
        pass


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128

    def __init__(self, own):
        self.network = ipaddress.ip_network(f'{own[0]}/{own[1]}', strict=False)
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(PKI + '/apiserver.crt', PKI + '/apiserver.key')
        self.tls.load_verify_locations(PKI + '/ca.crt')
        self.tls.verify_mode = ssl.CERT_OPTIONAL
        super().__init__((own[0], 6443), Handler)

    def verify_request(self, request, client_address):
        return ipaddress.ip_address(client_address[0]) in self.network

    def process_request(self, request, client_address):
        request = self.tls.wrap_socket(request, server_side=True, do_handshake_on_connect=False)
        super().process_request(request, client_address)

    def handle_error(self, request, client_address):
        print(f'{client_address}: {sys.exc_info()[1]!r}', file=sys.stderr, flush=True)


def main():
    os.makedirs(os.path.dirname(STORE), exist_ok=True)
    Server(address()).serve_forever()


main()
