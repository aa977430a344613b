"""What is left of the guarantees when something goes badly wrong, end to end: rewinds, poison, lost logs, a second worker."""
import contextlib
import json
import mmap
import os
import signal
import sqlite3
import struct
import subprocess
import time
import unittest

import pika

from harness import BIN, PlatformTest, alive, management, published, rabbitmq, read, tenant_app, wait_for

APP = '''tenant: acme
events:
  time: { field: t, format: unix, idle_after: 1h }
  fields: { k: int, v: int }
streams:
  - name: s
    where: v >= 10
    key: [k]
    window: { tumbling: 10s }
    select: { n: count(), total: sum(v) }
'''
BASE = 1767225600  # 2026-01-01


def at(seconds):
    return time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(BASE + seconds))


class GuaranteesTest(PlatformTest):
    def onboard(self, tenant, app=APP):
        self.platform.onboard(tenant_app(tenant, app))

    def send(self, tenant, *events):
        """One message with these (t, k, v)."""
        body = json.dumps([{'t': BASE + t, 'k': k, 'v': v} for t, k, v in events])
        answer = self.platform.upload(tenant, body, 'application/json')
        self.assertEqual(answer.status, 200, answer)

    def publish(self, tenant, *bodies, headers=None):
        """A message of each, as the tenant's producer."""
        broker = self.platform.credentials[tenant]['broker']
        url = pika.URLParameters(rabbitmq()[0])
        connection = pika.BlockingConnection(pika.ConnectionParameters(
            host=url.host, port=url.port, virtual_host=broker['vhost'],
            credentials=pika.PlainCredentials(broker['user'], broker['password'])))
        channel = connection.channel()
        channel.confirm_delivery()
        for body in bodies:
            channel.basic_publish('belltower.in.' + tenant, tenant, body, pika.BasicProperties(headers=headers))
        connection.close()

    def try_against(self, tenant, *more):
        path = '%s/%s.yaml' % (self.platform.dir, tenant)
        with open(path, 'w') as f:
            f.write(tenant_app(tenant, APP))
        return self.platform.command('try', path, '--against', tenant, *more)

    def published(self, tenant):
        """(message_id, body) of all in the tenant's results queue."""
        return [(i, body) for i, body in published(self.platform, tenant)]

    def rows(self, tenant):
        """{(window's start in seconds, k): (n, total)}"""
        return {(self.seconds(r['window_start']), r['k']): (r['n'], r['total']) for r in self.platform.results(tenant)}

    def seconds(self, text):
        return int(time.mktime(time.strptime(text, '%Y-%m-%dT%H:%M:%SZ')) - time.timezone) - BASE

    def expect(self, tenant, rows, seconds=60):
        try:
            wait_for(lambda: self.rows(tenant) == rows, 'the results', seconds)
        except AssertionError:
            self.assertEqual(self.rows(tenant), rows)

    def worker(self, tenant, role='stream'):
        return self.platform.status(tenant)['workers'][role]


