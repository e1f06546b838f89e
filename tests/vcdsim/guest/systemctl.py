#!/usr/bin/python3 -sE
# SPDX-License-Identifier: MIT
"""Stand-in for systemctl: units are run by this guest's init."""
import os
import sys

sys.path.insert(0, '/sim')
from simlib import ask_init, fail  # noqa: E402

UNITS = '/etc/systemd/system'


def main():
    words = [word for word in sys.argv[1:] if not word.startswith('-')]
    verb, names = words[0], words[1:]
    if verb == 'daemon-reload':
        return
    for name in names:
        name = name if name.endswith('.service') else name + '.service'
        link = f'{UNITS}/multi-user.target.wants/{name}'
        if verb == 'enable':
            if not os.path.exists(f'{UNITS}/{name}'):
                fail(f'Failed to enable unit: Unit file {name} does not exist.')
            if not os.path.lexists(link):
                os.symlink(f'{UNITS}/{name}', link)
        elif verb == 'disable':
            if os.path.lexists(link):
                os.unlink(link)
        elif verb in ('start', 'stop', 'restart', 'is-active'):
            answer = ask_init(verb, name)
            if verb == 'is-active':
                print(answer)
            if answer not in ('ok', 'active'):
                fail(answer, 3)
        else:
            fail(f'Unknown command verb {verb}.')


main()
