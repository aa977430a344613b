"""The platform end to end, over the real broker and store: what comes out equals the slow reference, whatever is killed meanwhile."""
import collections
import contextlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.parse

import pika

from harness import (BIN, ROOT, Platform, PlatformTest, alive, free_port, management, published, rabbitmq, rabbitmq_port, read,
                     send_in_background, small_disk, tenant_app, wait_for)

APP = '''tenant: acme
events:
  time: { field: event_time, format: "%Y-%m-%d %H:%M:%S UTC", out_of_orderness: 20s, idle_after: 1h }
  fields:
    station_id: int
    datapoint_id: int
    value: float
    valueThreshold: { type: float, default: 999999 }
    isActive: bool
streams:
  - name: alarms
    where: value > valueThreshold
    key: [station_id, datapoint_id]
    window: { tumbling: 5m, allowed_lateness: 30s }
    select: { alarm_fire_count: count(), highest: max(value), kinds: distinct(isActive) }
  - name: pressure
    key: [station_id]
    window: { sliding: 10m, every: 5m }
    select: { readings: count(), mean: avg(value) }
triggers:
  - { name: storm, on: alarms, when: alarm_fire_count >= 5, cooldown: 10m, run: last-hour }
jobs:
  - { name: last-hour, from: alarms, range: 1h, by: [station_id], select: { alarm_fire_count: sum(alarm_fire_count) } }
'''


def simulate(platform, *options):
    path = platform.dir + '/readings.csv'
    done = platform.command('simulate', '--out', path, *options)
    assert done.returncode == 0, done.stderr
    return path


def reference(platform, app, data):
    """The results of the slow reference, each in its highest revision, and the triggers' ids."""
    with open(platform.dir + '/app.yaml', 'w') as f:
        f.write(app)
    done = subprocess.run(['/usr/bin/python3', ROOT + '/tests/reference/reference.py', platform.dir + '/app.yaml', '--lines', data],
                          capture_output=True, text=True, check=True)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    results = final(r['body'] for r in rows if r['kind'] == 'result')
    return results, {r['id'] for r in rows if r['kind'] == 'trigger'}


def final(bodies):
    results = {}
    for body in bodies:
        key = (body['stream'], body['window_start'], body['station_id'], body.get('datapoint_id'))
        if key not in results or results[key]['revision'] < body['revision']:
            results[key] = body
    return results


def rounded(results):
    """Floats of two readers may differ by 1e-9 relative."""
    return {k: {n: float('%.9g' % v) if isinstance(v, float) else v for n, v in body.items()} for k, body in results.items()}


def all_stored(platform, tenant, expected):
    with contextlib.suppress(OSError, AssertionError, ValueError):
        return len(final(platform.results(tenant))) >= expected and platform.status(tenant)['at_end']
    return False


