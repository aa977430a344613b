"""The whole platform with a broker and a store of its own, and tenants under load."""
import contextlib
import http.client
import os
import re
import shutil
import tempfile
import threading
import time
import urllib.parse

from harness import BIN, Platform, management, rabbitmq_port, read, small_disk, wait_for
from faults import Script
from judge import Judge
import load

RECOVERY_S = 60
SETTLE_S = 180


class Caller(load.Worker):
    """Uploads events and asks for runs by REST, each call repeated under its key until it is acknowledged."""
    RUNS = 5                                    # one call in so many asks for a run

    def __init__(self, platform, seed, producers):
        super().__init__('caller')
        self.platform, self.producers = platform, producers
        self.messages = load.Messages(seed, 'uploads')
        self.uploads = {p.tenant: [] for p in producers}
        self.runs = {p.tenant: [] for p in producers}
        self.number, self.call = 0, None

    def work(self):
        while not self.stopping.is_set():
            self.call = self.call or self.next_call()           # again means the same again
            tenant, kept, path, kind, body = self.call
            key = 'u%d' % self.number
            if self.acknowledged('/v1/tenants/%s/%s' % (tenant, path), body, {'Content-Type': kind, 'Idempotency-Key': key}):
                kept.append(key)
                self.number, self.call = self.number + 1, None
            self.stopping.wait(0.7)

    def next_call(self):
        producer = self.producers[self.number % len(self.producers)]
        tenant = producer.tenant
        if self.number % self.RUNS == self.RUNS - 1:
            return tenant, self.runs[tenant], 'jobs/%s/runs' % load.JOB['name'], 'application/json', '{"range": "2m"}'
        return tenant, self.uploads[tenant], 'events', 'application/x-ndjson', self.messages.event_at(producer.confirmed)

    def acknowledged(self, path, body, headers):
        with contextlib.suppress(OSError, http.client.HTTPException):
            return self.platform.request('POST', path, body, headers=headers, timeout=20).status in (200, 202)
        return False


