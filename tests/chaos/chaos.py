#!/usr/bin/env python3
"""Faults against the whole platform under load; afterwards all must be as the reference says.

    chaos.py [--store sqlite|mongodb] [--seconds 60] [--seed N] [--tenants 3] [--only FAULT,...]
    chaos.py --kills 1000 [--tenants 4]     kills the stream workers as fast as they recover, and counts repeated message_ids

Environment: BELLTOWER_BIN (the programs). A run has a RabbitMQ node, a store and a data directory of its own, and removes them. The seed decides
which faults come in which order, and what the tenants send.
"""
import argparse
import collections
import os
import random
import signal
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), 'e2e')]

import faults                                   # noqa: E402
from recovery import Recoveries                 # noqa: E402
from scene import Scene                         # noqa: E402
from harness import alive, wait_for             # noqa: E402


def say(text, *values):
    print(text % values, flush=True)


# ---------------------------------------------------------------- faults drawn by chance

def disturb(scene, args, recoveries):
    chance = faults.of_seed(args.seed)
    table = faults.only(faults.Faults(scene, chance).table(), args.only)
    if scene.sanitized:
        say('LEFT OUT no-memory: the sanitizers of this build reserve more memory than any limit')
    begin = time.monotonic()
    armed = scene.arm()
    scene.recovered(armed, faults.Ended(begin, scene.tenants))     # results flow
    begin = time.monotonic()
    queue = shuffled(table, chance)
    while time.monotonic() < begin + args.seconds or queue:
        name = queue.pop() if queue else faults.draw(table, chance)
        survive(scene, name, table[name][0], recoveries, begin)
        faults.last(chance.uniform(0, 1.5))


def shuffled(table, chance):
    """Each kind once, in any order, before chance alone decides."""
    names = list(table)
    chance.shuffle(names)
    return names


def survive(scene, name, make, recoveries, begin):
    at = time.monotonic() - begin
    try:
        armed = scene.arm()
        ended = make()
        seconds = scene.recovered(armed, ended)
    except AssertionError as e:
        raise AssertionError('%s, %.1f s after the beginning: %s' % (name, at, e)) from None
    recoveries.add(name, seconds)
    say('%7.1f s  %-18s %-28s recovered in %.2f s', at, name, ended.note, max(seconds))


# ---------------------------------------------------------------- kills as fast as it recovers

class Killer(threading.Thread):
    def __init__(self, scene, tenant, count, recoveries):
        super().__init__(name='killer of ' + tenant, daemon=True)
        self.scene, self.tenant, self.count, self.recoveries = scene, tenant, count, recoveries
        self.faults = faults.Faults(scene, random.Random(tenant))
        self.failure = None

    def run(self):
        try:
            for _ in range(self.count):
                self.kill()
        except BaseException as e:
            self.failure = e

    def kill(self):
        pid = self.faults.worker(self.tenant, 'stream')
        probe = self.scene.watchers[self.tenant].probe(another_worker=True)
        since = self.faults.kill(pid)
        wait_for(lambda: not alive(pid), 'the death of %d' % pid)
        wait_for(lambda: probe.at, 'results of %s after a kill' % self.tenant, 90)
        self.recoveries.add('kill-stream', [probe.at - since])


def kill_again_and_again(scene, args, recoveries):
    scene.recovered(scene.arm(), faults.Ended(time.monotonic(), scene.tenants))
    shares = [args.kills // args.tenants + (i < args.kills % args.tenants) for i in range(args.tenants)]
    killers = [Killer(scene, t, n, recoveries) for t, n in zip(scene.tenants, shares)]
    for killer in killers:
        killer.start()
    told = time.monotonic()
    while any(k.is_alive() for k in killers):
        for killer in killers:
            killer.join(1)
        if time.monotonic() > told + 60:
            told = time.monotonic()
            say('%d kills', recoveries.faults())
    for killer in killers:
        if killer.failure:
            raise AssertionError('%s\n%s' % (killer.failure, scene.states()))


# ---------------------------------------------------------------- the run

def judge(scene):
    """Prints the figures; gives the differences."""
    figures, differences = collections.Counter(), []
    for judge_of_tenant in scene.finish():
        verdict = judge_of_tenant.judge()
        figures += verdict.figures
        differences += verdict.differences
    say('%s', ', '.join('%s: %d' % (name, figures[name]) for name in sorted(figures)))
    for what in ('results', 'dead letters', 'triggers', 'reports'):
        say('repeated message_ids of %s: %d', what, figures['repeated ' + what])
    return differences


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--store', choices=('sqlite', 'mongodb'), default='sqlite')
    parser.add_argument('--seconds', type=int, default=60)
    parser.add_argument('--seed', type=int, default=int.from_bytes(os.urandom(3), 'big'))
    parser.add_argument('--tenants', type=int, default=3)
    parser.add_argument('--only', type=lambda text: text.split(','), default=[])
    parser.add_argument('--kills', type=int, default=0)
    return parser.parse_args()


def leave(number, frame):
    raise SystemExit(128 + number)


def tell(recoveries, differences, seed):
    say('%s', '\n'.join(recoveries.table()))
    for difference in differences[:40]:
        say('DIFFERENCE %s', difference[:6000])
    say('%d faults survived, %d differences, seed %d', recoveries.faults(), len(differences), seed)


def main():
    args = parse()
    signal.signal(signal.SIGTERM, leave)
    what = '--kills %d' % args.kills if args.kills else '--seconds %d' % args.seconds
    say('chaos: seed %d; again with --store %s %s --tenants %d --seed %d%s', args.seed, args.store, what, args.tenants, args.seed,
        ' --only ' + ','.join(args.only) if args.only else '')
    scene, recoveries, differences = Scene(args.seed, args.store, args.tenants, 65536 + 64 * args.seconds + 200 * args.kills), Recoveries(), []
    try:
        (kill_again_and_again if args.kills else disturb)(scene, args, recoveries)
        differences = judge(scene)
    except AssertionError as e:
        differences.append(str(e))
    finally:
        tell(recoveries, differences, args.seed)    # first: what comes next may fail for the same reason
        scene.close()
    return 1 if differences else 0


if __name__ == '__main__':
    sys.exit(main())
