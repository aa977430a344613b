"""Backups while events flow, and what they bring back: after a restore all is as if nothing had happened."""
import base64
import collections
import contextlib
import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import unittest
import urllib.parse

from harness import BIN, Platform, PlatformTest, management, read, send_in_background, tenant_app, wait_for
from test_platform import APP, all_stored, final, published, reference, rounded, simulate


def restore(test, platform, path, *options):
    """By the command; each tenant's new credentials are the platform's then."""
    done = platform.command('restore', path, *options)
    test.assertEqual(done.returncode, 0, done.stderr)
    rows = json.loads(done.stdout)['tenants']
    for row in rows:
        test.assertTrue(row['restored'], row)
        platform.credentials[row['tenant']] = row
    return {row['tenant']: row for row in rows}


class Lost(unittest.TestCase):
    """Everything that the platform had on its disk or in its store is lost; the broker and a backup are left."""

    def done_runs(self, platform, count):
        runs = platform.get('/v1/tenants/acme/runs?cause=trigger&limit=1000')['runs']
        return runs if len(runs) >= count and all(r['state'] == 'done' for r in runs) else None

    def backup_in_the_middle(self, platform, data):
        """Begins to send, and takes a backup when results are stored and more are on their way."""
        sender = send_in_background(platform, 'acme', data, 4000)
        wait_for(lambda: platform.status('acme')['counters']['results_stored'] > 20, 'the first results')
        path = platform.dir + '/acme.backup'
        done = platform.command('backup', 'acme', path)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
        self.assertEqual(sender.wait(120), 0, sender.stderr.read())
        sender.stderr.close()
        return path

    def run_with(self, coredms=None, afterwards=None):
        """afterwards: the store of the platform that begins anew."""
        platform = Platform('lost', coredms=coredms)
        try:
            platform.start()
            data = simulate(platform, '--stations', 6, '--hours', 5, '--seed', 21, '--storms', 2, '--disorder', '60s')
            expected, triggers = reference(platform, APP, data)
            platform.onboard(APP)
            backup = self.backup_in_the_middle(platform, data)
            wait_for(lambda: len(final(platform.results('acme'))) > len(expected) // 2, 'results beyond the backup')
            platform.stop()
            platform.log_file.close()
            shutil.rmtree(platform.data)
            if afterwards:
                platform.environment['BELLTOWER_COREDMS'] = afterwards
            platform.start()
            self.assertEqual(platform.get('/v1/tenants')['tenants'], [])
            restored = restore(self, platform, backup)['acme']
            self.assertEqual((restored['state'], restored['generation'], restored['version']), ('running', 1, 1))
            self.assertGreater(restored['results'], 20)
            self.assertLess(restored['results'], len(expected))
            wait_for(lambda: platform.status('acme')['at_end'], 'the log to be read to its end')
            self.assertEqual(platform.request('POST', '/v1/tenants/acme/events/end').status, 200)
            wait_for(lambda: all_stored(platform, 'acme', len(expected)), 'all results to be stored', 120)
            self.assertEqual(rounded(final(platform.results('acme'))), rounded(expected))
            ids = collections.Counter(i for i, _ in published(platform, 'acme'))
            self.assertEqual([i for i, n in ids.items() if n > 1], [])      # no customer sees a repeat
            runs = wait_for(lambda: self.done_runs(platform, len(triggers)), 'the triggers\' runs')
            self.assertEqual({r['run'] for r in runs}, triggers)
        finally:
            platform.close()

    def test_on_sqlite(self):
        self.run_with()

    def test_on_mongodb(self):
        uri = os.environ.get('BELLTOWER_TEST_MONGODB')
        if not uri:
            self.assertFalse(os.environ.get('CI'), 'no MongoDB-protocol server: set BELLTOWER_TEST_MONGODB')
            self.skipTest('no MongoDB-protocol server: set BELLTOWER_TEST_MONGODB')
        parts = urllib.parse.urlsplit(uri)
        self.run_with(*(parts._replace(path='/lost_%d_%d' % (os.getpid(), i)).geturl() for i in range(2)))


class Moved(unittest.TestCase):
    def test_an_empty_platform_on_the_same_broker_takes_all_tenants_over(self):
        old, new = Platform('old'), Platform('new')
        new.vhost, new.environment['BELLTOWER_BROKER'] = old.vhost, old.environment['BELLTOWER_BROKER']
        try:
            old.start()
            data = simulate(old, '--stations', 3, '--hours', 3, '--seed', 22, '--storms', 1)
            expected, _ = reference(old, APP, data)
            for tenant in ('acme', 'beta'):
                old.onboard(tenant_app(tenant, APP))
                self.assertEqual(old.upload(tenant, read(data), 'text/csv', end=True).status, 200)
                wait_for(lambda tenant=tenant: all_stored(old, tenant, len(expected)), 'all results of ' + tenant)
            self.assertEqual(old.request('POST', '/v1/tenants/beta/pause').status, 200)
            with open(new.dir + '/all.backup', 'wb') as f:
                f.write(old.request('GET', '/v1/backup').body)
            token = old.credentials['acme']['token']
            old_results = {tenant: old.results(tenant) for tenant in ('acme', 'beta')}
            old.stop()
            new.start()
            restored = restore(self, new, new.dir + '/all.backup')
            self.assertEqual({t: r['state'] for t, r in restored.items()}, {'acme': 'running', 'beta': 'paused'})
            for tenant in ('acme', 'beta'):
                self.assertEqual(rounded(final(new.results(tenant))), rounded(final(old_results[tenant])))
            self.assertEqual(new.request('GET', '/v1/tenants/acme', token=token).status, 200)
            self.assertEqual(new.request('POST', '/v1/tenants/beta/resume').status, 200)
            for tenant in ('acme', 'beta'):
                wait_for(lambda tenant=tenant: new.status(tenant)['at_end'], tenant + ' at the end of its log')
                fresh = '{"event_time":"2040-01-01 00:00:00 UTC","station_id":1,"datapoint_id":1,"value":1000001,"isActive":true}\n'
                self.assertEqual(new.upload(tenant, fresh, end=True).status, 200)
                wait_for(lambda tenant=tenant: len(final(new.results(tenant))) > len(expected), 'a new result')
        finally:
            new.close()
            old.close()


class Refused(PlatformTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        p = cls.platform
        p.onboard(APP)
        data = simulate(p, '--stations', 2, '--hours', 2, '--seed', 23)
        cls.expected, _ = reference(p, APP, data)
        p.upload('acme', read(data), 'text/csv', end=True)
        wait_for(lambda: all_stored(p, 'acme', len(cls.expected)), 'all results')
        cls.backup = p.dir + '/good.backup'
        assert p.command('backup', '--all', cls.backup).returncode == 0

    def put(self, body, wanted, words):
        answer = self.platform.request('POST', '/v1/restore', body, headers={'Content-Type': 'application/x-ndjson'})
        self.assertEqual(answer.status, wanted, answer)
        self.assertIn(words, answer.json['detail'])

    def test_a_tenant_that_is_there_stays_as_it_is(self):
        before = self.platform.status('acme')
        self.put(read(self.backup), 409, 'acme is there already')
        done = self.platform.command('restore', self.backup)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertEqual(self.platform.status('acme')['generation'], before['generation'])

    def test_what_is_no_whole_backup_changes_nothing(self):
        good = read(self.backup).replace('"acme"', '"other"')       # breaks the checksums
        lines = read(self.backup).splitlines(True)
        result = next(i for i, line in enumerate(lines) if '"type":"result"' in line)
        for body, words in (('', 'empty'), ('hello\n', 'no backup of Belltower'), ('{"tenant":"acme"}\n', 'no backup of Belltower'),
                            (good, 'checksum'), (''.join(lines[:-1]), 'cut short'), (''.join(lines)[:-1], 'cut short'),
                            (''.join(lines[:result] + lines[result + 1:]), 'missing'),
                            (''.join(lines[:result] + [lines[result].replace('"number":', '"nummer":')] + lines[result + 1:]), 'nummer'),
                            (lines[0].replace('"version":2', '"version":3') + ''.join(lines[1:]), 'newer Belltower'),
                            (''.join(lines) + lines[0], 'behind its end')):
            with self.subTest(words):
                self.put(body, 400, words)
                self.assertEqual([t['tenant'] for t in self.platform.get('/v1/tenants')['tenants']], ['acme'])
        path = self.platform.dir + '/bad.backup'
        with open(path, 'w') as f:
            f.write(good)
        done = self.platform.command('restore', path)
        self.assertEqual(done.returncode, 65, done.stderr)
        self.assertIn('checksum', done.stderr)
        self.assertEqual(self.platform.command('restore', path + '-none').returncode, 65)
        self.assertEqual(self.platform.command('backup', 'nobody', path).returncode, 1)

    def test_only_the_platform_may(self):
        token = self.platform.credentials['acme']['token']
        for method, path in (('GET', '/v1/tenants/acme/backup'), ('GET', '/v1/backup'), ('POST', '/v1/restore')):
            self.assertEqual(self.platform.request(method, path, token=token).status, 403)
            self.assertEqual(self.platform.request(method, path, token='').status, 401)

    def test_a_backup_can_be_piped(self):
        done = self.platform.command('backup', 'acme', '-')
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(json.loads(done.stdout.splitlines()[-1])['type'], 'complete')


class Removed(PlatformTest):
    """A tenant that was removed comes back; its log went with it, which an operator's word passes over."""

    def test_it_goes_on_in_a_new_log(self):
        p = self.platform
        p.onboard(tenant_app('gone', APP))
        data = simulate(p, '--stations', 2, '--hours', 3, '--seed', 24)
        expected, _ = reference(p, tenant_app('gone', APP), data)
        lines = read(data).splitlines(True)
        half = len(lines) // 2
        p.upload('gone', ''.join(lines[:half]), 'text/csv')

        def settled():
            status = p.status('gone')
            return status['at_end'] and status['counters']['results_stored'] >= status['counters']['results'] > 3
        wait_for(settled, 'the first results')
        pid = p.worker_pid('gone', 'stream')
        self.assertEqual(p.request('POST', '/v1/tenants/gone/pause').status, 200)     # its last checkpoint has all
        wait_for(lambda: p.worker_pid('gone', 'stream') != pid, 'its worker to end')
        path = p.dir + '/gone.backup'
        self.assertEqual(p.command('backup', 'gone', path).returncode, 0)
        self.assertEqual(p.request('DELETE', '/v1/tenants/gone').status, 204)
        self.assertEqual(restore(self, p, path)['gone']['state'], 'paused')
        self.assertEqual(p.command('tenant', 'resume', 'gone', '--skip').returncode, 0)
        p.upload('gone', lines[0] + ''.join(lines[half:]), 'text/csv', end=True)
        wait_for(lambda: all_stored(p, 'gone', len(expected)), 'all results', 120)
        self.assertEqual(rounded(final(p.results('gone'))), rounded(expected))


def write_backup(path, results):
    """A backup by the words of docs/formats.md alone: a paused tenant with so many results and a run with a large report."""
    whole, one = hashlib.sha256(), hashlib.sha256()
    report = b'{"rows":[' + b'1,' * 700000 + b'1]}'
    run = {'generation': 3, 'version': 1, 'from': 0, 'to': 300000, 'after_number': 0, 'wait_until_ms': 0, 'created_ms': 1, 'started_ms': 1,
           'ended_ms': 2, 'complete': True, 'published': True, 'row_count': 1, 'request': None, 'error': None}

    def records():
        yield {'type': 'tenant', 'tenant': 'made', 'title': None, 'state': 'paused', 'generation': 3, 'version': 1, 'published': 1, 'token_hash': None,
               'created_ms': 1, 'changed_ms': 2, 'rewind_generation': 0, 'rewind_to_ms': 0, 'rewind_to_offset': 0, 'rewind_base_epoch': 0,
               'rewind_base_number': 0, 'rewind_version': 0, 'rewind_at_ms': 0, 'rewind_log_generation': 0, 'rewind_published': False}
        yield {'type': 'app', 'version': 1, 'text': base64.b64encode(tenant_app('made', APP).encode()).decode()}
        yield {'type': 'source', 'generation': 3, 'offset': results, 'number': results, 'stored_ms': 1}
        for i in range(results):
            start = 300000 * (i // 50)
            body = {'tenant_id': 'made', 'stream': 'alarms', 'station_id': i % 50, 'datapoint_id': i, 'alarm_fire_count': 1, 'note': 'x' * 100}
            yield {'type': 'result', 'stream': 'alarms', 'key': '[%d,%d]' % (i % 50, i), 'window_start': start, 'window_end': start + 300000,
                   'generation': 3, 'revision': 0, 'number': i + 1, 'first_offset': i, 'last_offset': i, 'withdrawn': i % 10 == 0, 'body': json.dumps(body)}
        yield {'type': 'run', 'run': 'r1', 'job': 'last-hour', 'cause': 'on-demand', 'state': 'done', **run, 'report_bytes': len(report)}
        for at in range(0, len(report), 1 << 20):
            yield {'type': 'report', 'data': base64.b64encode(report[at:at + (1 << 20)]).decode()}

    with open(path, 'wb') as f:
        def write(record, *sums):
            line = json.dumps(record).encode() + b'\n'
            for s in sums:
                s.update(line)
            f.write(line)
        write({'type': 'backup', 'format': 'belltower-backup', 'version': 1, 'created_ms': 1, 'belltower': 'by hand'}, whole)
        count = 0
        for record in records():
            write(record, whole, one)
            count += 1
        write({'type': 'end', 'tenant': 'made', 'records': count, 'sha256': one.hexdigest()}, whole)
        write({'type': 'complete', 'tenants': 1, 'sha256': whole.hexdigest()})
    return report


class Interrupted(PlatformTest):
    def test_a_restore_that_was_killed_leaves_no_half_tenant_and_can_be_repeated(self):
        p = self.platform
        path, results = p.dir + '/made.backup', 60000
        report = write_backup(path, results)
        batch = p.data + '/tenants/made/batch.db-wal'
        client = subprocess.Popen([BIN + '/belltower', 'restore', path], env=p.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        wait_for(lambda: os.path.exists(batch) and os.path.getsize(batch) > 1000000, 'the restore to be in its middle')
        p.restart_api()
        client.communicate(timeout=60)
        self.assertEqual(client.returncode, 69)
        self.assertEqual(p.get('/v1/tenants')['tenants'], [])
        self.assertEqual(p.request('GET', '/v1/tenants/made/results').status, 404)
        row = restore(self, p, path)['made']
        self.assertEqual((row['state'], row['generation'], row['results'], row['runs'], row['reports']), ('paused', 3, results, 1, 1))
        self.assertEqual(p.request('GET', '/v1/tenants/made/runs/r1/report').body.strip(), report)
        stored = p.results('made', '&stream=alarms&to=1970-01-02T00:00:00Z')
        self.assertEqual(len(stored), sum(1 for i in range(results) if 300000 * (i // 50) < 86400000 and i % 10))
        again = p.request('GET', '/v1/tenants/made/backup').body.splitlines()
        records = [json.loads(line) for line in again]
        self.assertEqual(sum(r['type'] == 'result' for r in records), results)
        self.assertEqual(sum(r['type'] == 'result' and r['withdrawn'] for r in records), results // 10)


class Vanished(PlatformTest):
    """Files of the store that are moved away or damaged under the platform."""

    def test_a_removed_registry_is_no_empty_platform(self):
        p = self.platform
        p.onboard(tenant_app('seen', APP))
        workers = [p.worker_pid('seen', role) for role in ('stream', 'batch')]
        registry, aside = p.data + '/registry.db', p.dir + '/aside'
        os.rename(registry, aside)
        wait_for(lambda: 'store: ' in p.request('GET', '/readyz', token='').text and p.request('GET', '/readyz', token='').status == 503, 'the loss')
        answer = p.request('GET', '/v1/tenants')
        self.assertEqual(answer.status, 503, answer)
        self.assertIn('registry.db: was removed while it was in use', answer.json['detail'])
        answer = p.request('POST', '/v1/tenants', tenant_app('other', APP), headers={'Content-Type': 'application/yaml'})
        self.assertEqual(answer.status, 503, answer)
        self.assertFalse(os.path.exists(registry))
        os.rename(aside, registry)
        wait_for(p.ready, 'the registry to be there again')
        self.assertEqual([p.worker_pid('seen', role) for role in ('stream', 'batch')], workers)

    def test_a_moved_checkpoint_is_waited_for(self):
        p = self.platform
        p.onboard(tenant_app('moved', APP))
        data = simulate(p, '--stations', 2, '--hours', 2, '--seed', 26)
        expected, _ = reference(p, tenant_app('moved', APP), data)
        lines = read(data).splitlines(True)
        p.upload('moved', ''.join(lines[:200]), 'text/csv')
        wait_for(lambda: p.status('moved')['counters']['results_stored'] > 0, 'the first results')
        files = [(p.data + '/tenants/moved/' + name, p.dir + '/' + name) for name in ('stream.db', 'batch.db')]
        for source, aside in files:
            os.rename(source, aside)
        p.upload('moved', lines[0] + ''.join(lines[200:]), 'text/csv', end=True)
        wait_for(lambda: 'was removed while it was in use' in p.status('moved')['workers']['stream']['words'], 'the worker to say so')
        for source, aside in files:
            self.assertFalse(os.path.exists(source))
            os.rename(aside, source)
        wait_for(lambda: all_stored(p, 'moved', len(expected)), 'all results')
        self.assertEqual(rounded(final(p.results('moved'))), rounded(expected))

    def test_a_damaged_checkpoint_parks_the_worker(self):
        p = self.platform
        p.onboard(tenant_app('broken', APP))
        wait_for(lambda: os.path.exists(p.data + '/tenants/broken/batch.db'), 'its files')
        p.stop()
        for rest in ('-wal', '-shm'):  # a reader that closed last leaves the write-ahead log, and in it the pages whole
            with contextlib.suppress(FileNotFoundError):
                os.remove(p.data + '/tenants/broken/stream.db' + rest)
        with open(p.data + '/tenants/broken/stream.db', 'r+b') as f:
            f.write(b'noise' * 2000)
        p.start()
        wait_for(lambda: p.status('broken')['workers']['stream']['state'] == 'parked', 'the worker to be parked')
        words = p.status('broken')['workers']['stream']['last_exit']
        self.assertIn('stream.db: is damaged', words)
        self.assertIn('restore from a backup', words)
        self.assertEqual(p.request('GET', '/v1/tenants/broken').status, 200)


class StoreTest(PlatformTest):
    def load(self, tenant):
        """Onboarded, with results and a report; then paused. What it has: results, and the ids of its runs."""
        p = self.platform
        p.onboard(tenant_app(tenant, APP))
        data = simulate(p, '--stations', 2, '--hours', 2, '--seed', 31)
        expected, _ = reference(p, tenant_app(tenant, APP), data)
        p.upload(tenant, read(data), 'text/csv', end=True)
        wait_for(lambda: all_stored(p, tenant, len(expected)), 'all results')
        answer = p.request('POST', '/v1/tenants/%s/jobs/last-hour/runs?wait=30s' % tenant)
        self.assertEqual(answer.status, 200, answer)
        self.pause(tenant)
        return p.results(tenant), [r['run'] for r in p.get('/v1/tenants/%s/runs' % tenant)['runs']]

    def pause(self, tenant):
        self.assertEqual(self.platform.request('POST', '/v1/tenants/%s/pause' % tenant).status, 200)
        wait_for(lambda: not any(w['pid'] for w in self.platform.status(tenant)['workers'].values()), 'the pause')

    def damage(self, tenant, table):
        """One bit in the first page of that table in batch.db, while the tenant is paused. Answers the page's number."""
        path = '%s/tenants/%s/batch.db' % (self.platform.data, tenant)
        with contextlib.closing(sqlite3.connect(path)) as db:
            db.execute('PRAGMA wal_checkpoint(TRUNCATE)').fetchall()
            size = db.execute('PRAGMA page_size').fetchone()[0]
            if table == 'free':
                page = int.from_bytes(read(path, 'rb')[32:36], 'big')  # the first of the free ones
            else:
                page = db.execute("SELECT pageno FROM dbstat WHERE name = ? AND pagetype = 'leaf' ORDER BY path", (table,)).fetchone()[0]
        self.assertGreater(page, 1)
        with open(path, 'r+b') as f:
            f.seek((page - 1) * size + size // 2)
            was = f.read(1)
            f.seek(-1, os.SEEK_CUR)
            f.write(bytes([was[0] ^ 1]))
        return page


class Gone(StoreTest):
    """What a tenant has in the store is gone while nobody has it open: it is not begun anew without a word."""

    def expect_parked(self, tenant, role, words):
        """After a resume; and the whole platform says so."""
        p = self.platform
        self.assertEqual(p.request('POST', '/v1/tenants/%s/resume' % tenant).status, 200)
        worker = lambda: p.status(tenant)['workers'][role]
        wait_for(lambda: worker()['state'] == 'parked', 'the %s worker to be parked' % role, 20)
        self.assertIn(words, worker()['last_exit'])
        self.assertIn('docs/operations.md', worker()['last_exit'])
        self.assertIn('code 80', worker()['last_exit'])
        self.assertIn(words, p.log())
        up = 'belltower_worker_up{tenant="%s",role="%s"} 0' % (tenant, role)
        wait_for(lambda: up in p.request('GET', '/metrics').text, 'the metric')

    def aside(self, tenant, name):
        path = '%s/tenants/%s/%s' % (self.platform.data, tenant, name)
        kept = '%s/%s-%s' % (self.platform.dir, tenant, name)
        os.makedirs(kept)
        for suffix in ('', '-wal', '-shm'):
            if os.path.exists(path + suffix):
                os.rename(path + suffix, kept + '/' + name + suffix)
        return path, kept

    def test_a_history_that_was_removed_or_emptied_is_no_new_one(self):
        p = self.platform
        results, runs = self.load('gone')
        path, kept = self.aside('gone', 'batch.db')
        self.expect_parked('gone', 'batch', 'batch.db: is gone or empty')
        self.assertFalse(os.path.exists(path))
        for call in ('results', 'runs'):
            answer = p.request('GET', '/v1/tenants/gone/' + call)
            self.assertEqual(answer.status, 500, answer)
            self.assertIn('batch.db: is gone or empty', answer.json['detail'])
        self.pause('gone')
        open(path, 'w').close()
        self.expect_parked('gone', 'batch', 'batch.db: is gone or empty')
        self.pause('gone')
        os.remove(path)
        with contextlib.closing(sqlite3.connect(path)) as db:
            db.execute('VACUUM')
        self.assertGreater(os.path.getsize(path), 0)
        self.expect_parked('gone', 'batch', 'batch.db: is gone or empty')
        self.pause('gone')
        for name in os.listdir(kept):  # put back
            os.rename(kept + '/' + name, os.path.dirname(path) + '/' + name)
        self.assertEqual(p.request('POST', '/v1/tenants/gone/resume').status, 200)
        wait_for(lambda: p.status('gone')['state'] == 'running', 'it to run again')
        self.assertEqual(p.results('gone'), results)
        self.assertEqual([r['run'] for r in p.get('/v1/tenants/gone/runs')['runs']], runs)

    def test_by_an_operators_word_a_history_is_begun_anew(self):
        p = self.platform
        results, _ = self.load('anew')
        self.aside('anew', 'batch.db')
        self.expect_parked('anew', 'batch', 'batch.db: is gone or empty')
        done = p.command('tenant', 'resume', 'anew', '--anew')
        self.assertEqual(done.returncode, 1, done)
        self.assertIn('pause it', done.stderr)
        self.pause('anew')
        done = p.command('tenant', 'resume', 'anew', '--anew')
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(json.loads(done.stdout)['begun'], ['history'])
        self.assertIn('begun anew: history', done.stderr)
        wait_for(lambda: len(p.results('anew')) == len(results), 'what the queue of results still holds')
        self.assertEqual(p.results('anew'), results)
        self.assertEqual(p.get('/v1/tenants/anew/runs?cause=on-demand&state=done')['runs'], [])

    def test_damage_in_use_is_shown_without_a_restart(self):
        p = self.platform
        self.load('used')
        p.request('POST', '/v1/tenants/used/resume')
        wait_for(lambda: p.status('used')['state'] == 'running', 'it to run')
        self.damage('used', 'results')
        words = 'batch.db: is damaged (a page does not have its checksum): pause the tenant'
        self.assertIsNone(p.status('used')['damage'])
        self.assertIn('belltower_store_damaged{tenant="used"} 0', p.request('GET', '/metrics').text)
        answer = p.request('GET', '/v1/tenants/used/results?limit=10000')
        self.assertEqual((answer.status, answer.json['type']), (500, '/v1/problems/damaged'), answer)
        self.assertIn(words, answer.json['detail'])
        self.assertIn(words, p.status('used')['damage'])
        self.assertIn('damage: ', p.command('status', 'used').stdout)
        self.assertIn('belltower_store_damaged{tenant="used"} 1', p.request('GET', '/metrics').text)
        self.assertIn('tenant used: ', p.log())
        answer = p.request('POST', '/v1/tenants/used/jobs/last-hour/runs?wait=60s&range=24h')
        self.assertEqual(answer.status, 503, answer)
        self.assertIn(words, answer.json['detail'])
        worker = p.status('used')['workers']['batch']
        self.assertEqual(worker['state'], 'parked')
        self.assertIn('code 80', worker['last_exit'])
        self.assertIn(words, worker['last_exit'])
        p.request('POST', '/v1/tenants/used/resume')
        self.assertIsNone(p.status('used')['damage'])

    def restore_one(self, tenant, name):
        """As docs/operations.md says, for a file that is damaged; the log stays."""
        p = self.platform
        results, runs = self.load(tenant)
        backup = p.dir + '/' + tenant
        self.assertEqual(p.command('backup', tenant, backup).returncode, 0)
        p.request('POST', '/v1/tenants/%s/resume' % tenant)
        wait_for(lambda: p.status(tenant)['state'] == 'running', 'it to run')
        later = json.dumps({'event_time': '2031-01-01 00:00:00 UTC', 'station_id': 1, 'datapoint_id': 1, 'alarm_id': 1,
                            'value': 1e9, 'isActive': True})
        self.assertEqual(p.upload(tenant, later, 'application/json', end=True).status, 200)
        wait_for(lambda: len(p.results(tenant)) == len(results) + 3, 'what is newer than the backup')
        now = p.results(tenant)
        self.pause(tenant)
        for suffix in ('-wal', '-shm'):
            with contextlib.suppress(FileNotFoundError):
                os.remove('%s/tenants/%s/%s%s' % (p.data, tenant, name, suffix))
        with open('%s/tenants/%s/%s' % (p.data, tenant, name), 'r+b') as f:
            f.write(b'noise' * 2000)
        self.expect_parked(tenant, 'stream' if name == 'stream.db' else 'batch', name + ': is damaged')
        self.pause(tenant)
        done = p.command('restore', backup)
        self.assertEqual(done.returncode, 1, done)
        for name in ('stream.db', 'batch.db'):
            self.aside(tenant, name)
        credentials = p.credentials[tenant]
        restored = restore(self, p, backup)[tenant]
        p.credentials[tenant] = credentials
        self.assertEqual((restored['state'], restored['only_data']), ('paused', True))
        p.request('POST', '/v1/tenants/%s/resume' % tenant)
        wait_for(lambda: p.status(tenant)['at_end'] and len(p.results(tenant)) == len(now), 'what is newer than the backup')
        self.assertEqual(p.results(tenant), now)
        self.assertEqual([r['run'] for r in p.get('/v1/tenants/%s/runs' % tenant)['runs']], runs)

    def test_a_damaged_history_is_restored_from_a_backup(self):
        self.restore_one('mended', 'batch.db')

    def test_a_damaged_checkpoint_is_restored_from_a_backup(self):
        self.restore_one('mended-2', 'stream.db')

    def test_a_checkpoint_that_is_gone_while_the_platform_is_down(self):
        p = self.platform
        results, runs = self.load('reread')
        p.request('POST', '/v1/tenants/reread/resume')
        p.stop()
        self.aside('reread', 'stream.db')
        p.start()
        self.expect_parked('reread', 'stream', 'stream.db: is gone or empty')
        self.pause('reread')
        done = p.command('tenant', 'resume', 'reread', '--anew')
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(json.loads(done.stdout)['begun'], ['checkpoint'])
        counted = len(published(p, 'reread'))
        wait_for(lambda: p.status('reread')['at_end'], 'the log to be read again')
        self.assertEqual(len(published(p, 'reread')), counted)  # nothing twice
        self.assertEqual(p.results('reread'), results)
        self.assertEqual([r['run'] for r in p.get('/v1/tenants/reread/runs')['runs']], runs)


class LeftOut(StoreTest):
    def test_a_damaged_tenant_does_not_keep_the_others_from_a_backup(self):
        p = self.platform
        results, _ = self.load('good')
        self.load('bad')
        self.damage('bad', 'runs')  # comes last in a backup
        done = p.command('backup', 'bad', p.dir + '/bad')
        self.assertEqual(done.returncode, 1, done)
        self.assertIn('tenants/bad/batch.db: is damaged', done.stderr)
        self.assertFalse(os.path.exists(p.dir + '/bad'))
        done = p.command('backup', '--all', p.dir + '/all')
        self.assertEqual(done.returncode, 1, done)
        self.assertIn('bad is left out of the backup: ', done.stderr)
        self.assertIn('tenants/bad/batch.db: is damaged', done.stderr)
        self.assertNotIn('good is left out', done.stderr)
        piped = p.command('backup', '--all', '-')
        self.assertEqual(piped.returncode, 1)
        self.assertIn('bad is left out of the backup: ', piped.stderr)
        left_out = [r for r in map(json.loads, piped.stdout.splitlines()) if r['type'] == 'left-out']
        self.assertEqual([r['tenant'] for r in left_out], ['bad'])
        for tenant in ('good', 'bad'):
            self.assertEqual(p.command('tenant', 'remove', tenant, '--yes').returncode, 0)
        done = p.command('restore', p.dir + '/all', '--skip')
        self.assertEqual(done.returncode, 1, done)
        self.assertIn('bad is not restored: tenant bad was left out of the backup: ', done.stderr)
        self.assertEqual([(t['tenant'], t['restored']) for t in json.loads(done.stdout)['tenants']], [('bad', False), ('good', True)])
        self.assertEqual([t['tenant'] for t in p.get('/v1/tenants')['tenants']], ['good'])
        self.assertEqual(p.results('good'), results)
        self.assertFalse(os.path.exists(p.data + '/tenants/bad/batch.db'))


class Strange(PlatformTest):
    def test_data_that_the_registry_does_not_know_is_not_taken_over(self):
        p = self.platform
        p.stop()  # folds its log into the file
        shutil.copy(p.data + '/registry.db', p.dir + '/older')
        p.start()
        p.onboard(tenant_app('strange', APP))
        p.stop()
        shutil.copy(p.dir + '/older', p.data + '/registry.db')
        for suffix in ('-wal', '-shm'):
            with contextlib.suppress(FileNotFoundError):
                os.remove(p.data + '/registry.db' + suffix)
        p.start()
        known = lambda: [t['tenant'] for t in p.get('/v1/tenants')['tenants']]
        self.assertNotIn('strange', known())
        app = p.dir + '/app.yaml'
        with open(app, 'w') as f:
            f.write(tenant_app('strange', APP))
        for _ in range(2):
            done = p.command('tenant', 'add', app)
            self.assertEqual(done.returncode, 1, done)
            self.assertIn('there is data of a tenant strange already, of generation 1', done.stderr)
            self.assertIn('put the right registry back', done.stderr)
            self.assertNotIn('strange', known())
        os.rename(p.data + '/tenants/strange', p.dir + '/strange')
        self.assertEqual(p.command('tenant', 'add', app).returncode, 0)

    def test_data_that_a_removal_kept_is(self):
        p = self.platform
        p.onboard(tenant_app('kept', APP))
        self.assertEqual(p.command('tenant', 'remove', 'kept', '--keep-data', '--yes').returncode, 0)
        self.assertEqual(p.onboard(tenant_app('kept', APP))['generation'], 2)

    def test_what_is_left_of_kept_data_is_not_begun_anew(self):
        """As docs/operations.md says of kept data: nothing new is begun while a part of it is gone or damaged."""
        p = self.platform
        p.onboard(tenant_app('left', APP))
        self.assertEqual(p.command('tenant', 'remove', 'left', '--keep-data', '--yes').returncode, 0)
        path, copy, app = p.data + '/tenants/left/batch.db', p.dir + '/copy', p.dir + '/left.yaml'
        with open(app, 'w') as f:
            f.write(tenant_app('left', APP))
        with contextlib.closing(sqlite3.connect(path)) as db:
            db.execute('PRAGMA wal_checkpoint(TRUNCATE)').fetchall()
        shutil.move(path, copy)
        gone = 'of the data that was kept of tenant left the history (SQLite: tenants/left/batch.db) is gone: put it back'
        for content, words in ((None, gone), (b'', gone), (b'noise' * 2000, 'batch.db: is damaged')):
            for suffix in ('', '-wal', '-shm'):
                with contextlib.suppress(FileNotFoundError):
                    os.remove(path + suffix)
            if content is not None:
                with open(path, 'wb') as f:
                    f.write(content)
            done = p.command('tenant', 'add', app)
            self.assertEqual(done.returncode, 1, done)
            self.assertIn(words, done.stderr)
            self.assertIn('docs/operations.md', done.stderr)
            self.assertNotIn('left', [t['tenant'] for t in p.get('/v1/tenants')['tenants']])
        self.assertIn('pause the tenant, unless it is removed', done.stderr)
        shutil.move(copy, path)
        self.assertEqual(p.onboard(tenant_app('left', APP))['generation'], 2)
        self.assertEqual(p.command('tenant', 'remove', 'left', '--keep-data', '--yes').returncode, 0)
        os.remove(path)
        os.rename(p.data + '/tenants/left', p.dir + '/left')
        self.assertEqual(p.command('tenant', 'add', app).returncode, 0)


class Credentials(PlatformTest):
    def test_a_new_password_and_the_objects_again(self):
        p = self.platform
        old = p.onboard(tenant_app('locked', APP))
        user = old['broker']['user']
        management('DELETE', '/api/users/' + user)
        management('DELETE', '/api/exchanges/%s/belltower.in.locked' % p.vhost)
        done = p.command('tenant', 'credentials', 'locked')
        self.assertEqual(done.returncode, 0, done.stderr)
        new = json.loads(done.stdout)
        self.assertEqual(new['broker']['user'], user)
        self.assertNotEqual(new['broker']['password'], old['broker']['password'])
        kept = json.loads(read(p.data + '/clients/locked.json'))
        self.assertEqual(kept['broker'], new['broker'])
        self.assertIsNotNone(management('GET', '/api/exchanges/%s/belltower.in.locked' % p.vhost))
        data = simulate(p, '--stations', 2, '--hours', 1, '--seed', 25)
        expected, _ = reference(p, tenant_app('locked', APP), data)
        sent = p.command('send', 'locked', data, '--end')
        self.assertEqual(sent.returncode, 0, sent.stderr)
        wait_for(lambda: all_stored(p, 'locked', len(expected)), 'all results')
        own = p.request('POST', '/v1/tenants/locked/credentials', token=old['token'])
        self.assertEqual(own.status, 200, own)
        self.assertNotEqual(own.json['broker']['password'], new['broker']['password'])


if __name__ == '__main__':
    sys.exit(unittest.main(verbosity=2))