class Scene:
    def __init__(self, seed, store, tenants, disk_kilobytes):
        self.seed, self.tenants = seed, ['chaos-%d' % (i + 1) for i in range(tenants)]
        self.versions = dict.fromkeys(self.tenants, 1)
        self.sanitized = b'__asan_init' in read(BIN + '/belltower-stream', 'rb')
        self.short = 0.85                       # share of stops that are shorter than the heartbeat's limit
        self.store, self.small_disk, self.ended = None, False, contextlib.ExitStack()
        try:
            self.begin(store, disk_kilobytes)
        except BaseException:
            self.ended.close()
            raise

    # ---- coming and going ----

    def begin(self, store, disk_kilobytes):
        uri = None
        self.dir = tempfile.mkdtemp(prefix='belltower-chaos-')
        self.ended.callback(shutil.rmtree, self.dir, ignore_errors=True)
        self.broker = self.server('rabbitmq')
        self.broker.start()
        self.address = 'amqp://127.0.0.1:%s' % self.broker.port
        os.environ['RABBITMQ_URL'] = self.address
        os.environ['RABBITMQ_MANAGEMENT'] = 'http://guest:guest@127.0.0.1:%d' % (int(self.broker.port) + 10000)
        if store == 'mongodb':
            self.store = self.server('test-mongodb')
            uri = self.uri(self.start_store())
        self.platform = Platform('chaos', coredms=uri)
        self.ended.callback(self.platform.close)
        if not self.store:
            self.limit_disk(disk_kilobytes)
        self.platform.start()
        self.producers, self.watchers = [], {}
        for index, tenant in enumerate(self.tenants):
            self.begin_tenant(tenant, index)
        self.caller = Caller(self.platform, self.seed, self.producers)
        self.begin_worker(self.caller)

    def server(self, script):
        server = Script(script, '%s/%s' % (self.dir, script), rabbitmq_port())
        self.ended.callback(server.stop)
        return server

    def start_store(self):
        try:
            return self.store.start()
        except AssertionError as e:
            if os.environ.get('CI'):
                raise
            print('SKIPPED: no MongoDB-protocol server: %s' % e, flush=True)
            raise SystemExit(0) from None

    @staticmethod
    def uri(printed):
        return urllib.parse.urlsplit(printed.split()[-1])._replace(path='/chaos').geturl()

    def limit_disk(self, kilobytes):
        with contextlib.ExitStack() as mounted:
            try:
                mounted.enter_context(small_disk(self.platform.data, kilobytes))
            except Exception as e:
                print('LEFT OUT full-disk: %s' % e, flush=True)
                return
            self.small_disk = True
            self.ended.push(mounted.pop_all())
            self.ended.callback(self.platform.stop)

    def begin_tenant(self, tenant, index):
        self.platform.onboard(load.app(tenant, index, 1))
        self.tap_triggers(tenant)
        broker = self.platform.credentials[tenant]['broker']
        self.watchers[tenant] = load.Watcher(tenant, broker, self.address)
        self.producers.append(load.Producer(tenant, self.seed, broker, self.address, load.PACE['mongodb' if self.store else 'sqlite']))
        self.begin_worker(self.watchers[tenant])
        self.begin_worker(self.producers[-1])

    def begin_worker(self, worker):
        worker.start()
        self.ended.callback(worker.stopping.set)

    def tap_triggers(self, tenant):
        """A log beside the trigger queue, which keeps what was published."""
        vhost, queue = self.platform.vhost, 'chaos.triggers.' + tenant
        management('PUT', '/api/queues/%s/%s' % (vhost, queue), {'durable': True, 'arguments': {'x-queue-type': 'stream'}})
        management('POST', '/api/bindings/%s/e/belltower.triggers/q/%s' % (vhost, queue), {'routing_key': tenant + '.#'})

    def close(self):
        self.ended.close()

    # ---- what faults need ----

    def api_pid(self):
        return int(re.findall(r'API started, pid (\d+)', self.platform.log())[-1])

    def post(self, path, body=None):
        with contextlib.suppress(OSError, http.client.HTTPException):
            return self.platform.request('POST', path, body, timeout=20).status
        return None

    def update(self, tenant):
        version = self.versions[tenant] + 1
        text = load.app(tenant, self.tenants.index(tenant), version)

        def taken():
            with contextlib.suppress(OSError, http.client.HTTPException):
                answer = self.platform.request('PUT', '/v1/tenants/%s/app' % tenant, text, headers={'Content-Type': 'application/yaml'})
                return answer.status in (200, 202)
            return False
        wait_for(taken, 'an update of %s' % tenant)
        self.versions[tenant] = version
        return version

    # ---- recovery ----

    def arm(self):
        return {t: w.probe(another_worker=True) for t, w in self.watchers.items()}

    def recovered(self, armed, ended):
        """Seconds until the next result (of_store: stored result) of each tenant that the fault befell. All of them are waited for."""
        probes = {t: armed[t] if ended.another_worker and t in ended.tenants else w.probe(False) for t, w in self.watchers.items()}
        stored, newest = {}, {t: w.window for t, w in self.watchers.items()}
        limit = max(time.monotonic(), ended.since) + RECOVERY_S
        while any(p.at is None for p in probes.values()) or len(stored) < len(probes):
            self.fail_if_late(limit, probes, stored)
            for tenant in probes.keys() - stored.keys():
                if self.is_stored_since(tenant, newest[tenant]):
                    stored[tenant] = time.monotonic()
            time.sleep(0.05)
        when = stored if ended.of_store else {t: p.at for t, p in probes.items()}
        return [max(0.0, when[t] - ended.since) for t in ended.tenants]

    def is_stored_since(self, tenant, window):
        with contextlib.suppress(OSError, http.client.HTTPException, AssertionError, ValueError):
            since = '&from=' + window.replace('Z', '.001Z') if window else ''
            path = '/v1/tenants/%s/results?limit=1%s' % (tenant, since)
            return bool(self.platform.get(path, timeout=10)['results'])
        return False

    def fail_if_late(self, limit, probes, stored):
        for worker in [*self.producers, *self.watchers.values(), self.caller]:
            if worker.failure:
                raise worker.failure
        if time.monotonic() > limit:
            lacking = ['%s: no new result' % t for t, p in probes.items() if p.at is None]
            lacking += ['%s: none stored' % t for t in probes.keys() - stored.keys()]
            raise AssertionError('not recovered after %d s: %s\n%s' % (RECOVERY_S, '; '.join(lacking), self.states()))

    def states(self):
        lines = []
        for tenant in self.tenants:
            with contextlib.suppress(Exception):
                for role, w in self.platform.status(tenant)['workers'].items():
                    lines.append('  %s %s: %s, %s, %r, last exit %s' % (tenant, role, w['state'], w['does'], w['words'], w['last_exit']))
        return '\n'.join(lines + ['the last of its log:', *self.platform.log().splitlines()[-40:]])

    # ---- the end ----

    def finish(self):
        """Ends the load and the data; gives a judge of each tenant once all is there that must be."""
        for worker in [self.caller, *self.producers]:
            worker.stop()
        for tenant in self.tenants:
            if not load.has_all_streams(self.versions[tenant]):
                self.update(tenant)             # REST lists the streams of the present app
        for tenant in self.tenants:
            wait_for(lambda t=tenant: self.post('/v1/tenants/%s/events/end' % t) == 200, 'the end of the data of ' + tenant)
        judges = [Judge(self.platform, self.address, t, load.app(t, i, 1), self.caller.runs[t]) for i, t in enumerate(self.tenants)]
        for judge, producer in zip(judges, self.producers):
            try:
                judge.settle(SETTLE_S)
            except AssertionError as e:
                judge.verdict.differ('%s\n%s', e, self.states())
            judge.judge_log(producer.confirmed, producer.messages, self.caller.uploads[producer.tenant])
            self.look_at_workers(judge.verdict)
        for watcher in self.watchers.values():
            watcher.stop()
        return judges

    def look_at_workers(self, verdict):
        for role, worker in self.platform.status(verdict.tenant)['workers'].items():
            if worker['state'] != 'up':
                verdict.differ('its %s worker is %s: %s', role, worker['state'], worker['words'])