class Rewind(GuaranteesTest):
    def load(self, tenant):
        self.onboard(tenant)
        for t in range(0, 60, 2):
            self.send(tenant, (t, 1, t), (t, 2, 5))
        self.platform.request('POST', '/v1/tenants/%s/events/end' % tenant)

    def before(self):
        return {(w, 1): (len(v), sum(v)) for w in range(0, 60, 10)
                for v in [[t for t in range(w, w + 10, 2) if t >= 10]] if v}

    def update(self, tenant, old, new):
        app = tenant_app(tenant, APP.replace(old, new))
        answer = self.platform.request('PUT', '/v1/tenants/%s/app' % tenant, app, headers={'Content-Type': 'application/yaml'})
        self.assertEqual(answer.status, 200, answer)

    def test_a_corrected_app_replaces_what_begins_at_or_after_the_time(self):
        self.load('rewound')
        self.expect('rewound', self.before())
        self.update('rewound', 'v >= 10', 'v >= 34 or v == 5')
        done = self.platform.command('rewind', 'rewound', '--to', at(30))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(json.loads(done.stdout)['generation'], 2)
        wanted = {k: v for k, v in self.before().items() if k[0] < 30}
        for w in range(30, 60, 10):
            wanted[w, 2] = (5, 25)
            kept = [t for t in range(w, w + 10, 2) if t >= 34]
            wanted[w, 1] = (len(kept), sum(kept))
        self.expect('rewound', wanted)

    def test_results_that_no_longer_exist_are_withdrawn(self):
        self.load('withdrawn')
        self.expect('withdrawn', self.before())
        self.update('withdrawn', 'v >= 10', 'v >= 45')
        self.platform.request('POST', '/v1/tenants/withdrawn/rewind', json.dumps({'to': at(20)}))
        wanted = {k: v for k, v in self.before().items() if k[0] < 20}
        wanted[40, 1] = (2, 46 + 48)
        wanted[50, 1] = (5, sum(range(50, 60, 2)))
        self.expect('withdrawn', wanted)

    def test_to_an_offset_and_live_data_goes_on_behind_it(self):
        self.load('offset')
        self.expect('offset', self.before())
        self.update('offset', 'v >= 10', 'v >= 0')
        answer = self.platform.request('POST', '/v1/tenants/offset/rewind', json.dumps({'to': 10}))
        self.assertEqual(answer.status, 202, answer)  # offset 9 has t = 18: windows from 20 on
        self.send('offset', (70, 3, 70))
        self.platform.request('POST', '/v1/tenants/offset/events/end')
        wanted = {k: v for k, v in self.before().items() if k[0] < 20}
        for w in range(20, 60, 10):
            wanted[w, 1] = (5, sum(range(w, w + 10, 2)))
            wanted[w, 2] = (5, 25)
        wanted[70, 3] = (1, 70)
        self.expect('offset', wanted)

    def test_a_window_that_is_open_and_starts_before_it_is_not_lost(self):
        self.onboard('open')
        for t in range(0, 36, 2):
            self.send('open', (t, 1, 20))
        wait_for(lambda: len(self.rows('open')) == 3, 'the closed windows')
        answer = self.platform.request('POST', '/v1/tenants/open/rewind', json.dumps({'to': at(35)}))
        self.assertEqual(answer.status, 202, answer)
        self.send('open', (38, 1, 20), (51, 1, 20))
        self.expect('open', {(0, 1): (5, 100), (10, 1): (5, 100), (20, 1): (5, 100), (30, 1): (4, 80)})

    def test_a_rewind_takes_one_along_that_has_not_caught_up(self):
        self.load('twice')
        self.expect('twice', self.before())
        self.update('twice', 'v >= 10', 'v >= 0')
        self.platform.request('POST', '/v1/tenants/twice/pause')
        for to in (10, 40):
            answer = self.platform.request('POST', '/v1/tenants/twice/rewind', json.dumps({'to': at(to)}))
            self.assertEqual(answer.status, 202, answer)
        self.assertEqual(answer.json['to'], at(10))
        self.platform.request('POST', '/v1/tenants/twice/resume')
        wanted = {(w, k): (5, sum(range(w, w + 10, 2)) if k == 1 else 25) for w in range(10, 60, 10) for k in (1, 2)}
        self.expect('twice', wanted)

    def test_a_worker_killed_in_the_middle_of_it_begins_it_again(self):
        self.load('killed')
        self.expect('killed', self.before())
        self.update('killed', 'v >= 10', 'v >= 0')
        for to in (20, 10, 0):
            self.platform.request('POST', '/v1/tenants/killed/rewind', json.dumps({'to': at(to)}))
            for role in ('stream', 'batch'):
                pid = wait_for(lambda role=role: self.worker('killed', role)['pid'], 'a worker')
                with contextlib.suppress(ProcessLookupError):  # it may be leaving for the next generation
                    os.kill(pid, signal.SIGKILL)
        wanted = {(w, k): (5, sum(range(w, w + 10, 2)) if k == 1 else 25) for w in range(0, 60, 10) for k in (1, 2)}
        self.expect('killed', wanted)

    def test_mistakes_are_told(self):
        self.onboard('mistakes')
        for body, status in (('{}', 400), ('{"to": -1}', 400), ('{"to": "yesterday"}', 400), ('{"to": 1.5}', 400), ('{"too": 1}', 400)):
            answer = self.platform.request('POST', '/v1/tenants/mistakes/rewind', body)
            self.assertIn(answer.status, (400, 422), (body, answer))
        self.assertEqual(self.platform.command('rewind', 'mistakes').returncode, 2)
        self.assertEqual(self.platform.command('rewind', 'nobody', '--to', '5').returncode, 1)


