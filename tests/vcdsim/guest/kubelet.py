#!/usr/bin/python3 -sE
# SPDX-License-Identifier: MIT
"""Stand-in for the kubelet: keeps the API server's static pod running and this node reported."""
import os
import subprocess
import sys
import time

sys.path.insert(0, '/sim')
from simlib import KUBERNETES, address, images, kubeconfig_api, read, template, yaml_documents  # noqa: E402

CONFIG = KUBERNETES + '/kubelet.conf'
MANIFEST = KUBERNETES + '/manifests/kube-apiserver.yaml'
VERSION = template('kubeadm', 'v1.20.4+vmware.1')
BEAT_S = 0.5


def node_name():
    return yaml_documents(read(CONFIG))[0]['users'][0]['name'].rsplit(':', 1)[1]


def node(name):
    docker = template('runtime', 'docker') == 'docker'
    return {
        'metadata': {'name': name, 'labels': {'kubernetes.io/hostname': name}},
        'spec': {},
        'status': {
            'addresses': [{'type': 'InternalIP', 'address': address()[0]},
                          {'type': 'Hostname', 'address': name}],
            'images': [{'names': [reference]} for reference in images()],
            'nodeInfo': {'kubeletVersion': VERSION, 'osImage': 'Ubuntu 20.04', 'architecture': 'amd64',
                         'operatingSystem': 'linux', 'kernelVersion': '5.4.0-66-generic',
                         'containerRuntimeVersion': 'docker://19.3.15' if docker
                                                    else 'containerd://1.6.6'}}}


def register(api, name):
    """Done once per start: a Node that is deleted later does not come back by itself."""
    status, _ = api.call('POST', '/api/v1/nodes', node(name))
    return status in (201, 409)


def beat(api, name):
    status, body = api.call('PATCH', f'/api/v1/nodes/{name}/status', node(name))
    if status != 200:
        print(f'Unable to update node status: {status} {body}', flush=True)


def main():
    if sys.argv[1:] == ['--version']:
        print('Kubernetes ' + VERSION)
        return
    if not os.path.exists('/var/lib/kubelet/config.yaml') or not os.path.exists(CONFIG):
        sys.exit('failed to load Kubelet config file /var/lib/kubelet/config.yaml')
    server, registered, name, api = None, False, node_name(), kubeconfig_api(CONFIG, timeout=3)
    while True:
        if os.path.exists(MANIFEST) and (server is None or server.poll() is not None):
            server = subprocess.Popen(['/sim/apiserver.py'])
        try:
            registered = registered or register(api, name)
            if registered:
                beat(api, name)
            time.sleep(BEAT_S)
        except OSError as error:
            print(f'Unable to update node status: {error}', flush=True)
            time.sleep(0.2)


main()