class Killed(unittest.TestCase):
    """kill -9 of each process, one after another, in the middle of a load."""

    def progress(self, platform, more):
        """Waits until the stream worker has read so many further messages."""
        def offset():
            with contextlib.suppress(Exception):
                return platform.status('acme')['counters']['offset']
            return -1
        start = wait_for(lambda: offset() + 1, 'a status') - 1
        wait_for(lambda: offset() >= start + more, '%d more messages to be read' % more)

    def kill_worker(self, platform, role):
        pid = wait_for(lambda: platform.worker_pid('acme', role), 'the %s worker' % role)
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: platform.worker_pid('acme', role) not in (None, pid), 'a new %s worker' % role)

    def kill_api(self, platform):
        pid = int(subprocess.run(['pgrep', '-P', str(platform.process.pid), '-f', 'belltower-api'], capture_output=True, text=True).stdout.split()[0])
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not alive(pid), 'the API to end')
        wait_for(platform.ready, 'a new API')

    def kill_supervisor(self, platform):
        children = [int(p) for p in subprocess.run(['pgrep', '-P', str(platform.process.pid)], capture_output=True, text=True).stdout.split()]
        platform.kill()
        for pid in children:
            wait_for(lambda pid=pid: not alive(pid), 'its children to leave')
        platform.start()

    def run_with(self, coredms=None):
        platform = Platform('killed', coredms=coredms)
        try:
            platform.start()
            data = simulate(platform, '--stations', 6, '--hours', 5, '--seed', 11, '--storms', 2, '--disorder', '60s')
            expected, triggers = reference(platform, APP, data)
            platform.onboard(APP)
            sender = send_in_background(platform, 'acme', data, 3000)
            for kill in (lambda: self.kill_worker(platform, 'stream'), lambda: self.kill_worker(platform, 'batch'),
                         lambda: self.kill_api(platform), lambda: self.kill_supervisor(platform),
                         lambda: self.kill_worker(platform, 'stream')):
                self.progress(platform, 60)
                kill()
            self.assertEqual(sender.wait(120), 0, sender.stderr.read())
            sender.stderr.close()
            self.assertEqual(platform.request('POST', '/v1/tenants/acme/events/end').status, 200)
            wait_for(lambda: all_stored(platform, 'acme', len(expected)), 'all results to be stored', 120)
            self.assertEqual(rounded(final(platform.results('acme'))), rounded(expected))
            ids = collections.Counter(i for i, _ in published(platform, 'acme'))
            self.assertEqual([i for i, n in ids.items() if n > 1], [])      # no customer sees a repeat
            runs = wait_for(lambda: self.done_runs(platform, len(triggers)), 'the triggers\' runs')
            self.assertEqual({r['run'] for r in runs}, triggers)
        finally:
            platform.close()

    def done_runs(self, platform, count):
        runs = platform.get('/v1/tenants/acme/runs?cause=trigger&limit=1000')['runs']
        return runs if len(runs) >= count and all(r['state'] == 'done' for r in runs) else None

    def test_on_sqlite(self):
        self.run_with()

    def test_on_mongodb(self):
        uri = os.environ.get('BELLTOWER_TEST_MONGODB')
        if not uri:
            self.assertFalse(os.environ.get('CI'), 'no MongoDB-protocol server: set BELLTOWER_TEST_MONGODB')
            self.skipTest('no MongoDB-protocol server: set BELLTOWER_TEST_MONGODB')
        parts = urllib.parse.urlsplit(uri)
        self.run_with(parts._replace(path='/killed_%d' % os.getpid()).geturl())


