"""Every call of the REST API as a client sees it, and what a client should not send."""
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time
import unittest

from harness import BIN, ROOT, Platform, PlatformTest, alive, free_port, read, tenant_app, wait_for

APP = '''tenant: acme
title: Acme
events:
  time: { field: t, format: rfc3339, out_of_orderness: 0s, idle_after: 1h }
  fields: { station: int, level: { type: float, default: 0 }, up: { type: bool, default: true }, site: { type: string, from: place.site, optional: true } }
streams:
  - name: count
    key: [station]
    window: { tumbling: 1m }
    select: { n: count(), top: max(level) }
  - name: sites
    key: [site]
    window: { tumbling: 1h }
    select: { n: count() }
triggers:
  - { name: many, on: count, when: n >= 3, run: hour }
jobs:
  - { name: hour, from: count, range: 1h, by: [station], select: { n: sum(n), top: max(top) } }
  - { name: all-hours, from: sites, range: 1d, select: { n: sum(n) } }
'''
PROBLEM = 'application/problem+json'


def event(second, station=1, level=1, **more):
    return dict(t='2026-01-01T00:%02d:%02dZ' % divmod(second, 60), station=station, level=level, **more)


def lines(*events):
    return ''.join(json.dumps(e) + '\n' for e in events)


def raw(port, data, timeout=30, then=None):
    """What the server says to these bytes until it closes, or `then` has come."""
    with socket.create_connection(('127.0.0.1', port), timeout=timeout) as s:
        s.sendall(data)
        said = b''
        with contextlib.suppress(ConnectionResetError):
            while not (then and then in said):
                more = s.recv(65536)
                if not more:
                    break
                said += more
        return said


class ApiTest(PlatformTest):
    def problem(self, answer, status, *words):
        self.assertEqual(answer.status, status, answer)
        self.assertEqual(answer.headers['Content-Type'], PROBLEM)
        body = answer.json
        self.assertEqual(body['status'], status)
        for name in ('type', 'title', 'detail', 'instance'):
            self.assertTrue(body[name], name)
        page = self.platform.request('GET', body['type'], token='')
        self.assertEqual(page.status, 200, 'a problem\'s type is an address that exists')
        for word in words:
            self.assertIn(word, body['detail'])
        return body

    def post(self, path, body='', kind='application/json', **headers):
        return self.platform.request('POST', path, body, headers={'Content-Type': kind, **{k.replace('_', '-'): v for k, v in headers.items()}})

    def put_app(self, tenant, text, query='', **headers):
        return self.platform.request('PUT', '/v1/tenants/%s/app%s' % (tenant, query), text,
                                     headers={'Content-Type': 'application/yaml', **{k.replace('_', '-'): v for k, v in headers.items()}})

    def stored(self, tenant, count, query=''):
        def look():
            rows = self.platform.results(tenant, query)
            return rows if len(rows) >= count else None
        return wait_for(look, '%d results of %s' % (count, tenant))


class Tenants(ApiTest):
    def test_onboarding_and_removal(self):
        p = self.platform
        answer = self.post('/v1/tenants', tenant_app('first', APP), 'application/yaml')
        self.assertEqual(answer.status, 201, answer)
        body = answer.json
        self.assertEqual(answer.headers['Location'], '/v1/tenants/first')
        self.assertEqual((body['tenant'], body['generation'], body['version']), ('first', 1, 1))
        self.assertEqual(body['broker']['exchange'], 'belltower.in.first')
        self.assertEqual(body['broker']['vhost'], p.vhost)
        self.assertTrue(body['token'] and body['broker']['user'] and body['broker']['password'] and body['broker']['address'])
        self.assertEqual(p.request('GET', '/v1/tenants/first', token=body['token']).status, 200)
        self.problem(self.post('/v1/tenants', tenant_app('first', APP), 'application/yaml'), 409, 'first')
        self.assertIn('first', [t['tenant'] for t in p.get('/v1/tenants')['tenants']])
        wait_for(lambda: p.status('first')['state'] == 'running', 'its workers')
        self.assertEqual(p.request('DELETE', '/v1/tenants/first').status, 204)
        self.problem(p.request('GET', '/v1/tenants/first'), 404)
        self.problem(p.request('DELETE', '/v1/tenants/first'), 404)
        self.assertEqual(p.request('GET', '/v1/tenants/first', token=body['token']).status, 401)
        self.assertFalse(os.path.exists(p.data + '/tenants/first/batch.db'))

    def test_data_may_be_kept(self):
        p = self.platform
        p.onboard(tenant_app('kept', APP))
        p.upload('kept', lines(event(1)), end=True)
        self.stored('kept', 2)
        self.assertEqual(p.request('DELETE', '/v1/tenants/kept?keep_data=true').status, 204)
        self.assertTrue(os.path.exists(p.data + '/tenants/kept/batch.db'))
        self.assertEqual(p.onboard(tenant_app('kept', APP))['generation'], 2)
        self.assertEqual(len(self.stored('kept', 2)), 2)

    def test_dry_run_only_checks(self):
        answer = self.post('/v1/tenants?dry_run=true', tenant_app('dry', APP), 'application/yaml')
        self.assertEqual((answer.status, answer.json['valid'], answer.json['tenant']), (200, True, 'dry'))
        self.problem(self.platform.request('GET', '/v1/tenants/dry'), 404)
        self.problem(self.post('/v1/tenants?dry_run=perhaps', APP, 'application/yaml'), 400, 'dry_run')
        self.problem(self.post('/v1/tenants?dry_rum=true', APP, 'application/yaml'), 400, 'dry_rum')

    def test_mistakes_are_all_told(self):
        for query in ('', '?dry_run=true'):
            body = self.problem(self.post('/v1/tenants' + query, read(ROOT + '/tests/data/ten-mistakes.yaml'), 'application/yaml'), 422)
            errors = [e for e in body['errors'] if e['severity'] == 'error']
            self.assertEqual(len(errors), 10)
            for e in errors:
                self.assertTrue(e['line'] > 0 and e['column'] > 0 and e['message'], e)
        body = self.problem(self.post('/v1/tenants', 'tenant: [', 'application/yaml'), 400)
        self.assertEqual(len(body['errors']), 1)
        self.assertIn(self.post('/v1/tenants', '', 'application/yaml').status, (400, 422))

    def test_a_file_too_large_is_refused(self):
        self.problem(self.post('/v1/tenants', APP + '# ' + 'x' * 300 * 1024, 'application/yaml'), 413, '256 KiB')

    def test_only_a_file_as_it_is(self):
        self.problem(self.post('/v1/tenants', 'app=1', 'application/x-www-form-urlencoded'), 415, 'application/yaml')
        answer = self.platform.request('POST', '/v1/tenants?dry_run=true', APP)      # without any type
        self.assertEqual(answer.status, 200)

    def test_lists_page(self):
        p = self.platform
        for name in ('page-a', 'page-b', 'page-c'):
            self.assertEqual(self.post('/v1/tenants', tenant_app(name, APP), 'application/yaml').status, 201)
        seen, cursor = [], ''
        while True:
            page = p.get('/v1/tenants?limit=1' + cursor)
            seen += [t['tenant'] for t in page['tenants']]
            self.assertLessEqual(len(page['tenants']), 1)
            if not page.get('next'):
                break
            cursor = '&cursor=' + page['next']
        self.assertEqual(seen, sorted(seen))
        self.assertLessEqual({'page-a', 'page-b', 'page-c'}, set(seen))