class Update(GuaranteesTest):
    MORE = APP + '''  - name: all
    key: [k]
    window: { tumbling: 10s }
    select: { n: count(), total: sum(v) }
'''

    def test_a_changed_stream_keeps_its_open_windows_and_nothing_is_cut_in_two(self):
        self.onboard('updated')
        for t in (1, 2, 12, 13):
            self.send('updated', (t, 1, 20))
        wait_for(lambda: self.platform.status('updated')['counters']['offset'] == 3, 'what was sent')
        path = self.platform.dir + '/updated.yaml'
        with open(path, 'w') as f:
            f.write(tenant_app('updated', self.MORE.replace('v >= 10', 'v >= 100')))
        wait_for(lambda: any('last_end' in s for s in self.platform.status('updated')['streams']), 'the status')
        done = self.platform.command('tenant', 'update', path, '--plan', '-o', 'json')
        self.assertEqual(done.returncode, 0, done.stderr)
        plan = {(r['what'], r['name']): r for r in map(json.loads, done.stdout.splitlines())}
        self.assertEqual((plan['stream', 's']['change'], plan['stream', 's']['differs']), ('changed', 'where'))
        self.assertIn('begins with windows from ' + at(20)[:-1], plan['stream', 's']['effect'])
        self.assertEqual(plan['stream', 'all']['change'], 'added')
        self.assertEqual(self.platform.status('updated')['version'], 1)
        done = self.platform.command('tenant', 'update', path)
        self.assertEqual(done.returncode, 0, done.stderr)
        for t in (14, 15, 21, 22):
            self.send('updated', (t, 1, 20), (t, 1, 200))
        self.platform.request('POST', '/v1/tenants/updated/events/end')
        rows = lambda stream: {self.seconds(r['window_start']): (r['n'], r['total']) for r in self.platform.results('updated')
                               if r['stream'] == stream}
        wait_for(lambda: len(rows('s')) == 3 and len(rows('all')) == 2, 'the results')
        self.assertEqual(rows('s'), {0: (2, 40), 10: (6, 480), 20: (2, 400)})
        self.assertEqual(rows('all'), {10: (4, 440), 20: (4, 440)})
        done = self.platform.command('verify', 'updated')
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


    def test_results_of_a_stream_that_was_taken_out_stay_readable(self):
        p = self.platform
        extra = '  - { name: extra, key: [k], window: { tumbling: 10s }, select: { most: max(v) } }\n'
        self.onboard('fewer', APP + extra)
        self.send('fewer', (0, 1, 20), (1, 2, 5))
        self.assertEqual(p.request('POST', '/v1/tenants/fewer/events/end').status, 200)
        wait_for(lambda: len(p.results('fewer')) == 3, 'the results')
        both = p.results('fewer')
        answer = p.request('PUT', '/v1/tenants/fewer/app', tenant_app('fewer', APP), headers={'Content-Type': 'application/yaml'})
        self.assertEqual(answer.status, 200, answer)
        wait_for(lambda: 'extra' not in [s['name'] for s in p.status('fewer')['streams']], 'the update')
        self.assertEqual(p.results('fewer'), both)
        self.assertEqual(p.results('fewer', '&stream=extra'), [r for r in both if r['stream'] == 'extra'])
        page = p.get('/v1/tenants/fewer/results?limit=1')
        self.assertEqual(p.get('/v1/tenants/fewer/results?limit=2&cursor=' + page['next'])['results'], both[1:])
        rows = p.request('GET', '/v1/tenants/fewer/results?stream=extra', headers={'Accept': 'text/csv'}).text.splitlines()
        self.assertEqual(len(rows), 3)
        self.assertIn('most', rows[0].split(','))
        answer = p.request('GET', '/v1/tenants/fewer/results?stream=never')
        self.assertEqual(answer.status, 400, answer)
        self.assertIn('no stream "never"', answer.json['detail'])

    def test_a_time_zone_that_the_system_does_not_know_is_refused_at_once(self):
        p = self.platform
        jobs = 'jobs: [ { name: j, from: s, period: day, timezone: %s, select: { n: sum(n) } } ]\n'
        yaml = {'Content-Type': 'application/yaml'}
        answer = p.request('POST', '/v1/tenants', tenant_app('zoned', APP + jobs % 'Mars/Olympus'), headers=yaml)
        self.assertEqual(answer.status, 422, answer)
        self.assertIn('no time zone `Mars/Olympus`', answer.json['detail'])
        self.onboard('zoned', APP + jobs % 'Europe/Helsinki')
        answer = p.request('PUT', '/v1/tenants/zoned/app', tenant_app('zoned', APP + jobs % 'Mars/Olympus'), headers=yaml)
        self.assertEqual(answer.status, 422, answer)
        self.assertEqual(p.status('zoned')['version'], 1)