class Consumer(PlatformTest):
    def test_the_example_consumer_reads_each_result_once_over_restarts(self):
        p = self.platform
        p.onboard(APP)
        data = simulate(p, '--stations', 2, '--hours', 2, '--seed', 3)
        expected, _ = reference(p, APP, data)
        p.upload('acme', read(data), 'text/csv', end=True)
        wait_for(lambda: all_stored(p, 'acme', len(expected)), 'all results')
        kept = p.dir + '/client.json'
        with open(kept, 'w') as f:
            json.dump(p.credentials['acme'], f)
        rows = []
        for _ in range(2):      # the second run must find nothing again
            done = subprocess.run(['/usr/bin/python3', ROOT + '/examples/consumer.py', kept, 'belltower.results.acme', p.dir + '/offset',
                                   '--until-quiet', '2'], capture_output=True, text=True, timeout=60)
            self.assertEqual(done.returncode, 0, done.stderr)
            rows += [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual(len(rows), len(published(p, 'acme')))
        self.assertEqual(rounded(final(rows)), rounded(expected))

    def test_the_example_producer_publishes_each_event_once_though_it_runs_twice(self):
        p = self.platform
        p.onboard(tenant_app('site', APP))
        data = simulate(p, '--stations', 2, '--hours', 2, '--seed', 4, '--format', 'ndjson')
        kept = p.dir + '/site.json'
        with open(kept, 'w') as f:
            json.dump(p.credentials['site'], f)
        for _ in range(2):
            done = subprocess.run(['/usr/bin/python3', ROOT + '/examples/producer.py', kept, 'site-7', data], capture_output=True, text=True, timeout=60)
            self.assertEqual(done.returncode, 0, done.stderr)
        lines = read(data).splitlines()
        messages = -(-len(lines) // 100)
        wait_for(lambda: p.status('site')['counters']['messages'] >= 2 * messages, 'all messages to be read')
        counters = p.status('site')['counters']
        self.assertEqual((counters['events'], counters['repeats'], counters['dead']), (len(lines), messages, 0))

    def test_following_shows_the_newest_results_and_then_each_new_one(self):
        p = self.platform
        p.onboard(tenant_app('follow', APP))
        data = simulate(p, '--stations', 2, '--hours', 4, '--seed', 5)
        expected, _ = reference(p, APP, data)
        lines = read(data).splitlines(True)
        half = len(lines) // 2
        p.upload('follow', ''.join(lines[:half]), 'text/csv')

        def settled():
            status = p.status('follow')
            return status['at_end'] and status['counters']['results_stored'] >= status['counters']['results'] > 3
        wait_for(settled, 'the first results')
        before = p.results('follow', '&ids=true')
        out = p.dir + '/followed'
        with open(out, 'w') as f:
            follower = subprocess.Popen([BIN + '/belltower', 'results', 'follow', '--follow', '--limit', '3', '-o', 'json'],
                                        env=p.environment, stdout=f, stderr=subprocess.PIPE, text=True)
        try:
            def shown():
                return [json.loads(line) for line in read(out).splitlines(True) if line.endswith('\n')]
            wait_for(lambda: len(shown()) >= 3, 'the newest rows')
            self.assertEqual(shown()[:3], before[-3:])
            p.upload('follow', lines[0] + ''.join(lines[half:]), 'text/csv', end=True)
            wait_for(lambda: all_stored(p, 'follow', len(expected)), 'all results')
            new = [row for row in p.results('follow', '&ids=true') if row not in before]
            self.assertGreater(len(new), 3)
            wait_for(lambda: len(shown()) >= 3 + len(new), 'the new rows')
            self.assertEqual(sorted(map(str, shown()[3:])), sorted(map(str, new)))
        finally:
            follower.terminate()
            follower.communicate()


class Broker(unittest.TestCase):
    """A broker that is not there, comes, is killed and comes back."""

    def broker(self, verb, *more):
        subprocess.run([ROOT + '/scripts/rabbitmq', verb, self.dir, *more], check=True, capture_output=True)

    def own_broker(self):
        """A platform for a broker of its own, which is not started yet."""
        port = rabbitmq_port()
        platform = Platform('broker', broker='amqp://127.0.0.1:%d/belltower' % port,
                            settings={'BELLTOWER_MANAGEMENT': 'http://guest:guest@127.0.0.1:%d' % (port + 10000)})
        self.dir = tempfile.mkdtemp(prefix='belltower-rabbitmq-')   # not in the platform's, which goes first
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)
        return platform, port

    def words(self, platform, role):
        return platform.status('acme')['workers'][role]['words']

    def test_alarms_and_closed_connections_lose_nothing(self):
        platform, port = self.own_broker()
        try:
            self.broker('start', str(port))
            platform.start()
            platform.onboard(APP)
            data = simulate(platform, '--stations', 3, '--hours', 4, '--seed', 6, '--disorder', '60s')
            expected, _ = reference(platform, APP, data)
            lines = read(data).splitlines(True)
            parts = [lines[1 + k * (len(lines) - 1) // 4:1 + (k + 1) * (len(lines) - 1) // 4] for k in range(4)]
            pids = {role: platform.worker_pid('acme', role) for role in ('stream', 'batch')}
            disturbances = (lambda: None, self.close_connections, self.memory_alarm, self.stop_for_a_moment)
            for part, disturb in zip(parts, disturbances):
                disturb_later = threading.Thread(target=self.disturb, args=(disturb, platform))
                disturb_later.start()
                self.upload_all(platform, lines[0] + ''.join(part), 'part-%d' % parts.index(part))
                disturb_later.join()
            self.assertEqual(platform.request('POST', '/v1/tenants/acme/events/end').status, 200)
            wait_for(lambda: all_stored(platform, 'acme', len(expected)), 'all results to be stored', 120)
            self.assertEqual(rounded(final(platform.results('acme'))), rounded(expected))
            self.assertEqual({role: platform.worker_pid('acme', role) for role in pids}, pids)      # none of it kills a worker
        finally:
            platform.close()
            self.broker('stop')

    def disturb(self, what, platform):
        self.platform = platform
        what()

    def upload_all(self, platform, body, key):
        """Again with the same key until it is confirmed: nothing counts twice."""
        wait_for(lambda: platform.upload('acme', body, 'text/csv', key=key).status == 200, 'an upload to be confirmed', 90)

    def admin(self, method, path):
        url = self.platform.environment['BELLTOWER_MANAGEMENT']
        done = subprocess.run(['curl', '-fsS', '-X', method, url + path], capture_output=True, text=True)
        return json.loads(done.stdout) if done.stdout else None

    def close_connections(self):
        for connection in wait_for(lambda: self.admin('GET', '/api/connections'), 'the broker to count its connections'):
            self.admin('DELETE', '/api/connections/' + urllib.parse.quote(connection['name'], safe=''))

    def memory_alarm(self):
        self.broker('ctl', 'set_vm_memory_high_watermark', '0.00001')
        wait_for(lambda: 'blocks publishers' in self.words(self.platform, 'stream') or self.platform.status('acme')['at_end'], 'an alarm or its end')
        self.broker('ctl', 'set_vm_memory_high_watermark', '0.4')

    def stop_for_a_moment(self):
        pid = self.platform.worker_pid('acme', 'stream')
        os.kill(pid, signal.SIGSTOP)
        threading.Event().wait(5)       # not a wait for a condition: the fault itself takes its time
        os.kill(pid, signal.SIGCONT)

    def test_it_is_waited_for_and_gone_on_with(self):
        platform, port = self.own_broker()
        try:
            platform.start(ready=False)
            answer = wait_for(lambda: self.readyz(platform), 'the API to answer without a broker')
            self.assertEqual(answer.status, 503)
            self.assertIn('broker', answer.text)
            self.broker('start', str(port))
            wait_for(platform.ready, 'the platform to find the broker', 60)
            platform.onboard(APP)
            data = simulate(platform, '--stations', 3, '--hours', 3, '--seed', 5, '--disorder', '60s')
            expected, _ = reference(platform, APP, data)
            lines = read(data).splitlines(True)
            half = len(lines) // 2
            first = platform.upload('acme', ''.join(lines[:half]), 'text/csv')
            self.assertEqual((first.status, first.json['accepted']), (200, half - 1), first)
            pid = platform.worker_pid('acme', 'stream')
            self.broker('kill')
            wait_for(lambda: 'broker' in platform.status('acme')['workers']['stream']['words'], 'the worker to say that the broker is away')
            self.assertEqual(platform.upload('acme', lines[0] + lines[half], 'text/csv').status, 503)
            self.broker('start', str(port))
            wait_for(platform.ready, 'the platform to find the broker again', 60)
            second = platform.upload('acme', lines[0] + ''.join(lines[half:]), 'text/csv', end=True)
            self.assertEqual((second.status, second.json['accepted']), (200, len(lines) - half), second)
            wait_for(lambda: all_stored(platform, 'acme', len(expected)), 'all results to be stored', 90)
            self.assertEqual(rounded(final(platform.results('acme'))), rounded(expected))
            self.assertEqual(platform.worker_pid('acme', 'stream'), pid)        # it waited; it did not die
        finally:
            platform.close()
            self.broker('stop')

    def readyz(self, platform):
        with contextlib.suppress(OSError):
            return platform.request('GET', '/readyz')
        return None


class Refused(PlatformTest):
    def test_a_port_in_use_is_said_and_ends_it(self):
        other = Platform('port', settings={'BELLTOWER_LISTEN': '127.0.0.1:%d' % self.platform.port})
        try:
            other.start(ready=False)
            self.assertEqual(other.process.wait(30), 1)
            self.assertIn('in use', other.log())
        finally:
            other.close()

    def test_a_second_platform_on_the_same_data_is_refused(self):
        done = subprocess.run([BIN + '/belltowerd', '--listen', '127.0.0.1:%d' % free_port()], env=self.platform.environment,
                              capture_output=True, text=True, timeout=30)
        self.assertEqual(done.returncode, 1)
        self.assertIn('another belltowerd already runs', done.stderr)

    def test_a_data_directory_that_cannot_be_made_is_named(self):
        done = subprocess.run([BIN + '/belltowerd', '--data', '/proc/belltower'], env=self.platform.environment,
                              capture_output=True, text=True, timeout=30)
        self.assertEqual(done.returncode, 1)
        self.assertIn('/proc/belltower', done.stderr)


class Disk(unittest.TestCase):
    def test_a_full_disk_pauses_and_loses_nothing(self):
        platform = Platform('disk')
        with small_disk(platform.data, 4096):
            try:
                platform.start()
                platform.onboard(APP)
                data = simulate(platform, '--stations', 3, '--hours', 2, '--seed', 9)
                expected, _ = reference(platform, APP, data)
                with open(platform.data + '/ballast', 'wb', buffering=0) as f:
                    with contextlib.suppress(OSError):
                        while True:
                            f.write(b'x' * 4096)
                platform.upload('acme', read(data), 'text/csv', end=True)

                def says_so():
                    workers = platform.status('acme')['workers']
                    return any('full' in w['words'] or 'space' in w['words'] for w in workers.values())
                wait_for(says_so, 'a worker to say that the disk is full')
                os.unlink(platform.data + '/ballast')
                wait_for(lambda: all_stored(platform, 'acme', len(expected)), 'all results once there is room again')
                self.assertEqual(rounded(final(platform.results('acme'))), rounded(expected))
            finally:
                platform.close()


class SlowStore(PlatformTest):
    APP = 'tenant: slow\nevents:\n  time: { field: t, format: unix, idle_after: 1h }\n  fields: { k: int }\n' \
          'streams:\n  - { name: s, key: [k], window: { tumbling: 10s }, select: { n: count() } }\n'
    BUSY = 5  # seconds that a save waits for the lock: coredms/sqlite/store.h

    def rows(self):
        return sorted((r['window_start'], r['n']) for r in self.platform.results('slow'))

    def close_window(self, i):
        """One event; it ends the window of the one before."""
        self.platform.upload('slow', json.dumps({'t': 1767225600 + 10 * i, 'k': 1}), 'application/json')

    def test_a_checkpoint_that_takes_its_time_holds_up_no_result_and_no_end(self):
        p, count, longest = self.platform, 0, 0
        p.onboard(self.APP)
        self.close_window(0)
        wait_for(lambda: p.status('slow')['counters']['checkpoints'] > 0, 'a checkpoint, so that the file is there')
        with contextlib.closing(sqlite3.connect(p.data + '/tenants/slow/stream.db', isolation_level=None)) as other:
            other.execute('BEGIN IMMEDIATE')  # no checkpoint can be saved
            end = time.monotonic() + 2 * self.BUSY
            while time.monotonic() < end:
                began = time.monotonic()
                count += 1
                self.close_window(count)
                wait_for(lambda: len(self.rows()) == count, 'the result')
                longest = max(longest, time.monotonic() - began)
            self.assertLess(longest, self.BUSY - 1)
            p.request('POST', '/v1/tenants/slow/pause')  # it ends, though a save is under way
            wait_for(lambda: not p.status('slow')['workers']['stream']['pid'], 'its end')
            other.execute('ROLLBACK')
            p.request('POST', '/v1/tenants/slow/resume')
            self.close_window(count + 1)
            wait_for(lambda: len(self.rows()) == count + 1, 'the result of the next life')
        self.assertEqual({n for _, n in self.rows()}, {1})
        self.assertEqual(len(published(p, 'slow')), count + 1)  # none was published twice


class Updated(PlatformTest):
    def test_a_removed_name_starts_clean(self):
        p = self.platform
        for generation in (1, 2):
            self.assertEqual(p.onboard(tenant_app('again', APP))['generation'], generation)
            p.upload('again', '{"event_time":"2026-01-01 00:00:00 UTC","station_id":1,"datapoint_id":2,"value":2,"valueThreshold":1,"isActive":true}',
                     end=True, key='same')
            rows = wait_for(lambda: [r for r in p.results('again') if r['stream'] == 'alarms'], 'its result')
            self.assertEqual([r['alarm_fire_count'] for r in rows], [1])
            self.assertEqual(p.request('DELETE', '/v1/tenants/again').status, 204)
            self.assertEqual(p.request('GET', '/v1/tenants/again').status, 404)
            queues = [q['name'] for q in management('GET', '/api/queues/' + p.vhost)]
            self.assertEqual([q for q in queues if 'again' in q], [])
            for user in ('user', 'worker'):
                self.assertIsNone(management('GET', '/api/users/' + p.credentials['again']['broker'][user]))

    def test_an_upload_to_a_log_that_is_gone_is_not_acknowledged(self):
        p = self.platform
        p.onboard(tenant_app('gone', APP))
        management('DELETE', '/api/queues/%s/belltower.events.gone' % p.vhost)
        answer = p.upload('gone', '{"event_time":"2026-01-01 00:00:00 UTC"}', key='lost')
        self.assertEqual(answer.status, 503, answer)
        self.assertEqual(p.request('DELETE', '/v1/tenants/gone').status, 204)

    def test_a_quiet_log_closes_its_windows_by_itself(self):
        p = self.platform
        p.onboard(tenant_app('quiet', APP.replace('idle_after: 1h', 'idle_after: 2s').replace('tumbling: 5m', 'tumbling: 4s').replace('out_of_orderness: 20s', 'out_of_orderness: 0s')))
        p.upload('quiet', '{"event_time":"2026-01-01 00:00:00 UTC","station_id":1,"datapoint_id":2,"value":2,"valueThreshold":1,"isActive":true}')
        wait_for(lambda: [r for r in p.results('quiet') if r['stream'] == 'alarms'], 'the tick', 30)


if __name__ == '__main__':
    unittest.main()