class Apps(ApiTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.platform.onboard(APP)

    def test_versions(self):
        p = self.platform
        first = p.request('GET', '/v1/tenants/acme/app')
        etag = first.headers['ETag']
        version = int(etag.strip('"'))
        self.assertEqual(first.headers['Content-Type'], 'application/yaml')
        self.assertEqual(p.request('GET', '/v1/tenants/acme/app', headers={'If-None-Match': etag}).status, 304)
        same = self.put_app('acme', first.text)
        self.assertEqual((same.status, same.json['version'], same.json['changed']), (200, version, False))
        changed = first.text + '# %d\n' % version
        dry = self.put_app('acme', changed, '?dry_run=true')
        self.assertEqual((dry.status, dry.json['valid']), (200, True))
        self.problem(self.put_app('acme', changed, If_Match='"77"'), 412, 'version %d' % version)
        self.problem(self.put_app('acme', changed, '?dry_run=true', If_Match='"77"'), 412)
        second = self.put_app('acme', changed, If_Match=etag)
        self.assertEqual((second.status, second.json['version'], second.json['changed']), (200, version + 1, True))
        self.assertEqual(second.headers['ETag'], '"%d"' % (version + 1))
        self.assertEqual(p.request('GET', '/v1/tenants/acme/app').text, changed)
        self.assertEqual(p.request('GET', '/v1/tenants/acme/app?version=%d' % version).text, first.text)
        self.problem(p.request('GET', '/v1/tenants/acme/app?version=99'), 404)
        self.problem(p.request('GET', '/v1/tenants/acme/app?version=x'), 400)
        self.problem(self.put_app('acme', changed, If_Match=etag), 412)
        self.assertEqual(p.status('acme')['version'], version + 1)

    def test_a_version_takes_effect_in_the_log(self):
        p = self.platform
        p.onboard(tenant_app('new-version', APP))
        p.upload('new-version', lines(event(1, level=5)))
        changed = tenant_app('new-version', APP).replace('window: { tumbling: 1m }', 'window: { tumbling: 2m }')
        self.assertEqual(self.put_app('new-version', changed).json['published'], True)
        p.upload('new-version', lines(event(181), event(182)), end=True)
        rows = self.stored('new-version', 2, '&stream=count')
        self.assertEqual([(r['window_start'], r['window_end'], r['n']) for r in rows],
                         [('2026-01-01T00:00:00Z', '2026-01-01T00:01:00Z', 1), ('2026-01-01T00:02:00Z', '2026-01-01T00:04:00Z', 2)])

    def test_mistakes(self):
        self.problem(self.put_app('acme', APP.replace('tumbling', 'tumblng')), 422)
        self.problem(self.put_app('acme', tenant_app('other', APP)), 422)
        self.problem(self.put_app('acme', 'a: [1'), 400)
        self.problem(self.put_app('acme', 'x' * 300 * 1024), 413)


class Tokens(ApiTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.tokens = {name: cls.platform.onboard(tenant_app(name, APP))['token'] for name in ('acme', 'globex')}

    def call(self, method, path, token):
        return self.platform.request(method, path, token=token)

    def test_none_and_wrong_ones(self):
        for token in ('', 'wrong', 'a' * 64, 'x y'):
            answer = self.call('GET', '/v1/tenants/acme', token)
            self.problem(answer, 401)
            self.assertIn('Bearer', answer.headers['WWW-Authenticate'])
        basic = self.platform.request('GET', '/v1/tenants/acme', token='', headers={'Authorization': 'Basic YTpi'})
        self.problem(basic, 401)

    def test_a_tenants_token_is_good_for_its_own_calls(self):
        for path in ('', '/app', '/results', '/runs', '/triggers', '/dead-letters', '/jobs'):
            self.assertEqual(self.call('GET', '/v1/tenants/acme' + path, self.tokens['acme']).status, 200, path)

    def test_but_not_for_others_nor_to_learn_who_there_is(self):
        for path in ('', '/app', '/results', '/runs'):
            there = self.problem(self.call('GET', '/v1/tenants/acme' + path, self.tokens['globex']), 403)
            missing = self.problem(self.call('GET', '/v1/tenants/nobody' + path, self.tokens['globex']), 403)
            self.assertEqual(there['detail'].replace('acme', 'nobody'), missing['detail'])
        for method, path in (('POST', '/v1/tenants'), ('GET', '/v1/tenants'), ('DELETE', '/v1/tenants/globex'), ('DELETE', '/v1/tenants/acme')):
            self.problem(self.call(method, path, self.tokens['globex']), 403)
        self.problem(self.call('GET', '/v1/tenants/nobody', None), 404)
        self.problem(self.call('GET', '/v1/tenants/nobody', 'wrong'), 401)

    def test_a_new_token_voids_the_old(self):
        p = self.platform
        old = p.onboard(tenant_app('renewed', APP))['token']
        answer = self.call('POST', '/v1/tenants/renewed/token', old)
        self.assertEqual(answer.status, 200)
        self.problem(self.call('GET', '/v1/tenants/renewed', old), 401)
        self.assertEqual(self.call('GET', '/v1/tenants/renewed', answer.json['token']).status, 200)

    def test_tokens_are_not_kept(self):
        for name in ('registry.db', 'registry.db-wal'):
            path = self.platform.data + '/' + name
            kept = read(path, 'rb') if os.path.exists(path) else b''
            for token in self.tokens.values():
                self.assertNotIn(token.encode(), kept)
        self.assertEqual(os.stat(self.platform.data + '/token').st_mode & 0o777, 0o600)


class States(ApiTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.platform.onboard(APP)

    def test_pause_and_resume(self):
        p = self.platform
        answer = self.post('/v1/tenants/acme/pause')
        self.assertEqual((answer.status, answer.json['desired']), (200, 'paused'))
        wait_for(lambda: p.status('acme')['state'] == 'paused', 'its workers to end')
        self.assertIsNone(p.status('acme')['workers']['stream']['pid'])
        self.problem(self.post('/v1/tenants/acme/jobs/hour/runs'), 409, 'paused')
        self.assertEqual(p.upload('acme', lines(event(1)), end=True).json['accepted'], 1)
        self.assertEqual(self.post('/v1/tenants/acme/resume').status, 200)
        wait_for(lambda: p.status('acme')['state'] == 'running', 'its workers to run again')
        self.stored('acme', 2)

    def test_status_has_numbers(self):
        s = self.platform.status('acme')
        for name in ('generation', 'version', 'restarts', 'lag_messages', 'lag_seconds'):
            self.assertIsInstance(s[name], (int, float), name)
        for role in ('stream', 'batch'):
            worker = s['workers'][role]
            self.assertIsInstance(worker['pid'], int)
            self.assertIsInstance(worker['restarts'], int)
            self.assertRegex(worker['since'], r'^\d{4}-.*Z$')
        for value in s['counters'].values():
            self.assertIsInstance(value, int)
        self.assertEqual([x['name'] for x in s['streams']], ['count', 'sites'])

    def test_status_says_why_there_is_nothing(self):
        p = self.platform
        p.onboard(tenant_app('nothing', APP))
        p.upload('nothing', lines(event(1)) + '{"station":1}\n')
        s = wait_for(lambda: (lambda s: s if s['dead'] and s['streams'][0]['open_windows'] else None)(p.status('nothing')), 'a status that tells')
        self.assertEqual(s['dead'][0]['reason'], 'missing-field')
        self.assertIn('station', s['dead'][0]['example'])
        self.assertEqual(s['streams'][0]['next_close'], '2026-01-01T00:01:00Z')
        self.assertEqual(s['watermark'], '2026-01-01T00:00:01Z')

    def test_a_killed_worker_still_shows_its_last_state(self):
        p = self.platform
        p.onboard(tenant_app('killed', APP))
        p.upload('killed', lines(event(1), event(2)))
        wait_for(lambda: p.status('killed')['counters']['events'] == 2, 'two events')
        os.kill(p.worker_pid('killed', 'stream'), signal.SIGKILL)
        s = wait_for(lambda: (lambda s: s if s['workers']['stream']['last_exit'] else None)(p.status('killed')), 'its obituary')
        self.assertIn('signal 9', s['workers']['stream']['last_exit'])
        wait_for(lambda: p.status('killed')['workers']['stream']['restarts'] == 1, 'its restart')

    def test_the_api_may_be_killed(self):
        p = self.platform
        workers = {r: p.worker_pid('acme', r) for r in ('stream', 'batch')}
        pid = int(re.search(r'API started, pid (\d+)', p.log()).group(1))
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not alive(pid), 'it to be gone')
        wait_for(p.ready, 'another one')
        wait_for(lambda: p.status('acme')['state'] == 'running', 'the status of the workers')
        self.assertEqual({r: p.worker_pid('acme', r) for r in ('stream', 'batch')}, workers)
        self.assertEqual([x['name'] for x in p.status('acme')['streams']], ['count', 'sites'])      # their pages came again


class Uploads(ApiTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.platform.onboard(APP)
        cls.names = iter('up-%d' % i for i in range(1000))

    def tenant(self):
        name = next(self.names)
        self.platform.onboard(tenant_app(name, APP))
        return name

    def outcome(self, answer, accepted, rejected=0):
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual((answer.json['accepted'], answer.json['rejected']), (accepted, rejected), answer)
        return answer.json['errors']

    def counted(self, tenant, expected):
        self.assertEqual(self.post('/v1/tenants/%s/events/end' % tenant).status, 200)
        rows = self.stored(tenant, 1, '&stream=sites')
        self.assertEqual(sum(r['n'] for r in rows), expected)

    def test_json(self):
        name = self.tenant()
        kind = 'application/json'
        self.outcome(self.platform.upload(name, json.dumps(event(1)), kind), 1)
        self.outcome(self.platform.upload(name, json.dumps(event(2), indent=2), kind), 1)       # over several lines
        self.outcome(self.platform.upload(name, json.dumps([event(3), event(4)], indent=1), kind + '; charset=utf-8'), 2)
        self.outcome(self.platform.upload(name, lines(event(5), event(6)), kind), 2)
        errors = self.outcome(self.platform.upload(name, '[{"station":1,\n"t":"2026-01-01T00:00:07Z"},\n3, []]', kind), 1, 2)
        self.assertEqual([(e['line'], e['reason']) for e in errors], [(3, 'wrong-type'), (3, 'wrong-type')])
        self.outcome(self.platform.upload(name, '[]', kind), 0)
        self.counted(name, 7)

    def test_json_that_is_none_counts_for_nothing(self):
        for text in ('[{"station":1},', '{"station": NaN}', '{"a":1}}', 'x', '', '[{"station":1}] 5', '{"a":"\\ud800"}', '[1,]'):
            answer = self.platform.upload('acme', text, 'application/json')
            body = self.problem(answer, 400)
            self.assertEqual((body['accepted'], body['rejected']), (0, 0))
        self.problem(self.platform.upload('acme', b'{"place":{"site":"\xff"}}', 'application/json'), 400)
        deep = self.platform.upload('acme', '[' * 100000, 'application/json')
        self.problem(deep, 400)
        self.problem(self.platform.upload('acme', '[' + ' ' * 17 * 1024 * 1024 + ']', 'application/json'), 413, 'x-ndjson')

    def test_ndjson(self):
        name = self.tenant()
        body = lines(event(1)) + '\n' + 'nonsense\n{"station":1,"t":"2026-01-01T00:00:02Z","level":1e400}\r\n' + '[{}]\n{"station":NaN}\n' + json.dumps(event(3))
        errors = self.outcome(self.platform.upload(name, body), 3, 3)
        self.assertEqual([(e['line'], e['reason']) for e in errors], [(3, 'not-json'), (5, 'wrong-type'), (6, 'not-json')])
        self.counted(name, 2)           # 1e400 is JSON, but no float: the engine sets it aside
        dead = wait_for(lambda: self.platform.get('/v1/tenants/%s/dead-letters' % name)['dead_letters'], 'the dead letter')
        self.assertEqual(dead[0]['reason'], 'wrong-type')

    def test_bytes_that_are_no_text(self):
        errors = self.outcome(self.platform.upload('acme', b'{"place":{"site":"\xff\xfe"}}\n' + lines(event(1)).encode()), 1, 1)
        self.assertEqual(errors[0]['reason'], 'not-json')
        errors = self.outcome(self.platform.upload('acme', b't,station,place.site\n2026-01-01T00:00:01Z,1,\xff\n', 'text/csv'), 0, 1)
        self.assertIn('UTF-8', errors[0]['detail'])

    def test_csv(self):
        name = self.tenant()
        body = 't,station,level,up,place.site,note\r\n2026-01-01T00:00:01Z,1,2.5,true,north,"a, ""b"""\r\n2026-01-01T00:00:02Z,1,,FALSE,,\r\n'
        self.outcome(self.platform.upload(name, body, 'text/csv'), 2)
        self.counted(name, 2)
        rows = self.platform.results(name, '&stream=sites')
        self.assertEqual({r['site']: r['n'] for r in rows}, {None: 1, 'north': 1})

    def test_csv_that_is_wrong(self):
        body = 't,station,level\n2026-01-01T00:00:01Z,1,1\n1,2\n2026-01-01T00:00:01Z,x,1\n2026-01-01T00:00:01Z,1,nan\n2026-01-01T00:00:01Z,1,"open\n\n2026-01-01T00:00:01Z,1,1\n'
        errors = self.outcome(self.platform.upload('acme', body, 'text/csv'), 2, 4)
        self.assertEqual([(e['line'], e['reason']) for e in errors], [(3, 'not-csv'), (4, 'wrong-type'), (5, 'wrong-type'), (6, 'not-csv')])
        self.assertIn('station', errors[1]['detail'])
        for text in ('', 'a,a\n1,2\n', 'a,,b\n', '"a\n'):
            self.problem(self.platform.upload('acme', text, 'text/csv'), 400)
        for text, word in (('t;station\n2026-01-01T00:00:01Z;1\n', 'commas are expected'), ('t,station\r2026-01-01T00:00:01Z,1\r', 'LF or CR LF is expected')):
            body = self.problem(self.platform.upload('acme', text, 'text/csv'), 400, word)
            self.assertEqual((body['accepted'], body['rejected']), (0, 0))

    def test_a_time_of_year_99999(self):
        name = self.tenant()
        self.outcome(self.platform.upload(name, '{"station":1,"t":"99999-01-01T00:00:00Z"}\n'), 1)
        dead = wait_for(lambda: self.platform.get('/v1/tenants/%s/dead-letters?reason=bad-time' % name)['dead_letters'], 'the dead letter')
        self.assertIn('99999', dead[0]['body'])
        self.assertEqual(self.platform.get('/v1/tenants/%s/dead-letters?reason=late' % name)['dead_letters'], [])

    def test_an_event_of_2_mb(self):
        name = self.tenant()
        big = json.dumps(event(1, place=dict(site='x' * 2 * 1024 * 1024)))
        errors = self.outcome(self.platform.upload(name, lines(event(1)) + big + '\n' + lines(event(2))), 2, 1)
        self.assertEqual((errors[0]['line'], errors[0]['reason']), (2, 'too-large'))
        self.outcome(self.platform.upload(name, big, 'application/json'), 0, 1)
        self.counted(name, 2)

    def test_types_and_keys(self):
        for kind in ('application/x-www-form-urlencoded', 'text/plain', 'application/xml', ''):
            self.problem(self.platform.upload('acme', '{}', kind), 415, 'text/csv')
        for key in ('a b', 'x' * 58, 'ä'.encode().decode('latin1'), 'a:1'):
            self.problem(self.platform.upload('acme', '{}', key=key), 400, 'Idempotency-Key')
        self.problem(self.platform.upload('nobody', '{}'), 404)

    def test_the_same_again_counts_nothing_twice(self):
        name = self.tenant()
        many = [event(i % 3000, station=i % 7) for i in range(2300)]        # several pieces
        for _ in range(3):
            self.outcome(self.platform.upload(name, lines(*many), key='load-1'), 2300)
        self.outcome(self.platform.upload(name, json.dumps(many), 'application/json', key='load-1.json'), 2300)
        self.outcome(self.platform.upload(name, json.dumps(many), 'application/json', key='load-1.json'), 2300)
        self.counted(name, 2 * 2300)
        wait_for(lambda: self.platform.status(name)['counters']['repeats'] > 10, 'the repeats to be counted')

    def test_the_end_with_the_upload(self):
        name = self.tenant()
        answer = self.platform.upload(name, lines(event(1)), end=True)
        self.assertEqual(answer.json['ended'], True)
        self.stored(name, 2)

    def test_setting_the_time(self):
        p, name = self.platform, self.tenant()
        p.upload(name, '{"station":1,"t":"2030-01-01T00:00:00Z"}\n')
        wait_for(lambda: p.status(name)['watermark'] == '2030-01-01T00:00:00Z', 'the false time')
        self.assertEqual(self.post('/v1/tenants/%s/events/time' % name, '{"highest":"2026-01-01T00:00:00Z"}').status, 200)
        wait_for(lambda: p.status(name)['watermark'] == '2026-01-01T00:00:00Z', 'the time that was set')
        self.assertEqual(self.post('/v1/tenants/%s/events/time' % name, '{"highest":1767225660000}').status, 200)
        for body in ('', '{}', '{"highest":"soon"}', '{"highest":-1}', '{"highest":1e400}', '{"highest":true}', '{"highest":1,"x":2}', '[1]', '{'):
            self.problem(self.post('/v1/tenants/%s/events/time' % name, body), 400)

    def test_a_million_lines_with_one_broken(self):
        p, name = self.platform, self.tenant()
        path = p.dir + '/million.csv'
        with open(path, 'w') as f:
            f.write('t,station,level\n')
            for i in range(2, 1000001):
                f.write('this is no row\n' if i == 500000 else '2026-01-01T%02d:%02d:%02dZ,%d,1\n' % (i // 100000, i // 60 % 60, i % 60, i % 100))
        pid = int(re.findall(r'API started, pid (\d+)', p.log())[-1])
        with open(path, 'rb') as f:
            answer = p.request('POST', '/v1/tenants/%s/events' % name, f, timeout=300,
                               headers={'Content-Type': 'text/csv', 'Content-Length': str(os.path.getsize(path))})
        errors = self.outcome(answer, 999998, 1)
        self.assertEqual((errors[0]['line'], errors[0]['reason']), (500000, 'not-csv'))
        peak = int(re.search(r'VmHWM:\s+(\d+)', read('/proc/%d/status' % pid)).group(1))
        if 'libasan' not in read('/proc/%d/maps' % pid):        # it keeps what was freed
            self.assertLess(peak, 64 * 1024)
        os.unlink(path)


class Framing(ApiTest):
    """What civetweb would let pass, and bodies that are not what they say."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.platform.onboard(APP)

    def send(self, head, body=b'', method='POST', path='/v1/tenants/acme/events', timeout=40):
        text = '%s %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/x-ndjson\r\n%s\r\n' % (
            method, path, self.platform.token(), ''.join(h + '\r\n' for h in head))
        return raw(self.platform.port, text.encode() + body, timeout)

    def status(self, said):
        self.assertTrue(said.startswith(b'HTTP/1.1 '), said)
        return int(said.split()[1])

    def test_two_ways_to_read_the_length(self):
        for head in (['Content-Length: 3', 'Content-Length: 4'], ['Content-Length: 3abc'], ['Content-Length: -1'], ['Content-Length: +3'],
                     ['Content-Length: 3', 'Transfer-Encoding: chunked'], ['Transfer-Encoding: gzip'], ['Transfer-Encoding: chunked, chunked'],
                     ['Content-Length: 99999999999999999999']):
            said = self.send(head, b'abcGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n')
            self.assertIn(self.status(said), (400, 411), head)
            self.assertEqual(said.count(b'HTTP/1.1 '), 1, said)        # what follows is no second request

    def test_a_truncated_body(self):
        whole = lines(*[event(i % 60) for i in range(1200)]).encode()
        with socket.create_connection(('127.0.0.1', self.platform.port), timeout=40) as s:
            s.sendall(('POST /v1/tenants/acme/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/x-ndjson\r\n'
                       'Content-Length: %d\r\n\r\n' % (self.platform.token(), len(whole) + 1000)).encode() + whole)
            s.shutdown(socket.SHUT_WR)
            said = b''
            while more := s.recv(65536):
                said += more
        self.assertEqual(self.status(said), 400)
        body = json.loads(said.split(b'\r\n\r\n', 1)[1])
        self.assertIn('cut short', body['detail'])
        self.assertEqual(body['accepted'], 1000)        # two whole pieces; the third was never complete

    def test_a_body_that_stalls(self):
        start = time.monotonic()
        said = self.send(['Content-Length: 1000'], b'{"a":')
        self.assertEqual(self.status(said), 408)
        self.assertLess(time.monotonic() - start, 35)

    def test_a_body_without_end_in_one_line(self):
        with socket.create_connection(('127.0.0.1', self.platform.port), timeout=60) as s:
            s.sendall(('POST /v1/tenants/acme/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: text/csv\r\n'
                       'Transfer-Encoding: chunked\r\n\r\n' % self.platform.token()).encode())
            chunk = b'10000\r\n' + b'x' * 65536 + b'\r\n'
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                for _ in range(1000):       # 64 MB, were they wanted
                    s.sendall(chunk)
            said = b''
            with contextlib.suppress(ConnectionResetError):
                while more := s.recv(65536):
                    said += more
        if said:
            self.assertEqual(self.status(said), 413)
        self.assertEqual(self.platform.request('GET', '/healthz').status, 200)

    def test_a_trickle_ends(self):
        done = threading.Event()
        with socket.create_connection(('127.0.0.1', self.platform.port), timeout=60) as s:
            s.sendall(('PUT /v1/tenants/acme/app HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: 100000\r\n\r\n' %
                       self.platform.token()).encode())
            start = time.monotonic()

            def trickle():
                with contextlib.suppress(OSError):
                    while not done.wait(0.5):
                        s.sendall(b'#')
            thread = threading.Thread(target=trickle)
            thread.start()
            with contextlib.suppress(ConnectionResetError):
                while s.recv(65536):
                    pass
            self.assertLess(time.monotonic() - start, 40)
            done.set()
            thread.join()

    def test_slow_ones_do_not_keep_others_out(self):
        held = []
        try:
            for _ in range(16):
                s = socket.create_connection(('127.0.0.1', self.platform.port))
                s.sendall(('POST /v1/tenants/acme/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: text/csv\r\n'
                           'Content-Length: 500\r\n\r\nt,' % self.platform.token()).encode())
                held.append(s)
            start = time.monotonic()
            self.assertEqual(self.platform.request('GET', '/healthz').status, 200)
            self.assertLess(time.monotonic() - start, 5)
        finally:
            for s in held:
                s.close()

    def test_chunks_and_expectations(self):
        body = lines(event(1)).encode()
        said = self.send(['Transfer-Encoding: chunked', 'Connection: close'], b'%x\r\n%s\r\n0\r\n\r\n' % (len(body), body))
        self.assertEqual(self.status(said), 200)
        self.assertIn(b'"accepted":1', said)
        said = self.send(['Transfer-Encoding: chunked'], b'zz\r\nxx\r\n')
        self.assertEqual(self.status(said), 400)
        self.assertIn(b'chunks are malformed', said)
        said = self.send(['Expect: 100-continue', 'Content-Length: %d' % len(body), 'Connection: close'], body)
        self.assertTrue(said.startswith(b'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200'), said)

    def test_no_http(self):
        self.assertIn(self.status(raw(self.platform.port, b'nonsense\r\n\r\n')), (400, 505))
        said = raw(self.platform.port, b'GET /healthz HTTP/1.1\r\nHost: x\r\nX: ' + b'y' * 20000 + b'\r\n\r\n')
        self.assertIn(self.status(said), (400, 413, 431))
        self.assertIn(b'problem+json', said)
        for path in ('/healthz%', '/v1/tenants/a%zz', '/v1/tenants/a%00'):
            self.assertIn(self.platform.request('GET', path).status, (400, 404))
        for target in (b'OPTIONS *', b'GET http://elsewhere.example/healthz', b'GET http://x:9/healthz', b'GET https://x/'):
            said = raw(self.platform.port, target + b' HTTP/1.1\r\nHost: x\r\n\r\n', 10)
            self.assertEqual(self.status(said), 400, target)
            self.assertIn(b'problem+json', said)
        self.assertEqual(self.platform.request('GET', '/healthz').status, 200)

    def test_keep_alive(self):
        ask = b'GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n'
        said = raw(self.platform.port, ask + ask + ask.replace(b'\r\n\r\n', b'\r\nConnection: close\r\n\r\n'))
        self.assertEqual(said.count(b'HTTP/1.1 200 OK'), 3)


class Addresses(ApiTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.platform.onboard(APP)

    def test_nothing_is_folded(self):
        for path in ('//healthz', '/healthz/', '/HEALTHZ', '/v1/../healthz', '/v1/%2e%2e/healthz', '/v1//tenants', '/v1/tenants/', '/v1/Tenants',
                     '/v1/tenants/ACME', '/v1/tenants/acme%2Fapp', '/v1/tenants/acme/app/', '/v1/tenants/acme/appX', '/v1/tenants/acme/../acme',
                     '/v1/tenants/%61cme/%61pp', '/etc/passwd', '/v1/tenants/acme/runs/a%2Fb', '/nothing'):
            self.assertEqual(self.platform.request('GET', path).status, 404, path)
        self.assertEqual(self.platform.request('GET', '/v1/tenants/%61cme').status, 200)

    def test_methods(self):
        answer = self.platform.request('PATCH', '/v1/tenants/acme')
        self.problem(answer, 405)
        self.assertEqual(answer.headers['Allow'], 'GET, HEAD, DELETE')
        self.assertEqual(self.platform.request('POST', '/healthz').status, 405)
        head = self.platform.request('HEAD', '/v1/tenants/acme/app')
        self.assertEqual((head.status, head.body), (200, b''))
        self.assertEqual(int(head.headers['Content-Length']), len(APP))

    def test_probes(self):
        for path in ('/healthz', '/-/healthy'):
            self.assertEqual(self.platform.request('GET', path, token='').text, 'ok\n')
        for path in ('/readyz', '/-/ready'):
            self.assertEqual(self.platform.request('GET', path, token='').text, 'broker: ok\nstore: ok\nsupervisor: ok\n')
        self.assertTrue(self.platform.get('/version', token='')['version'])

    def test_the_contract(self):
        doc = self.platform.get('/v1/openapi.json', token='')
        self.assertEqual(doc['openapi'], '3.1.0')
        text, ids = json.dumps(doc), []
        for ref in re.findall(r'"\$ref": "#/([^"]+)"', text):
            at = doc
            for part in ref.split('/'):
                at = at[part]
        for path, item in doc['paths'].items():
            for method, operation in item.items():
                ids.append(operation['operationId'])
                self.assertTrue(operation['summary'] and operation['responses'])
                self.assertEqual(sorted(re.findall(r'{(\w+)}', path)), sorted(p['name'] for p in operation['parameters'] if p['in'] == 'path'))
                real = path.format(tenant='acme', job='hour', run='x', kind='full')
                said = self.platform.request(method.upper(), real, token='' if operation.get('security') != [] else None)
                if operation.get('security') != []:
                    self.assertEqual(said.status, 401, (method, path))
                else:
                    self.assertEqual(said.status, 200, (method, path))
        self.assertEqual(len(ids), len(set(ids)))
        designed = '''POST /v1/tenants|GET /v1/tenants|GET /v1/tenants/{tenant}|DELETE /v1/tenants/{tenant}|GET /v1/tenants/{tenant}/app
            PUT /v1/tenants/{tenant}/app|POST /v1/tenants/{tenant}/pause|POST /v1/tenants/{tenant}/resume|POST /v1/tenants/{tenant}/token
            POST /v1/tenants/{tenant}/events|GET /v1/tenants/{tenant}/results|POST /v1/tenants/{tenant}/jobs/{job}/runs|GET /v1/tenants/{tenant}/runs
            GET /v1/tenants/{tenant}/runs/{run}|GET /v1/tenants/{tenant}/runs/{run}/report|POST /v1/tenants/{tenant}/events/end
            POST /v1/tenants/{tenant}/events/time|GET /v1/tenants/{tenant}/triggers|GET /v1/tenants/{tenant}/dead-letters|GET /healthz|GET /readyz
            GET /metrics|GET /v1/openapi.json|GET /'''
        for call in re.split(r'\||\n\s*', designed):
            method, path = call.split()
            self.assertIn(method.lower(), doc['paths'][path], call)

    def test_the_dashboard_needs_nobody_else(self):
        page = self.platform.request('GET', '/', token='')
        self.assertEqual(page.headers['Content-Type'], 'text/html; charset=utf-8')
        self.assertIsNone(re.search(r'(src|href)=|https?://|@import', page.text))
        self.assertIsNone(re.search(r'innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|Function\(', page.text), 'data is text')
        self.assertIn("default-src 'none'", page.headers['Content-Security-Policy'])

    def test_metrics(self):
        p = self.platform
        p.onboard(tenant_app('measured', APP))
        p.upload('measured', lines(*[event(i) for i in range(5)], {'station': 1}), end=True)
        self.stored('measured', 2)
        wait_for(lambda: p.get('/v1/tenants/measured/runs?state=done')['runs'], 'the triggered run')

        def values():
            text = p.request('GET', '/metrics', token='').text
            return dict(re.findall(r'^(\w+(?:\{.*\})?) (\S+)$', text, re.M)), text
        wait_for(lambda: values()[0].get('belltower_job_runs_total{tenant="measured",job="hour",result="done"}') == '1', 'its count')
        v, text = values()
        for name, value in (('belltower_events_read_total{tenant="measured"}', '5'), ('belltower_windows_closed_total{tenant="measured",stream="count"}', '1'),
                            ('belltower_triggers_fired_total{tenant="measured",trigger="many"}', '1'),
                            ('belltower_events_dead_total{tenant="measured",reason="missing-field"}', '1'),
                            ('belltower_results_published_total{tenant="measured"}', '2'), ('belltower_worker_up{tenant="measured",role="stream"}', '1'),
                            ('belltower_worker_restarts_total{tenant="measured",role="batch"}', '0'), ('belltower_app_revision{tenant="measured"}', '1')):
            self.assertEqual(v.get(name), value, name)
        for name in ('belltower_worker_resident_memory_bytes{tenant="measured",role="stream"}', 'belltower_build_info{version="0.1.0"}',
                     'belltower_watermark_timestamp_seconds{tenant="measured"}'):
            self.assertGreater(float(v[name]), 0, name)
        self.assertGreater(int(v['belltower_api_request_duration_seconds_count{method="POST",route="/v1/tenants/{tenant}/events",status="200"}']), 0)
        typed = set(re.findall(r'^# TYPE (\w+) ', text, re.M))
        for sample in v:
            base = sample.split('{')[0]
            self.assertTrue(base in typed or re.sub(r'_(bucket|sum|count)$', '', base) in typed, sample)
        self.assertEqual(len(re.findall(r'^# TYPE ', text, re.M)), len(typed))


class Reading(ApiTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        p = cls.platform
        p.onboard(APP)
        p.upload('acme', lines(*[event(60 * i + s, station=s, level=i) for i in range(20) for s in range(1, 4)]), end=True)
        wait_for(lambda: len(p.results('acme')) == 61, 'all results')

    def get(self, query, **headers):
        return self.platform.request('GET', '/v1/tenants/acme/results' + query, headers=headers)

    def test_results_in_order_and_pages(self):
        rows = self.platform.results('acme', '&stream=count')
        self.assertEqual([(r['window_start'], r['station']) for r in rows],
                         [('2026-01-01T00:%02d:00Z' % i, s) for i in range(20) for s in range(1, 4)])
        paged, cursor, pages = [], '', 0
        while cursor is not None:
            page = self.get('?limit=7' + cursor).json
            paged += page['results']
            pages += 1
            self.assertLessEqual(len(page['results']), 7)
            cursor = '&cursor=' + page['next'] if page['next'] else None
        self.assertEqual([(r['stream'], r['window_start']) for r in paged], [(r['stream'], r['window_start']) for r in self.platform.results('acme')])
        self.assertEqual((pages, len(paged)), (9, 61))

    def test_filters(self):
        self.assertEqual(len(self.platform.results('acme', '&station=2')), 20)
        self.assertEqual(len(self.platform.results('acme', '&stream=count&station=2&from=2026-01-01T00:05:00Z&to=2026-01-01T00:10:00Z')), 5)
        self.assertEqual(len(self.platform.results('acme', '&stream=count&from=2026-01-01T02:05:00%2B02:00&to=2026-01-01T00:06:00Z')), 3)
        self.assertEqual(self.platform.results('acme', '&station=99'), [])
        self.assertEqual(len(self.platform.results('acme', '&site=null')), 0)
        self.assertEqual(self.get('').json['results'][0]['n'], 1)

    def test_csv(self):
        answer = self.get('?stream=count&limit=2', Accept='text/csv')
        self.assertTrue(answer.headers['Content-Type'].startswith('text/csv'))
        self.assertEqual(answer.text.splitlines(), ['stream,window_start,window_end,revision,station,n,top',
                                                    'count,2026-01-01T00:00:00Z,2026-01-01T00:01:00Z,0,1,1,0.0',
                                                    'count,2026-01-01T00:00:00Z,2026-01-01T00:01:00Z,0,2,1,0.0'])
        self.assertTrue(answer.headers['X-Next-Cursor'])
        self.assertEqual(self.get('?limit=1', Accept='text/csv;q=0.5, application/json').headers['Content-Type'], 'application/json')

    def test_wrong_questions(self):
        for query in ('?stream=none', '?station=x', '?station=1.5', '?limit=0', '?limit=10001', '?limit=x', '?from=yesterday', '?to=2026-13-01T00:00:00Z',
                      '?colour=red', '?n=1', '?cursor=nonsense', '?cursor=count;zz', '?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z', '?station=%zz'):
            self.problem(self.get(query), 400)

    # ---- runs ----
    def run_job(self, body='', query='', job='hour', **headers):
        return self.post('/v1/tenants/acme/jobs/%s/runs%s' % (job, query), body, **headers)

    def test_a_run_to_watch(self):
        p = self.platform
        answer = self.run_job('{"from":"2026-01-01T00:00:00Z","to":"2026-01-01T00:10:00Z"}')
        self.assertEqual(answer.status, 202, answer)
        place = answer.headers['Location']
        self.assertEqual(place, '/v1/tenants/acme/runs/' + answer.json['run'])
        wait_for(lambda: p.get(place)['state'] == 'done', 'the run')
        run = p.get(place)
        self.assertEqual((run['job'], run['cause'], run['from'], run['to'], run['rows']), ('hour', 'on-demand', '2026-01-01T00:00:00Z', '2026-01-01T00:10:00Z', 3))
        report = p.get(place + '/report')
        self.assertEqual([(r['station'], r['n'], r['top']) for r in report['rows']], [(1, 10, 9.0), (2, 10, 9.0), (3, 10, 9.0)])
        table = p.request('GET', place + '/report', headers={'Accept': 'text/csv'})
        self.assertEqual(table.text.splitlines()[0], 'station,time_period,n,top')
        self.assertEqual(len(table.text.splitlines()), 4)
        self.assertIn(run['run'], [r['run'] for r in p.get('/v1/tenants/acme/runs?job=hour&cause=on-demand&state=done')['runs']])
        self.assertNotIn(run['run'], [r['run'] for r in p.get('/v1/tenants/acme/runs?job=all-hours')['runs']])

    def test_a_run_to_wait_for(self):
        answer = self.run_job('{"range":"5m"}', '?wait=30s')
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual((answer.json['job'], answer.json['to'], [r['n'] for r in answer.json['rows']]), ('hour', '2026-01-01T00:20:00Z', [5, 5, 5]))
        answer = self.run_job('', '?wait=30s&range=2m&until=2026-01-01T00:04:00Z', Accept='text/csv')
        self.assertEqual([line.split(',')[2] for line in answer.text.splitlines()[1:]], ['2', '2', '2'])
        self.assertEqual(self.run_job('', '?wait=30s', job='all-hours').json['rows'][0]['n'], 60)

    def test_the_same_key_is_the_same_run(self):
        p = self.platform
        body = '{"range":"3m"}'
        first = self.run_job(body, '?wait=30s', Idempotency_Key='march')
        again = self.run_job(body, '?wait=30s', Idempotency_Key='march')
        self.assertEqual((first.status, again.status, first.json), (200, 200, again.json))
        self.assertEqual(self.run_job(body, Idempotency_Key='march').headers['Location'], '/v1/tenants/acme/runs/march')
        self.assertEqual(len([r for r in p.get('/v1/tenants/acme/runs')['runs'] if r['run'] == 'march']), 1)
        self.problem(self.run_job('{"range":"4m"}', Idempotency_Key='march'), 409)
        self.problem(self.run_job(body, job='all-hours', Idempotency_Key='march'), 409)
        for key in ('a b', 'x' * 101, 'a:b', '../x'):
            self.problem(self.run_job(body, Idempotency_Key=key), 400)

    def test_runs_that_make_no_sense(self):
        self.problem(self.run_job(job='nothing'), 404)
        for body in ('{"from":"2026-01-01T00:00:00Z"}', '{"range":"1h","from":"2026-01-01T00:00:00Z","to":"2026-01-02T00:00:00Z"}',
                     '{"from":"2026-01-02T00:00:00Z","to":"2026-01-01T00:00:00Z"}', '{"range":"0s"}',
                     '{"until":"2026-01-02T00:00:00Z","from":"2026-01-01T00:00:00Z","to":"2026-01-02T00:00:00Z"}'):
            self.problem(self.run_job(body), 422)
        for body in ('{"range":"much"}', '{"range":5}', '{"until":"now"}', '{"span":"1h"}', '[]', '{', '"x"'):
            self.problem(self.run_job(body), 400)
        self.problem(self.run_job('', '?wait=long'), 400)
        self.problem(self.run_job('x' * 100000), 413)

    def test_a_run_that_fails_says_why(self):
        p = self.platform
        p.onboard(tenant_app('empty', APP))
        answer = self.post('/v1/tenants/empty/jobs/hour/runs?wait=30s')
        self.problem(answer, 422, 'until')
        run = p.get('/v1/tenants/empty/runs')['runs'][0]
        self.assertEqual(run['state'], 'failed')
        self.assertIn('until', run['error'])
        self.problem(p.request('GET', '/v1/tenants/empty/runs/%s/report' % run['run']), 404)

    def test_a_request_shows_before_the_batch_worker_has_it(self):
        p = self.platform
        pid = p.worker_pid('acme', 'batch')
        os.kill(pid, signal.SIGSTOP)
        try:
            answer = self.run_job('{"range":"1m"}', '?wait=200ms')
            self.assertEqual((answer.status, answer.json['state']), (202, 'requested'))
            place = answer.headers['Location']
            self.assertEqual(p.get(place)['state'], 'requested')
            self.assertEqual(p.get('/v1/tenants/acme/runs?limit=1')['runs'][0]['run'], answer.json['run'])
            self.assertEqual([r['run'] for r in p.get('/v1/tenants/acme/runs?state=requested')['runs']], [answer.json['run']])
            self.problem(p.request('GET', place + '/report'), 409, 'requested')
        finally:
            os.kill(pid, signal.SIGCONT)
        wait_for(lambda: p.get(place)['state'] == 'done', 'the run')
        wait_for(lambda: not p.get('/v1/tenants/acme/runs?state=requested')['runs'], 'the request to be forgotten')

    def test_unknown_runs(self):
        for path in ('/runs/none', '/runs/none/report'):
            self.problem(self.platform.request('GET', '/v1/tenants/acme' + path), 404)
        for query in ('?state=odd', '?cause=odd', '?limit=0', '?cursor=zz', '?what=1'):
            self.problem(self.platform.request('GET', '/v1/tenants/acme/runs' + query), 400)

    def test_runs_page(self):
        p = self.platform
        for i in range(5):
            self.assertEqual(self.run_job('', '?wait=30s', Idempotency_Key='page-%d' % i).status, 200)
        seen, cursor = [], ''
        while cursor is not None:
            page = p.get('/v1/tenants/acme/runs?limit=2' + cursor)
            seen += [r['run'] for r in page['runs']]
            cursor = '&cursor=' + page['next'] if page['next'] else None
        self.assertEqual(len(seen), len(set(seen)))
        self.assertEqual([r for r in seen if r.startswith('page-')], ['page-%d' % i for i in (4, 3, 2, 1, 0)])

    # ---- triggers, jobs, dead letters ----
    def test_triggers(self):
        p = self.platform
        p.onboard(tenant_app('storms', APP))
        p.upload('storms', lines(*[event(i) for i in range(4)], *[event(60 + i, station=9) for i in range(3)]), end=True)
        wait_for(lambda: len(p.get('/v1/tenants/storms/triggers')['triggers']) == 2, 'two triggers')
        last, first = p.get('/v1/tenants/storms/triggers')['triggers']
        self.assertEqual((first['trigger'], first['job'], first['window_end'], first['result']['n']), ('many', 'hour', '2026-01-01T00:01:00Z', 4))
        self.assertEqual((last['result']['station'], last['window_end']), (9, '2026-01-01T00:02:00Z'))
        run = wait_for(lambda: (lambda r: r if r['state'] == 'done' else None)(p.get('/v1/tenants/storms/runs/' + first['run'])), 'its run')
        self.assertEqual((run['cause'], run['trigger']), ('trigger', 'many'))
        page = p.get('/v1/tenants/storms/triggers?limit=1')
        self.assertEqual(p.get('/v1/tenants/storms/triggers?limit=1&cursor=' + page['next'])['triggers'][0]['id'], first['id'])

    def test_jobs(self):
        jobs = self.platform.get('/v1/tenants/acme/jobs')['jobs']
        self.assertEqual([(j['job'], j['from'], j['range'], j['triggers']) for j in jobs], [('hour', 'count', '1h', ['many']), ('all-hours', 'sites', '1d', [])])

    def test_dead_letters_newest_first(self):
        p = self.platform
        p.onboard(tenant_app('dead', APP))
        self.assertEqual(p.get('/v1/tenants/dead/dead-letters')['dead_letters'], [])
        p.upload('dead', ''.join('{"station":1,"t":"bad %d"}\n' % i for i in range(700)))
        p.upload('dead', '{"station":"x","t":"2026-01-01T00:00:00Z"}\n' * 3)

        def letters(query=''):
            return p.get('/v1/tenants/dead/dead-letters' + query)['dead_letters']
        wait_for(lambda: len(letters('?limit=1000')) == 703, 'all of them')
        rows = letters('?limit=5')
        self.assertEqual([r['reason'] for r in rows], ['wrong-type'] * 3 + ['bad-time'] * 2)
        self.assertIn('bad 699', rows[3]['body'])
        self.assertEqual([r['number'] for r in rows], [703, 702, 701, 700, 699])
        self.assertTrue(rows[0]['detail'] and rows[0]['message_id'] and rows[0]['offset'] >= 0)
        self.assertEqual([r['number'] for r in letters('?limit=2&reason=bad-time')], [700, 699])
        self.problem(p.request('GET', '/v1/tenants/dead/dead-letters?limit=1001'), 400)


class Neighbours(unittest.TestCase):
    def test_platforms_in_two_vhosts_do_not_disturb_each_other(self):
        platforms = [Platform('neighbour') for _ in range(2)]
        try:
            for p in platforms:
                p.start()
                p.onboard(APP)
            first, second = platforms
            pid = first.worker_pid('acme', 'stream')
            self.assertEqual(second.request('DELETE', '/v1/tenants/acme').status, 204)
            os.kill(pid, signal.SIGKILL)        # its successor must log in again
            self.assertEqual(first.upload('acme', lines(event(1)), end=True).status, 200)
            wait_for(lambda: len(first.results('acme')) == 2, 'the results of the other')
            pid = int(re.findall(r'API started, pid (\d+)', first.log())[-1])
            os.kill(pid, signal.SIGKILL)
            wait_for(lambda: not alive(pid) and first.ready(), 'another API')
        finally:
            for p in platforms:
                p.close()


class Alone(unittest.TestCase):
    """belltower-api without a supervisor, a broker, a store."""

    def start(self, *options):
        self.platform = p = Platform('alone', broker='amqp://127.0.0.1:9/none', settings={'BELLTOWER_TOKEN': 'secret'})
        self.addCleanup(p.close)
        os.makedirs(p.data)
        p.log_file = open(p.dir + '/log', 'ab')
        p.process = subprocess.Popen([BIN + '/belltower-api', *options], env=p.environment, stdin=subprocess.DEVNULL,
                                     stdout=p.log_file, stderr=p.log_file)
        return p

    def answers(self):
        with contextlib.suppress(OSError):
            return self.platform.request('GET', '/healthz')
        return None

    def test_it_answers_what_it_can(self):
        p = self.start()
        self.assertEqual(wait_for(self.answers, 'the API').status, 200)
        ready = wait_for(lambda: (lambda a: a if 'is not made yet' in a.text else None)(p.request('GET', '/readyz')), 'its reasons')
        self.assertEqual(ready.status, 503)
        self.assertRegex(ready.text, r'broker: not ready: .+\nstore: ok\nsupervisor: not ready: .+\n')
        self.assertEqual(p.get('/v1/tenants'), {'tenants': [], 'unrouted': None})
        answer = p.request('POST', '/v1/tenants', APP)
        self.assertEqual((answer.status, answer.headers['Retry-After']), (503, '2'))
        self.assertEqual(p.request('POST', '/v1/tenants?dry_run=true', APP).status, 200)
        p.process.send_signal(signal.SIGTERM)
        self.assertEqual(p.process.wait(20), 0)

    def test_a_store_that_is_away(self):
        blocker = Platform('blocker')
        self.addCleanup(blocker.close)
        with open(blocker.dir + '/file', 'w'):
            p = self.start('--coredms', 'sqlite:' + blocker.dir + '/file')
        self.assertEqual(wait_for(self.answers, 'the API').status, 200)
        ready = p.request('GET', '/readyz')
        self.assertEqual(ready.status, 503)
        self.assertIn('store: not ready', ready.text)
        self.assertIn(p.request('GET', '/v1/tenants').status, (500, 503, 507))

    def test_a_port_in_use(self):
        with socket.socket() as s:
            s.bind(('127.0.0.1', 0))
            s.listen()
            p = self.start('--listen', '127.0.0.1:%d' % s.getsockname()[1])
            self.assertEqual(p.process.wait(20), 65)
            self.assertEqual(len([x for x in p.log().splitlines() if ' error ' in x]), 1)
            self.assertIn('in use', p.log())

    def test_a_port_in_use_for_a_moment_is_waited_for(self):
        with socket.socket() as s:
            s.bind(('127.0.0.1', 0))
            s.listen()
            p = self.start('--listen', '127.0.0.1:%d' % s.getsockname()[1])
            p.port = s.getsockname()[1]
            wait_for(lambda: 'waiting for it to become free' in p.log(), 'it to wait')
        self.assertEqual(wait_for(self.answers, 'the API').status, 200)

    def test_a_wrong_address(self):
        for address in ('nonsense', '127.0.0.1', '127.0.0.1:99999', '[::1]:80'):
            p = self.start('--listen', address)
            self.assertEqual(p.process.wait(20), 65)
            self.assertIn('listen', p.log())


if __name__ == '__main__':
    unittest.main()