class Poison(GuaranteesTest):
    IN_MESSAGE = 4 + 4 + 8 + 8 + 8  # base/wire/contract.h: magic, version, heartbeat, generation, blocked_until_ms

    def page_of(self, pid):
        """A process that was forked a moment ago is not the worker yet, and its descriptors are others."""
        def opened():
            with contextlib.suppress(OSError):
                if read('/proc/%d/comm' % pid).startswith('belltower-strea'):
                    return open('/proc/%d/fd/4' % pid, 'rb')
            return None
        return wait_for(opened, 'the page of %d' % pid)

    def kill_in(self, pid, offset):
        """SIGABRT (which sanitizers leave alone) as soon as the worker's page says that it reads the message at that offset; false: it never did."""
        with self.page_of(pid) as f, mmap.mmap(f.fileno(), 4096, prot=mmap.PROT_READ) as page:
            end = time.monotonic() + 30
            while time.monotonic() < end and alive(pid):
                if struct.unpack_from('<q', page, self.IN_MESSAGE)[0] == offset:
                    os.kill(pid, signal.SIGABRT)
                    wait_for(lambda: not alive(pid), 'its death')
                    return True
        return False

    def new_worker(self, old):
        def pid():
            now = self.worker('poisoned')['pid']
            return now if now != old else None
        return wait_for(pid, 'a new worker')

    def test_a_message_that_kills_is_set_aside_and_the_tenant_goes_on(self):
        self.onboard('poisoned')
        self.send('poisoned', (0, 1, 10), (1, 1, 11))
        wait_for(lambda: self.platform.status('poisoned')['counters']['offset'] == 0, 'the first message')
        self.platform.request('POST', '/v1/tenants/poisoned/pause')
        wait_for(lambda: not self.worker('poisoned')['pid'], 'the pause')
        self.publish('poisoned', json.dumps([{'t': BASE + 2, 'k': k % 50, 'v': 10} for k in range(20000)]))
        self.send('poisoned', (3, 1, 12))
        self.platform.request('POST', '/v1/tenants/poisoned/events/end')
        self.platform.request('POST', '/v1/tenants/poisoned/resume')
        pid = None
        for _ in range(3):
            pid = self.new_worker(pid)
            self.assertTrue(self.kill_in(pid, 1))
        self.expect('poisoned', {(0, 1): (3, 33)}, 90)
        dead = wait_for(lambda: self.platform.get('/v1/tenants/poisoned/dead-letters')['dead_letters'], 'the dead letter')
        self.assertEqual([(d['reason'], d['offset']) for d in dead], [('poison', 1)])
        self.assertEqual(self.platform.status('poisoned')['log']['left_out'], 1)
        wait_for(lambda: self.platform.status('poisoned')['state'] == 'running', 'the supervisor to see that its workers are up')
        for _ in range(2):  # and stays aside in every later life
            pid = self.worker('poisoned')['pid']
            os.kill(pid, signal.SIGKILL)
            self.new_worker(pid)
        self.expect('poisoned', {(0, 1): (3, 33)})


