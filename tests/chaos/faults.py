"""The faults of a chaos run. Each is made, lasts its time, is ended, and says from when on recovery counts."""
import contextlib
import os
import random
import resource
import signal
import sqlite3
import subprocess
import threading
import time
import urllib.error
import urllib.parse

from harness import ROOT, alive, management, wait_for


class Ended:
    """since: when the fault was over; tenants: whose results must come again; another_worker: from a new stream worker;
    of_store: what counts is the next result that is stored."""

    def __init__(self, since, tenants, another_worker=False, of_store=False, note=''):
        self.since, self.tenants, self.note = since, tenants, note
        self.another_worker, self.of_store = another_worker, of_store


def last(seconds):
    """Not a wait for a condition: the fault itself takes its time."""
    threading.Event().wait(seconds)


class Script:
    """A server that one of scripts/ starts, kills and starts again."""

    def __init__(self, script, directory, port):
        self.script, self.directory, self.port = ROOT + '/scripts/' + script, directory, str(port)

    def call(self, verb, *more):
        done = subprocess.run([self.script, verb, self.directory, *more], capture_output=True, text=True)
        assert done.returncode == 0, '%s %s: %s' % (self.script, verb, done.stderr)
        return done.stdout

    def start(self):
        return self.call('start', self.port)

    def kill(self):
        self.call('kill')

    def stop(self):
        self.call('stop')

    @property
    def pid(self):
        with open(self.directory + '/pid') as f:
            return int(f.read())


