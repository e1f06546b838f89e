#!/usr/bin/python3 -sE
# SPDX-License-Identifier: MIT
"""Stand-in for kubeadm: version, config images list, init, join, reset.

As strict as the real one about what it finds: left-overs of an earlier attempt, a CA that is not valid
yet, a config version it does not know, images that are absent (there is no Internet). Certificates,
discovery with a pinned CA, and the exchange of token for certificate are real.
"""
import os
import re
import shutil
import socket
import sys
import time

sys.path.insert(0, '/sim')
from provision import required_images  # noqa: E402
from simlib import (KUBERNETES, Api, address, fail, image_present, images, kubeconfig_api,  # noqa: E402
                    kubeconfig_text, now, read, run, tell_simulator, template, vm,
                    write, yaml_documents)
import pki  # noqa: E402

PKI = KUBERNETES + '/pki'
ADMIN, KUBELET = KUBERNETES + '/admin.conf', KUBERNETES + '/kubelet.conf'
MANIFEST = KUBERNETES + '/manifests/kube-apiserver.yaml'
VERSION = template('kubeadm', 'v1.20.4+vmware.1')
MINOR = int(VERSION.split('.')[1])
TIME_SCALE = 0.1  # a simulated cluster is ready sooner than a real one


def known_apis():
    if MINOR < 22:
        return ('v1beta1', 'v1beta2')
    if MINOR < 27:
        return ('v1beta2', 'v1beta3')
    return ('v1beta3',) if MINOR < 31 else ('v1beta3', 'v1beta4')


def load_config(path):
    """The documents of a config file by kind."""
    try:
        documents = {document['kind']: document for document in yaml_documents(read(path))}
    except (OSError, ValueError, KeyError, TypeError) as error:
        fail(f'error loading config file "{path}": {error}')
    for kind, document in documents.items():
        group, _, api = document['apiVersion'].partition('/')
        if group != 'kubeadm.k8s.io':
            continue
        if api not in known_apis():
            fail(f'your configuration file uses an unsupported API spec: "{group}/{api}" (kind: {kind})')
        for key, value in walk(document):
            if key in ('extraArgs', 'kubeletExtraArgs') and \
                    isinstance(value, list) != (api == 'v1beta4'):
                fail(f'error unmarshaling configuration: strict decoding error: {key} in {api}')
    return documents