class NamelessHeader(GuaranteesTest):
    def dead(self):
        letters = self.platform.get('/v1/tenants/nameless/dead-letters')['dead_letters']
        return sorted((d['offset'], d['reason'], d['detail'], d['body']) for d in letters)

    def test_messages_with_one_are_set_aside_and_hold_up_nothing(self):
        self.onboard('nameless')
        bodies = [json.dumps({'t': BASE, 'k': 1, 'v': 100 + i}) for i in range(12)]
        aside = [(i, 'poison', 'a header of this message has no name', body) for i, body in enumerate(bodies)]
        self.publish('nameless', *bodies, headers={'': 'x'})
        wait_for(lambda: self.dead() == aside, 'the dead letters', 15)
        self.platform.request('POST', '/v1/tenants/nameless/pause')
        wait_for(lambda: not self.worker('nameless')['pid'], 'the pause')
        self.platform.request('POST', '/v1/tenants/nameless/resume')
        wait_for(lambda: self.worker('nameless')['pid'], 'the new worker')
        wait_for(lambda: ', offset 11, ' in self.platform.log(), 'it to begin behind them', 10)
        self.send('nameless', (1, 1, 10))
        wait_for(lambda: self.platform.status('nameless')['counters']['counted'] == 1, 'the event', 15)
        self.platform.request('POST', '/v1/tenants/nameless/events/end')
        self.expect('nameless', {(0, 1): (1, 10)})
        counters = self.platform.status('nameless')['counters']
        self.assertEqual((counters['events'], counters['dead'], counters['reconnects']), (1, 12, 0))
        self.assertEqual(self.dead(), aside)
        done = self.platform.command('verify', 'nameless')
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn('1 stored results are the same', done.stderr)
        done = self.try_against('nameless')
        self.assertEqual(done.returncode, 0, done.stderr)


class LostLog(GuaranteesTest):
    def test_a_log_made_anew_stops_the_tenant_until_an_operators_word(self):
        self.onboard('lost')
        for t in (0, 5, 12):
            self.send('lost', (t, 1, 10))
        self.expect('lost', {(0, 1): (2, 20)})
        self.platform.request('POST', '/v1/tenants/lost/pause')
        wait_for(lambda: not self.worker('lost')['pid'], 'the pause')
        queue = '/api/queues/%s/belltower.events.lost' % self.platform.vhost
        old = management('GET', queue)
        management('DELETE', queue)
        management('PUT', queue, {'durable': True, 'arguments': old['arguments']})
        for exchange, key in (('belltower.events', 'lost.#'), ('belltower.in.lost', '#')):
            management('POST', '/api/bindings/%s/e/%s/q/belltower.events.lost' % (self.platform.vhost, exchange), {'routing_key': key})
        for t in (13, 14, 15, 25):
            self.send('lost', (t, 1, 100))
        self.platform.request('POST', '/v1/tenants/lost/resume')
        wait_for(lambda: self.worker('lost')['state'] == 'parked', 'it to be parked', 60)
        lost = self.platform.status('lost')['log']['lost']
        self.assertEqual((lost['reason'], lost['from']), ('new-log', 3))
        metrics = self.platform.request('GET', '/metrics').text
        self.assertIn('belltower_log_lost{tenant="lost"} 1', metrics)
        self.assertIn('belltower_log_lost_from_offset{tenant="lost"} 3', metrics)
        done = self.platform.command('tenant', 'resume', 'lost', '--skip')
        self.assertEqual(done.returncode, 0, done.stderr)
        self.expect('lost', {(0, 1): (2, 20), (10, 1): (4, 310)})
        self.assertNotIn('lost', self.platform.status('lost')['log'])


def edit_store(path, edit):
    """As docs/operations.md says: another program's change is let in by making the file anew, as one of schema version 2."""
    new = path + '.new'
    with contextlib.closing(sqlite3.connect(path)) as old, contextlib.closing(sqlite3.connect(new)) as db:
        db.executescript('\n'.join(old.iterdump()))
        with db:
            edit(db)
        db.execute('PRAGMA application_id = %d' % old.execute('PRAGMA application_id').fetchone()[0])
        db.execute('PRAGMA user_version = 2')
    for suffix in ('-wal', '-shm'):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path + suffix)
    os.rename(new, path)