class Faults:
    """scene: platform, broker, store (None: SQLite), tenants, watchers, update(tenant)."""

    def __init__(self, scene, chance):
        self.scene, self.chance = scene, chance
        self.platform = scene.platform

    def table(self):
        """name -> (what makes it, how often it is drawn)"""
        return {name: (getattr(self, name.replace('-', '_')), weight) for name, weight, possible in (
            ('kill-stream', 4, True), ('kill-batch', 3, True), ('kill-api', 2, True), ('kill-supervisor', 1, True),
            ('stop-stream', 2, True), ('stop-batch', 2, True), ('stop-api', 1, True), ('stop-supervisor', 1, True),
            ('kill-broker', 1, True), ('close-connections', 2, True), ('memory-alarm', 1, True), ('disk-alarm', 1, True),
            ('kill-store', 1, self.scene.store), ('stop-store', 1, self.scene.store), ('slow-store', 1, self.scene.store),
            ('lock-store', 2, not self.scene.store), ('full-disk', 2, self.scene.small_disk and not self.scene.store),
            ('no-descriptors', 2, True), ('no-memory', 2, not self.scene.sanitized), ('update', 2, True), ('pause', 1, True),
        ) if possible}

    # ---- whom it befalls ----

    def tenant(self):
        return self.chance.choice(self.scene.tenants)

    def worker(self, tenant, role):
        """Its pid; the API may have come back before the worker did."""
        def pid():
            with contextlib.suppress(OSError, AssertionError):
                found = self.platform.worker_pid(tenant, role)
                return found if found and alive(found) else None
            return None
        return wait_for(pid, 'the %s worker of %s' % (role, tenant))

    def signal(self, pid, number):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)

    def kill(self, pid):
        since = time.monotonic()
        self.signal(pid, signal.SIGKILL)
        return since

    def hold(self, pid, tenants, of_store=False):
        """SIGSTOP, mostly for less than the heartbeat's limit, sometimes for more: then it is replaced."""
        seconds = self.chance.choice([1, 2, 3, 5]) if self.chance.random() < self.scene.short else 18
        self.signal(pid, signal.SIGSTOP)
        last(seconds)
        self.signal(pid, signal.SIGCONT)
        return Ended(time.monotonic(), tenants, of_store=of_store, note='%d s' % seconds)

    # ---- processes of ours ----

    def kill_stream(self):
        tenant = self.tenant()
        return Ended(self.kill(self.worker(tenant, 'stream')), [tenant], another_worker=True, note=tenant)

    def kill_batch(self):
        tenant = self.tenant()
        return Ended(self.kill(self.worker(tenant, 'batch')), [tenant], of_store=True, note=tenant)

    def kill_api(self):
        return Ended(self.kill(self.scene.api_pid()), self.scene.tenants, of_store=True)

    def kill_supervisor(self):
        since = time.monotonic()
        self.platform.kill()
        self.platform.start(ready=False)        # as an init system does
        return Ended(since, self.scene.tenants, another_worker=True)

    def stop_stream(self):
        tenant = self.tenant()
        return self.hold(self.worker(tenant, 'stream'), [tenant])

    def stop_batch(self):
        tenant = self.tenant()
        return self.hold(self.worker(tenant, 'batch'), [tenant], of_store=True)

    def stop_api(self):
        return self.hold(self.scene.api_pid(), self.scene.tenants, of_store=True)

    def stop_supervisor(self):
        return self.hold(self.platform.process.pid, self.scene.tenants)

    # ---- the broker ----

    def kill_broker(self):
        self.scene.broker.kill()
        last(self.chance.choice([0, 2, 4]))
        self.scene.broker.start()
        return Ended(time.monotonic(), self.scene.tenants)

    def connections(self, of, at_least):
        """Their names, once its statistics have come to know so many."""
        names = [c['name'] for c in management('GET', '/api/connections') or [] if of in c.get('user', '')]
        return names if len(names) >= at_least else None

    def close_them(self, of, workers):
        """All of that user's; each worker has two."""
        names = wait_for(lambda: self.connections(of, 2 * workers), 'the broker to count its connections')
        for name in names:
            with contextlib.suppress(urllib.error.HTTPError):       # 500: it went by itself meanwhile
                management('DELETE', '/api/connections/' + urllib.parse.quote(name, safe=''))
        return '%d connections' % len(names)

    def close_connections(self):
        note = self.close_them('', 2 * len(self.scene.tenants))
        return Ended(time.monotonic(), self.scene.tenants, note=note)

    def alarm(self, setting, bad, good):
        self.scene.broker.call('ctl', setting, bad)
        try:
            last(self.chance.choice([1, 2, 4]))
        finally:
            self.scene.broker.call('ctl', setting, good)
        return Ended(time.monotonic(), self.scene.tenants)

    def memory_alarm(self):
        return self.alarm('set_vm_memory_high_watermark', '0.00001', '0.4')

    def disk_alarm(self):
        return self.alarm('set_disk_free_limit', '900GB', '200MB')

    # ---- the store ----

    def kill_store(self):
        self.scene.store.kill()
        last(self.chance.choice([0, 2, 4]))
        self.scene.store.start()
        return Ended(time.monotonic(), self.scene.tenants, of_store=True)

    def stop_store(self):
        pid = self.scene.store.pid
        self.signal(pid, signal.SIGSTOP)
        last(self.chance.choice([2, 4, 12]))
        self.signal(pid, signal.SIGCONT)
        return Ended(time.monotonic(), self.scene.tenants, of_store=True)

    def slow_store(self):
        """It works for a tenth of the time only."""
        pid, end = self.scene.store.pid, time.monotonic() + 6
        while time.monotonic() < end:
            self.signal(pid, signal.SIGSTOP)
            last(0.18)
            self.signal(pid, signal.SIGCONT)
            last(0.02)
        return Ended(time.monotonic(), self.scene.tenants, of_store=True)

    def lock_store(self):
        """Another process holds a file of the store locked: nobody can write it."""
        name = self.chance.choice(['stream.db', 'batch.db'])
        tenant = self.tenant()
        with contextlib.closing(sqlite3.connect('%s/tenants/%s/%s' % (self.platform.data, tenant, name), timeout=30,
                                                isolation_level=None)) as file:
            file.execute('BEGIN IMMEDIATE')
            last(self.chance.choice([1, 4, 8]))
            file.execute('ROLLBACK')
        return Ended(time.monotonic(), [tenant], of_store=True, note='%s of %s' % (name, tenant))

    def full_disk(self):
        ballast = self.platform.data + '/ballast'
        try:
            with contextlib.suppress(OSError), open(ballast, 'wb', buffering=0) as f:
                for size in (1 << 20, 4096, 512):
                    with contextlib.suppress(OSError):
                        while True:
                            f.write(b'x' * size)
            last(self.chance.choice([1, 3, 6]))
        finally:
            os.unlink(ballast)
        return Ended(time.monotonic(), self.scene.tenants, of_store=True)

    # ---- limits of a running process ----

    @contextlib.contextmanager
    def limited(self, pid, what, soft):
        before = resource.prlimit(pid, what)
        resource.prlimit(pid, what, (soft, before[1]))
        try:
            yield
        finally:
            with contextlib.suppress(ProcessLookupError):
                resource.prlimit(pid, what, before)

    def no_descriptors(self):
        """None is left, and it needs some: its connections are closed."""
        tenant, role = self.tenant(), self.chance.choice(['stream', 'batch'])
        pid = self.worker(tenant, role)
        taken = {int(fd) for fd in os.listdir('/proc/%d/fd' % pid)}
        with self.limited(pid, resource.RLIMIT_NOFILE, min(set(range(len(taken) + 1)) - taken)):
            self.close_them('belltower-worker-' + tenant, 2)
            last(self.chance.choice([1, 3, 6]))
        return Ended(time.monotonic(), [tenant], of_store=True, note='%s of %s' % (role, tenant))

    def no_memory(self):
        """It may take no more memory than it has; what it does with it, is not said here."""
        tenant, role = self.tenant(), self.chance.choice(['stream', 'batch'])
        pid = self.worker(tenant, role)
        with open('/proc/%d/statm' % pid) as f:
            pages = int(f.read().split()[0])
        with self.limited(pid, resource.RLIMIT_AS, pages * resource.getpagesize()):
            self.close_them('belltower-worker-' + tenant, 2)
            last(self.chance.choice([2, 4]))
        return Ended(time.monotonic(), [tenant], of_store=True,
                     note='%s of %s %s' % (role, tenant, 'lived' if alive(pid) else 'died'))

    # ---- what operators do ----

    def update(self):
        tenant = self.tenant()
        return Ended(time.monotonic(), [tenant], note='%s to version %d' % (tenant, self.scene.update(tenant)))

    def pause(self):
        tenant = self.tenant()
        for verb in ('pause', 'resume'):
            wait_for(lambda verb=verb: self.scene.post('/v1/tenants/%s/%s' % (tenant, verb)) == 200, 'the %s' % verb)
            last(self.chance.choice([0, 1, 3]) if verb == 'pause' else 0)
        return Ended(time.monotonic(), [tenant], note=tenant)


def draw(table, chance):
    names = list(table)
    return chance.choices(names, [table[n][1] for n in names])[0]


def only(table, wanted):
    unknown = set(wanted) - set(table)
    assert not unknown, 'not possible here, or no fault: %s; there are %s' % (', '.join(unknown), ', '.join(table))
    return {name: table[name] for name in table if not wanted or name in wanted}


def of_seed(seed):
    return random.Random('faults %d' % seed)
