#!/usr/bin/python3 -sE
# SPDX-License-Identifier: MIT
"""The guest's first process: prepares a new disk, plays VMware Tools and a small systemd.

Exit status 75 asks the simulator for a reboot; every process of the guest dies with this one.
"""
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, '/sim')
import provision  # noqa: E402
from simlib import ADDRESS_FILE, read, template, vm, write  # noqa: E402

REBOOT = 75
UNITS = '/etc/systemd/system'
WANTS = UNITS + '/multi-user.target.wants'
ENVIRONMENT = {'PATH': '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
               'BASH_ENV': '/sim/crash.sh'}
POST_SCRIPT = '/root/.customization/post-customize-guest.sh'


class Unit(threading.Thread):
    """One running service with its restart rules."""

    def __init__(self, name):
        super().__init__(daemon=True)
        self.unit, self.process, self.stopped = name, None, threading.Event()
        self.settings = {}
        for line in read(f'{UNITS}/{name}').split('\n'):
            key, equals, value = line.partition('=')
            if equals:
                self.settings[key] = value

    def run(self):
        while not self.stopped.is_set():
            with open(f'/var/log/{self.unit}.log', 'ab') as log:
                self.process = subprocess.Popen(
                    self.settings['ExecStart'].split(), stdin=subprocess.DEVNULL, stdout=log,
                    stderr=log, env=ENVIRONMENT, start_new_session=True)
                status = self.process.wait()
            restart = self.settings.get('Restart', 'no')
            prevented = self.settings.get('RestartPreventExitStatus', '').split()
            if restart == 'no' or (restart == 'on-failure' and status == 0) or \
                    str(status) in prevented:
                return
            self.stopped.wait(float(self.settings.get('RestartSec', '0.1')))

    def stop(self):
        self.stopped.set()
        if self.process:
            try:
                os.killpg(self.process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.join(5)


class Manager:
    def __init__(self):
        self.units = {}
        self.lock = threading.Lock()

    def is_active(self, name):
        return name in self.units and self.units[name].is_alive()

    def command(self, verb, name):
        with self.lock:
            if verb in ('stop', 'restart') and self.is_active(name):
                self.units.pop(name).stop()
            if verb in ('start', 'restart') and not self.is_active(name):
                if not os.path.exists(f'{UNITS}/{name}'):
                    return f'Unit {name} not found.'
                self.units[name] = Unit(name)
                self.units[name].start()
            if verb == 'is-active':
                return 'active' if self.is_active(name) else 'inactive'
            return 'ok'

    def serve(self):
        server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        server.bind('/run/systemd.sock')
        server.listen(16)
        while True:
            client, _ = server.accept()
            with client:
                words = client.makefile().readline().split()
                answer = self.command(*words) if len(words) == 2 else 'bad request'
                client.sendall((answer + '\n').encode())


def customize(machine):
    """What Tools do at the first boot: name, address, the script, and then the reboot."""
    write('/etc/hostname', machine['computer_name'] + '\n')
    write(ADDRESS_FILE, f"{machine['ip']} {machine['prefix']} {machine['gateway']}\n")
    if machine['script'] and template('scripts', True):
        write(POST_SCRIPT, machine['script'], 0o700)
        run_script('precustomization')
    sys.exit(REBOOT)


def run_script(when):
    with open('/var/log/customization.log', 'ab') as log:
        status = subprocess.run([POST_SCRIPT, when], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                env=ENVIRONMENT, check=False).returncode
        log.write(f'{when}: exit status {status}\n'.encode())


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(REBOOT))  # what the stand-in reboot sends
    machine = vm()
    provision.prepare(machine)
    write('/run/init.pid', str(os.getpid()))
    manager = Manager()
    for name in sorted(os.listdir(WANTS)):
        manager.command('start', name)
    threading.Thread(target=manager.serve, daemon=True).start()
    time.sleep(template('runtime_delay_ms', 200) / 1000)
    write('/run/runtime.up', '')
    if machine['customize']:
        customize(machine)
    if os.path.exists(POST_SCRIPT):
        run_script('postcustomization')
        shutil.rmtree(os.path.dirname(POST_SCRIPT))
    while True:
        signal.pause()


main()