class Replay(GuaranteesTest):
    """verify, explain, try --against: the retained log read again, beside the workers."""

    def load(self, tenant):
        self.onboard(tenant)
        for t in range(0, 60, 2):
            self.send(tenant, (t, 1, t), (t, 2, 5))
        self.platform.request('POST', '/v1/tenants/%s/events/end' % tenant)
        rows = {(w, 1): (len(v), sum(v)) for w in range(0, 60, 10)
                for v in [[t for t in range(w, w + 10, 2) if t >= 10]] if v}
        self.expect(tenant, rows)

    def store(self, tenant, sql):
        """Somebody's hand in the batch worker's file."""
        self.platform.request('POST', '/v1/tenants/%s/pause' % tenant)
        wait_for(lambda: not self.worker(tenant, 'batch')['pid'], 'the pause')
        edit_store(self.platform.data + '/tenants/%s/batch.db' % tenant, lambda db: self.assertGreater(db.execute(sql).rowcount, 0))
        self.platform.request('POST', '/v1/tenants/%s/resume' % tenant)

    def test_verify_agrees_then_finds_each_kind_of_difference(self):
        self.load('verified')
        done = self.platform.command('verify', 'verified')
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn('5 stored results are the same', done.stderr)
        self.store('verified', "UPDATE results SET body = replace(body, '\"n\":5', '\"n\":6') WHERE window_start = %d" % ((BASE + 20) * 1000))
        self.store('verified', 'DELETE FROM results WHERE window_start = %d' % ((BASE + 30) * 1000))
        self.store('verified', 'UPDATE results SET window_start = window_start + 3600000 WHERE window_start = %d' % ((BASE + 40) * 1000))
        done = self.platform.command('verify', 'verified', '-o', 'json')
        self.assertEqual(done.returncode, 1, done.stderr)
        found = {(d['difference'], self.seconds(d['window_start'])) for d in map(json.loads, done.stdout.splitlines())}
        self.assertEqual(found, {('different', 20), ('missing', 30), ('missing', 40), ('extra', 3640)})
        done = self.platform.command('verify', 'verified', '--from', at(50), '--to', at(60))
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_verify_shows_what_another_program_wrote(self):
        self.load('touched')
        self.platform.request('POST', '/v1/tenants/touched/pause')
        wait_for(lambda: not self.worker('touched', 'batch')['pid'], 'the pause')
        with contextlib.closing(sqlite3.connect(self.platform.data + '/tenants/touched/batch.db')) as db, db:
            touched = db.execute("UPDATE results SET body = replace(body, '\"n\":5', '\"n\":6') WHERE window_start = %d" % ((BASE + 20) * 1000))
            self.assertEqual(touched.rowcount, 1)
        done = self.platform.command('verify', 'touched', '-o', 'json')
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertRegex(done.stderr, r'touched/batch\.db(-wal)?: page \d+ does not have its checksum')
        self.assertEqual([(d['difference'], self.seconds(d['window_start'])) for d in map(json.loads, done.stdout.splitlines())], [('different', 20)])

    def test_verify_shows_damage_where_no_result_is(self):
        self.load('elsewhere')
        path = self.platform.data + '/tenants/elsewhere/batch.db'
        self.platform.request('POST', '/v1/tenants/elsewhere/pause')
        wait_for(lambda: not self.worker('elsewhere', 'batch')['pid'], 'the pause')
        done = self.platform.command('verify', 'elsewhere')
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stderr, r'(\d+) of \1 pages of the store have their checksums')
        with contextlib.closing(sqlite3.connect(path)) as db:
            db.execute('PRAGMA wal_checkpoint(TRUNCATE)').fetchall()
            page, = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'schedules'").fetchone()
        with open(path, 'r+b') as f:
            f.seek((page - 1) * 4096 + 2000)
            f.write(b'x')
        done = self.platform.command('verify', 'elsewhere')
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn('elsewhere/batch.db: page %d does not have its checksum' % page, done.stderr)
        self.assertIn('5 stored results are the same', done.stderr)

    def test_a_result_that_is_no_json_is_one_more_difference(self):
        """Bytes changed in a file whose pages have no checksums, and in one whose pages have them."""
        self.load('unread')
        path = self.platform.data + '/tenants/unread/batch.db'
        window = lambda seconds: 'WHERE window_start = %d' % ((BASE + seconds) * 1000)
        ids = [i for i, body in self.published('unread') if self.seconds(body['window_start']) == 20]
        self.store('unread', "UPDATE results SET body = replace(body, '\"n\":', '\"n\"' || char(27)) " + window(20))
        self.store('unread', "UPDATE results SET body = replace(body, '\"n\":5', '\"n\":6') " + window(40))
        self.store('unread', "UPDATE results SET key = '[1' " + window(50))
        expected = {('damaged', 20), ('different', 40), ('damaged', 50), ('missing', 50)}
        found = lambda done: {(d['difference'], self.seconds(d['window_start'])): d for d in map(json.loads, done.stdout.splitlines())}
        done = self.platform.command('verify', 'unread', '-o', 'json')
        self.assertEqual(done.returncode, 1, done.stderr)
        rows = found(done)
        self.assertEqual(set(rows), expected)
        self.assertIn('2 stored results are the same', done.stderr)
        row = rows['damaged', 20]
        self.assertEqual((row['stream'], row['key'], row['recomputed']['n']), ('s', [1], 5))
        self.assertIn('"n"\x1b5', row['stored'])
        self.assertEqual(rows['damaged', 50]['key'], '[1')
        table = self.platform.command('verify', 'unread')
        self.assertEqual(table.returncode, 1, table.stderr)
        self.assertIn('damaged', table.stdout)
        done = self.try_against('unread', '-o', 'json')
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(set(found(done)), {('damaged', 20), ('changed', 40), ('damaged', 50), ('new', 50)})
        done = self.platform.command('explain', 'unread', ids[0])
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn('what is stored of it is damaged', done.stderr)
        self.assertNotIn('\x1b', done.stderr)
        self.platform.request('POST', '/v1/tenants/unread/pause')
        wait_for(lambda: not self.worker('unread', 'batch')['pid'], 'the pause')
        with contextlib.closing(sqlite3.connect(path)) as db, db:
            self.assertEqual(db.execute("UPDATE results SET body = replace(body, '\"n\":', '\"n\"x') " + window(30)).rowcount, 1)
        done = self.platform.command('verify', 'unread', '-o', 'json')
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn('compared nevertheless:', done.stderr)
        self.assertEqual(set(found(done)), expected | {('damaged', 30)})

    def test_verify_after_a_rewind(self):
        self.load('again')
        answer = self.platform.request('POST', '/v1/tenants/again/rewind', json.dumps({'to': at(30)}))
        self.assertEqual(answer.status, 202, answer)
        wait_for(lambda: self.platform.command('verify', 'again').returncode == 0 and
                 '3 stored results are the same' in self.platform.command('verify', 'again').stderr, 'the rewind')
        self.assertIn('2 stored results are left out: they are of a generation before 2', self.platform.command('verify', 'again').stderr)

    def test_verify_while_events_flow_and_after_kills(self):
        self.onboard('flowing')
        for t in range(0, 200, 2):
            self.send('flowing', (t, t % 3, t))
            if t % 50 == 0:
                for role in ('stream', 'batch'):
                    with contextlib.suppress(ProcessLookupError, TypeError):
                        os.kill(self.worker('flowing', role)['pid'], signal.SIGKILL)
            if t % 40 == 30:
                done = self.platform.command('verify', 'flowing')
                self.assertTrue(done.returncode == 0 or 'is stored yet' in done.stderr or 'not found' in done.stderr, done.stderr)
        self.platform.request('POST', '/v1/tenants/flowing/events/end')
        wait_for(lambda: len(self.rows('flowing')) >= 19 * 3, 'the results')
        done = self.platform.command('verify', 'flowing')
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_explain_lists_what_made_a_result_and_what_did_not(self):
        self.onboard('explained')
        self.send('explained', (0, 1, 10), (1, 1, 3), (2, 2, 11))
        self.platform.upload('explained', json.dumps({'t': BASE + 3, 'k': 1, 'v': 'high'}), 'application/json')
        self.send('explained', (4, 1, 12))
        self.send('explained', (15, 1, 10))
        self.send('explained', (5, 1, 99))  # too late
        self.expect('explained', {(0, 1): (2, 22), (0, 2): (1, 11)})
        wait_for(lambda: self.platform.status('explained')['counters']['offset'] == 4, 'the late event')
        self.platform.request('POST', '/v1/tenants/explained/pause')  # its last checkpoint has read all
        wait_for(lambda: not self.worker('explained')['pid'], 'the pause')
        ids = [i for i, body in self.published('explained') if body['k'] == 1]
        shown = self.platform.command('results', 'explained', '--where', 'k=1', '-o', 'json')
        self.assertEqual([json.loads(line)['message_id'] for line in shown.stdout.splitlines()], ids)
        for format in ('table', 'csv'):
            shown = self.platform.command('results', 'explained', '--where', 'k=1', '-o', format).stdout.splitlines()
            self.assertIn('message_id', shown[0])
            self.assertIn(ids[0], shown[1])
        self.assertNotIn('message_id', self.platform.results('explained')[0])  # the rows as they were published
        rows = self.platform.request('GET', '/v1/tenants/explained/results?ids=true&k=1', headers={'Accept': 'text/csv'}).text.splitlines()
        self.assertTrue(rows[0].endswith(',message_id') and rows[1].endswith(',' + ids[0]), rows)
        done = self.platform.command('explain', 'explained', ids[0], '-o', 'json', '--all')
        self.assertEqual(done.returncode, 0, done.stderr)
        events = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual([(e['event'], e['offset'], e['index']) for e in events],
                         [('counted', 0, 0), ('filtered', 0, 1), ('wrong-type', 1, 0), ('counted', 2, 0), ('late', 4, 0)])
        self.assertEqual(events[0]['values'], {'t': BASE, 'k': 1, 'v': 10})
        self.assertEqual(events[0]['time'], at(0))
        self.assertEqual(self.platform.command('explain', 'explained', 'nonsense').returncode, 65)
        self.assertEqual(self.platform.command('explain', 'explained', 's:00:5').returncode, 1)

    def test_what_if(self):
        self.load('whatif')
        path = self.platform.dir + '/changed.yaml'
        with open(path, 'w') as f:
            f.write(tenant_app('whatif', APP.replace('v >= 10', 'v >= 34')))
        before = self.platform.results('whatif')
        same = '2 results are the same, 3 are not'  # once the last checkpoint, up to which the log is read, has come
        wait_for(lambda: same in self.platform.command('try', path, '--against', 'whatif').stderr, 'the last checkpoint')
        done = self.platform.command('try', path, '--against', 'whatif', '-o', 'json')
        self.assertEqual(done.returncode, 0, done.stderr)
        rows = {(d['difference'], self.seconds(d['window_start'])): d for d in map(json.loads, done.stdout.splitlines())}
        self.assertEqual(set(rows), {('gone', 10), ('gone', 20), ('changed', 30)})
        self.assertEqual((rows['changed', 30]['stored']['n'], rows['changed', 30]['changed']['n']), (5, 3))
        done = self.platform.command('try', path, '--against', 'whatif', '--range', '15s', '-o', 'json')  # back from t = 58
        self.assertEqual(done.stdout.strip(), '')
        self.assertEqual(self.platform.results('whatif'), before)
        self.assertEqual(self.platform.command('try', path, '--against', 'nobody').returncode, 65)


