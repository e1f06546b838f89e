# SPDX-License-Identifier: MIT
"""Fills a new guest's disk as its template has it: stand-ins, units, image archives, manifest.

What a template holds comes from the member "guest" of its entry in the seed; all members have
defaults, which are those of the Ubuntu 20.04 template with Docker and kubeadm 1.20.4.
"""
import json
import os

from simlib import write

BASH = ('vmtoolsd', 'ip', 'reboot')
NOTHING = ('swapoff', 'modprobe', 'sysctl')
PYTHON = ('kubeadm', 'kubectl', 'kubelet', 'systemctl')

REPOSITORY = 'projects.registry.vmware.com/tkg'
CNI_IMAGE = 'projects.registry.vmware.com/tkg/antrea/antrea-debian:v0.11.3_vmware.2'


def required_images(guest):
    """References that this kubeadm wants on a control plane, by component."""
    repository = guest.get('repository', REPOSITORY)
    version = guest.get('kubeadm', 'v1.20.4+vmware.1').replace('+', '_')
    tags = {'etcd': 'v3.4.13_vmware.7', 'coredns': 'v1.7.0_vmware.8', 'pause': '3.2'}
    tags.update(guest.get('tags', {}))
    names = ('kube-apiserver', 'kube-controller-manager', 'kube-scheduler', 'kube-proxy')
    out = {name: f'{repository}/{name}:{version}' for name in names}
    out.update({name: f'{repository}/{name}:{tag}' for name, tag in tags.items()})
    return out


def cni_manifest(image):
    """A DaemonSet as in the CNI's manifest, as far as this simulator looks at it."""
    return f'''# network plug-in
apiVersion: v1
kind: ServiceAccount
metadata:
  name: antrea-agent
  namespace: kube-system
---
apiVersion: apps/v1
kind: DaemonSet
metadata:
  name: antrea-agent
  namespace: kube-system
spec:
  template:
    spec:
      containers:
      - name: antrea-agent
        image: {image}
'''


def archives(folder, guest):
    cni = guest.get('cni_image', CNI_IMAGE)
    references = list(required_images(guest).values()) + [cni]
    lines = []
    for reference in references:
        name = reference.rsplit('/', 1)[1].replace(':', '_') + '.tar'
        lines.append(f'{name} {reference}')
        if reference not in guest.get('missing_archives', []):
            write(f'{folder}/images/{name}', json.dumps({'RepoTags': [reference]}))
    write(f'{folder}/images.list', '\n'.join(lines) + '\n')
    write(f'{folder}/cni.yaml', cni_manifest(cni))


def link_commands(guest):
    os.makedirs('/usr/local/bin', exist_ok=True)
    os.makedirs('/usr/local/sbin', exist_ok=True)
    links = {name: name for name in BASH}
    links.update({name: 'nothing' for name in NOTHING})
    links.update({name: '../' + name + '.py' for name in PYTHON})
    runtime = guest.get('runtime', 'docker')
    links.update({'docker': 'docker'} if runtime == 'docker' else
                 {'ctr': 'ctr', 'containerd': 'containerd'})
    for name, target in links.items():
        os.symlink(os.path.normpath(f'/sim/bin/{target}'), f'/usr/local/bin/{name}')


def new_disk(machine):
    guest = machine['template']
    for folder in ('/root', '/tmp', '/var/log', '/var/lib/simruntime', '/opt', '/etc/kubernetes',
                   '/etc/systemd/system/multi-user.target.wants'):
        os.makedirs(folder, exist_ok=True)
    write('/etc/hostname', 'template\n')
    link_commands(guest)
    if guest.get('prepared', '1.20.4-vmware.1'):
        archives('/opt/cse/' + guest.get('prepared', '1.20.4-vmware.1'), guest)
    write('/etc/systemd/system/kubelet.service',
          '[Service]\nExecStart=/usr/local/bin/kubelet\nRestart=always\nRestartSec=0.5\n')
    os.symlink('/etc/systemd/system/kubelet.service',
               '/etc/systemd/system/multi-user.target.wants/kubelet.service')
    if 'sleep_s' in guest:  # a test that cannot wait
        write('/usr/local/bin/sleep', f"#!/bin/bash\nexec /usr/bin/sleep {guest['sleep_s']}\n", 0o755)
    if guest.get('cgroup_driver') == 'systemd':
        write('/etc/sim/cgroup_driver', 'systemd\n')


def prepare(machine):
    if not os.path.exists('/etc/sim/provisioned'):
        new_disk(machine)
        write('/etc/sim/provisioned', '')