def walk(value):
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key, inner
            yield from walk(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from walk(inner)


def config_images(cluster):
    """References that this configuration asks for."""
    base = cluster.get('imageRepository', 'k8s.gcr.io')
    tag = cluster.get('kubernetesVersion', VERSION).replace('+', '_')
    out = [f'{base}/{name}:{tag}' for name in
           ('kube-apiserver', 'kube-controller-manager', 'kube-scheduler', 'kube-proxy')]
    pause = required_images(vm()['template'])['pause'].rsplit(':', 1)[1]
    dns, etcd = cluster.get('dns') or {}, (cluster.get('etcd') or {}).get('local') or {}
    out.append(f'{base}/pause:{pause}')
    out.append(f"{etcd.get('imageRepository', base)}/etcd:{etcd.get('imageTag', '3.4.13-0')}")
    out.append(f"{dns.get('imageRepository', base)}/coredns:{dns.get('imageTag', '1.7.0')}")
    return out


def preflight(kind, errors, ignored):
    errors = [(name, text) for name, text in errors if name not in ignored]
    if errors:
        print('[preflight] Some fatal errors occurred:', file=sys.stderr)
        for name, text in errors:
            print(f'\t[ERROR {name}]: {text}', file=sys.stderr)
        fail(f'error execution phase preflight: [preflight] {kind} refused')


def runtime_errors(registration):
    errors = []
    docker = template('runtime', 'docker') == 'docker'
    wanted = ('/var/run/dockershim.sock',) if docker else \
        ('/run/containerd/containerd.sock', 'unix:///run/containerd/containerd.sock')
    if not os.path.exists('/run/runtime.up'):
        errors.append(('CRI', 'container runtime is not running'))
    elif registration.get('criSocket') not in wanted:
        errors.append(('CRI', f"no runtime at {registration.get('criSocket')}"))
    if registration.get('name') != socket.gethostname():
        errors.append(('Hostname', f"hostname {socket.gethostname()} is not {registration.get('name')}"))
    if not address():
        errors.append(('Network', 'network is unreachable'))
    return errors


def present_errors(*paths):
    return [('FileAvailable-' + path.replace('/', '-'), f'{path} already exists')
            for path in paths if os.path.exists(path)]


def take_time(started, name, milliseconds):
    """Lasts as long as the real thing is said to last."""
    time.sleep(max(0, started + milliseconds / 1000 - time.monotonic()))
    tell_simulator(f'{name} {milliseconds}')


def start_kubelet(server, ca, name, cert, key):
    write(KUBELET, kubeconfig_text(server, ca, f'system:node:{name}', cert, key), 0o600)
    write('/var/lib/kubelet/config.yaml', 'kind: KubeletConfiguration\n')
    run('systemctl', 'restart', 'kubelet')


def prepare_pki(init, cluster):
    if os.path.exists(PKI + '/ca.crt'):
        if not os.path.exists(PKI + '/ca.key'):
            fail('external CA mode: certificates are missing')
        text = pki.not_valid_reason(PKI + '/ca.crt', PKI + '/ca.key', now())
        if text:
            fail('error execution phase certs/ca: ' + text)
        print('[certs] Using existing ca certificate authority')
    else:
        pki.make_ca(PKI)
    pki.make_server(PKI, pki.server_names(init, cluster))
    pki.make_client(PKI, 'admin', '/O=system:masters/CN=kubernetes-admin')
    pki.make_client(PKI, 'kubelet', '/O=system:nodes/CN=system:node:' +
                    init['nodeRegistration']['name'])
    server = 'https://' + cluster['controlPlaneEndpoint']
    ca = read(PKI + '/ca.crt')
    write(ADMIN, kubeconfig_text(server, ca, 'kubernetes-admin', *pki.take_client(PKI, 'admin')), 0o600)
    return server, ca


def wait_for(what, seconds, probe):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            answer = probe()
            if answer:
                return answer
        except OSError as error:
            last = error
        else:
            last = 'no answer yet'
        time.sleep(0.1)
    return fail(f'{what}: timed out waiting for the condition ({last})')


def must(result, what):
    status, body = result
    if status >= 400:
        fail(f'{what}: {status} {body}')
    return body


def command_init(options):
    started = time.monotonic()
    documents = load_config(options['config'])
    init, cluster = documents['InitConfiguration'], documents['ClusterConfiguration']
    own = address()
    errors = runtime_errors(init['nodeRegistration'])
    errors += present_errors(MANIFEST, KUBELET, ADMIN)
    if os.path.isdir('/var/lib/etcd/member'):
        errors.append(('DirAvailable--var-lib-etcd', '/var/lib/etcd is not empty'))
    errors += [('ImagePull', f'failed to pull image "{reference}": no route to host')
               for reference in config_images(cluster) if not image_present(reference)]
    if not own or init['localAPIEndpoint']['advertiseAddress'] != own[0]:
        errors.append(('Port-6443', f"no such address: {init['localAPIEndpoint']}"))
    preflight('init', errors, options['ignored'])
    if cluster.get('kubernetesVersion') != VERSION:
        fail('could not fetch a Kubernetes version from the internet')
    server, ca = prepare_pki(init, cluster)
    cert, key = pki.take_client(PKI, 'kubelet')
    missing = [reference for reference in config_images(cluster) if not image_present(reference)]
    if missing:
        fail(f'timed out waiting for the condition: static pods need {missing[0]}')
    write(MANIFEST, f'# {own[0]} {cluster["networking"]["serviceSubnet"]}\n')
    start_kubelet(server, ca, init['nodeRegistration']['name'], cert, key)
    api = kubeconfig_api(ADMIN)
    wait_for('waiting for the control plane', 60, lambda: api.call('GET', '/readyz')[0] == 200)
    upload(api, init, server, ca)
    take_time(started, 'init', template('init_ms', 3000))
    print('Your Kubernetes control-plane has initialized successfully!')


def upload(api, init, server, ca):
    """Bootstrap token, cluster-info, CoreDNS, and the marks of a control-plane node."""
    system = '/api/v1/namespaces/kube-system'
    for entry in init.get('bootstrapTokens') or []:
        identity, _, secret = entry['token'].partition('.')
        seconds = int(entry['ttl'].rstrip('s'))
        must(api.call('POST', system + '/secrets', {
            'metadata': {'name': 'bootstrap-token-' + identity},
            'stringData': {'token-id': identity, 'token-secret': secret, 'expires': now() + seconds}}),
            'token')
    info = '\n'.join(kubeconfig_text(server, ca, 'none', '', '').split('users:')[0].split('\n'))
    must(api.call('POST', '/api/v1/namespaces/kube-public/configmaps', {
        'metadata': {'name': 'cluster-info'}, 'data': {'kubeconfig': info}}), 'cluster-info')
    must(api.call('POST', '/apis/apps/v1/namespaces/kube-system/deployments', {
        'metadata': {'name': 'coredns', 'namespace': 'kube-system'}, 'spec': {'replicas': 2}}), 'dns')
    name = init['nodeRegistration']['name']
    role = 'node-role.kubernetes.io/'
    labels = {role + 'control-plane': ''}
    if MINOR < 24:
        labels[role + 'master'] = ''
    taint = role + ('master' if MINOR < 24 else 'control-plane')
    wait_for('node', 30, lambda: api.call('GET', '/api/v1/nodes/' + name)[0] == 200)
    must(api.call('PATCH', '/api/v1/nodes/' + name, {
        'metadata': {'labels': labels},
        'spec': {'taints': [{'key': taint, 'effect': 'NoSchedule'}]}}), 'mark control plane')


def discover(discovery, seconds):
    """CA and server of a cluster-info that the token signs and whose CA is pinned."""
    token = discovery['token']
    api = Api('https://' + discovery['apiServerEndpoint'])
    path = '/api/v1/namespaces/kube-public/configmaps/cluster-info'
    signature = 'jws-kubeconfig-' + token.split('.')[0]

    def probe():
        status, body = api.call('GET', path)
        return body['data'] if status == 200 and signature in body['data'] else None
    data = wait_for(f'error execution phase preflight: token "{token[:6]}" was not found', seconds, probe)
    if not pki.jws_is_right(data[signature], data['kubeconfig'], token):
        fail('failed to verify JWS signature of received cluster info object')
    cluster = yaml_documents(data['kubeconfig'])[0]['clusters'][0]['cluster']
    ca = pki.decode(cluster['certificate-authority-data'])
    pin = pki.public_key_hash(ca)
    if pin not in discovery['caCertHashes']:
        fail(f'none of the public keys "{pin}" are pinned')
    return cluster['server'], ca


def command_join(options):
    started = time.monotonic()
    join = load_config(options['config'])['JoinConfiguration']
    discovery, name = join['discovery'], join['nodeRegistration']['name']
    errors = runtime_errors(join['nodeRegistration'])
    errors += present_errors(KUBELET, KUBERNETES + '/bootstrap-kubelet.conf', PKI + '/ca.crt')
    preflight('join', errors, options['ignored'])
    limit = discovery.get('timeout') or (join.get('timeouts') or {}).get('discovery') or '300s'
    server, ca = discover(discovery['bootstrapToken'], int(limit.rstrip('s')) * TIME_SCALE)
    api = Api(server, ca, token=discovery['tlsBootstrapToken'])
    status, node = api.call('GET', '/api/v1/nodes/' + name)
    if status == 200 and any(c['type'] == 'Ready' and c['status'] == 'True'
                             for c in node['status']['conditions']):
        fail(f'a Node with name "{name}" and status "Ready" already exists in the cluster')
    write(KUBERNETES + '/bootstrap-kubelet.conf', server + '\n', 0o600)
    write(PKI + '/ca.crt', ca)
    request, key = pki.make_request(name)
    answer = must(api.call('POST', '/apis/certificates.k8s.io/v1/certificatesigningrequests',
                           {'spec': {'request': request, 'username': name}}), 'TLS bootstrap')
    os.unlink(KUBERNETES + '/bootstrap-kubelet.conf')
    start_kubelet(server, ca, name, answer['status']['certificate'], key)
    own = kubeconfig_api(KUBELET)
    wait_for('kubelet', 60, lambda: own.call('GET', '/api/v1/nodes/' + name)[0] == 200)
    take_time(started, 'join', template('join_ms', 1000))
    print('This node has joined the cluster.')


def command_reset(_):
    run('systemctl', 'stop', 'kubelet')
    for path in (KUBERNETES + '/manifests', PKI, '/var/lib/etcd/member', '/var/lib/kubelet'):
        shutil.rmtree(path, ignore_errors=True)
    for name in ('admin', 'kubelet', 'bootstrap-kubelet'):
        if os.path.exists(f'{KUBERNETES}/{name}.conf'):
            os.unlink(f'{KUBERNETES}/{name}.conf')
    run('systemctl', 'start', 'kubelet')


def options_of(words):
    options = {'ignored': [], 'config': None}
    while words:
        word = words.pop(0)
        name, equals, value = word.partition('=')
        if name in ('--config', '--cri-socket', '--ignore-preflight-errors', '-o'):
            value = value if equals else words.pop(0)
            if name == '--ignore-preflight-errors':
                options['ignored'] += value.split(',')
            options[name.strip('-')] = value
        elif word not in ('--skip-token-print', '-f'):
            fail(f'unknown flag: {word}')
    return options


def main():
    words = sys.argv[1:]
    if words[:1] == ['version']:
        print(VERSION)
    elif words[:3] == ['config', 'images', 'list']:
        config = options_of(words[3:])['config']
        cluster = load_config(config)['ClusterConfiguration'] if config else {}
        print('\n'.join(config_images(cluster)))
    elif words and words[0] in ('init', 'join', 'reset'):
        if words[0] != 'reset' and not images():
            print('[preflight] no image is loaded', file=sys.stderr)
        globals()['command_' + words[0]](options_of(words[1:]))
    else:
        fail(f'kubeadm: not simulated: {re.sub("[a-z0-9]{16}", "***", " ".join(words))}')


main()