class Superseded(GuaranteesTest):
    def standalone(self, tenant, role):
        with open(self.platform.dir + '/log', 'ab') as log:
            return subprocess.Popen([BIN + '/belltower-' + role, '--tenant', tenant], env=self.platform.environment,
                                    stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def yields(self, role):
        tenant = role + '-twice'
        self.onboard(tenant)
        self.send(tenant, (0, 1, 10))
        wait_for(lambda: self.platform.status(tenant)['counters']['offset'] == 0, 'the first message')
        if role == 'stream':
            other = self.standalone(tenant, role)
        else:  # the lock keeps it waiting until the connection of the present one is closed
            os.kill(self.worker(tenant, role)['pid'], signal.SIGSTOP)
            other = self.standalone(tenant, role)
        try:
            words = 'another %s worker' % role
            wait_for(lambda: words in json.dumps(self.worker(tenant, role)), 'the superseded worker to wait', 120)
            for t in (5, 12):
                self.send(tenant, (t, 1, 10))
            self.expect(tenant, {(0, 1): (2, 20)})
            end = time.monotonic() + 20  # longer than the lease: it must not come back
            while time.monotonic() < end:
                self.assertIsNone(other.poll())
                time.sleep(0.5)
        finally:
            other.kill()
            other.wait()
        wait_for(lambda: self.worker(tenant, role)['does'] == 'ready', 'the supervised one to come back', 60)
        self.send(tenant, (25, 1, 10))
        self.expect(tenant, {(0, 1): (2, 20), (10, 1): (1, 10)})

    def test_a_superseded_stream_worker_waits_for_the_others_lease(self):
        self.yields('stream')


if __name__ == '__main__':
    unittest.main()
