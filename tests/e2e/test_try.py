"""belltower check and try, as people use them: no broker, no server."""
import csv
import io
import json
import os
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BELLTOWER = os.path.join(os.environ.get('BELLTOWER_BIN', os.path.join(ROOT, 'build/bin')), 'belltower')
ACME = os.path.join(ROOT, 'examples/acme/app.yaml')

APP = '''tenant: acme
events:
  time: { field: t, format: "%Y-%m-%d %H:%M:%S", ahead: 10d }
  fields: { id: int, value: { type: float, optional: true }, name: { type: string, optional: true } }
streams:
  - { name: s, where: "value is null or value >= 0", key: [id], window: { tumbling: 10s, allowed_lateness: 5s }, select: { n: count(), top: max(value) } }
triggers:
  - { name: many, on: s, when: n >= 2, run: j }
jobs:
  - { name: j, from: s, range: 1h, by: [id], select: { n: sum(n) } }
'''


class Case(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.app = self.file('app.yaml', APP)

    def tearDown(self):
        self.directory.cleanup()

    def path(self, name):
        return os.path.join(self.directory.name, name)

    def file(self, name, content):
        with open(self.path(name), 'wb') as file:
            file.write(content if isinstance(content, bytes) else content.encode())
        return self.path(name)

    def run_verb(self, *arguments, code=0, stdin=None):
        done = subprocess.run([BELLTOWER, *arguments], input=stdin, capture_output=True, timeout=120)
        self.assertEqual(done.returncode, code, done.stderr.decode(errors='replace')[-2000:])
        return done.stdout.decode(errors='replace'), done.stderr.decode(errors='replace')

    def lines(self, name):
        with open(self.path(name), encoding='utf-8') as file:
            return [json.loads(line) for line in file]


class Try(Case):
    def event(self, second, id=1, **more):
        return json.dumps({'t': '2026-01-01 00:00:%02d' % second, 'id': id, **more})

    def test_results_as_messages(self):
        data = self.file('data.ndjson', '\n'.join([self.event(1, value=1.5), self.event(2), self.event(12, 2), self.event(3)]))
        out, err = self.run_verb('try', self.app, data, '-o', 'json', '--triggers', self.path('triggers'))
        results = [json.loads(line) for line in out.splitlines()]
        self.assertEqual([(r['id'], r['n'], r['top'], r['window_start'], r['revision']) for r in results],
                         [(1, 2, 1.5, '2026-01-01T00:00:00Z', 0), (1, 3, 1.5, '2026-01-01T00:00:00Z', 1),
                          (2, 1, None, '2026-01-01T00:00:10Z', 0)])
        self.assertEqual(list(results[0]), ['id', 'n', 'top', 'tenant_id', 'stream', 'window_start', 'window_end', 'revision'])
        triggers = self.lines('triggers')
        self.assertEqual([(t['trigger'], t['job'], t['number'], t['result']) for t in triggers], [('many', 'j', 1, results[0])])
        self.assertIn('4 lines: 4 events, 4 counted (1 of them late), 0 filtered', err)

    def test_as_table_and_as_csv(self):
        data = self.file('data.ndjson', self.event(1, value=2) + '\n')
        table, _ = self.run_verb('try', self.app, data)
        self.assertEqual(table.split(), ['window_start', 'window_end', 'id', 'n', 'top', 'revision', '2026-01-01T00:00:00Z',
                                         '2026-01-01T00:00:10Z', '1', '1', '2.0', '0'])
        text, _ = self.run_verb('try', self.app, data, '-o', 'csv')
        rows = list(csv.DictReader(io.StringIO(text)))
        self.assertEqual([(r['id'], r['n'], r['top']) for r in rows], [('1', '1', '2.0')])

    def test_without_an_end_it_says_what_it_waits_for(self):
        out, err = self.run_verb('try', self.app, '-', '--no-end', stdin=self.event(1).encode())
        self.assertEqual(out, '')
        self.assertIn('why is there nothing yet?', err)
        self.assertIn('1 window open, of 1 key; the next ends at 2026-01-01T00:00:10Z', err)

    def test_says_why_where_takes_nothing(self):
        _, err = self.run_verb('try', self.app, '-', stdin=self.event(1, value=-1).encode())
        self.assertIn('s takes no event: where: value is null or value >= 0', err)

    def test_sets_aside_what_is_wrong(self):
        bad = [b'{"t":"2026-01-01 00:00:01","id":1,"value":NaN}', b'{"t":"2026-01-01 00:00:01","id":1,"value":1e400}',
               b'{"t":"2026-01-01 00:00:01","id":1,"name":"\xff"}', b'{"t":"99999-01-01 00:00:01","id":1}',
               b'{"t":"2026-01-01 00:00:01","id":1,"name":"' + b'x' * (2 * 1024 * 1024) + b'"}',
               b'{"t":"2026-01-01 00:00:01","id":1,"name":"' + b'x' * (65 * 1024) + b'"}',
               b'{"t":"2026-01-01 00:00:01"}', b'[1,{"t":"2026-01-01 00:00:01","id":"x"}]', b'{"t":"2026-02-30 00:00:01","id":1}']
        data = self.file('data', b'\n'.join(bad + [self.event(1).encode()]))
        out, err = self.run_verb('try', self.app, data, '--dead', self.path('dead'), '-o', 'json')
        dead = self.lines('dead')
        self.assertEqual([(d['reason'], d['offset'], d['index'], d['line']) for d in dead],
                         [('not-json', 0, 0, 1), ('wrong-type', 1, 0, 2), ('not-json', 2, 0, 3), ('bad-time', 3, 0, 4),
                          ('too-large', 4, 0, 5), ('too-large', 5, 0, 6), ('missing-field', 6, 0, 7), ('wrong-type', 7, 0, 8),
                          ('wrong-type', 7, 1, 8), ('bad-time', 8, 0, 9)])
        self.assertEqual(dead[6]['body'], bad[6].decode())
        self.assertEqual(json.loads(out)['n'], 1)
        self.assertIn('what to do:', err)

    def test_reads_csv_by_its_header(self):
        data = self.file('data.csv', 'value,t,id,other\r\n1.5,2026-01-01 00:00:01,1,x\r\n,2026-01-01 00:00:02,1,"a,b"\r\n'
                                     'x,2026-01-01 00:00:02,1,\r\n1,2026-01-01 00:00:03\r\n')
        out, _ = self.run_verb('try', self.app, data, '-o', 'json', '--dead', self.path('dead'))
        self.assertEqual([(r['id'], r['n'], r['top']) for r in map(json.loads, out.splitlines())], [(1, 2, 1.5)])
        self.assertEqual([(d['reason'], d['line'], d['body']) for d in self.lines('dead')],
                         [('wrong-type', 4, 'x,2026-01-01 00:00:02,1,'), ('not-csv', 5, '1,2026-01-01 00:00:03')])

    def test_a_million_lines_with_a_broken_one(self):
        with open(self.path('data.csv'), 'w', encoding='utf-8') as file:
            file.write('t,id,value\n')
            for i in range(1, 1000000):
                file.write('2026-01-01 %02d:%02d:%02d,%d,1\n' % (i // 100000, i // 1700 % 60, i // 29 % 60, i % 50)
                           if i != 499999 else 'broken "line\n')
        out, err = self.run_verb('try', self.app, self.path('data.csv'), '-o', 'json', '--dead', self.path('dead'))
        broken = [d for d in self.lines('dead') if d['reason'] == 'not-csv']
        self.assertEqual([(d['line'], d['body']) for d in broken], [(500000, 'broken "line')])
        self.assertIn('999999 lines: 999998 events', err)

    def test_what_cannot_be_read_or_written(self):
        data = self.file('data', '')
        self.run_verb('try', self.app, self.path('nothing'), code=65)
        self.run_verb('try', self.app, self.directory.name, code=65)
        self.run_verb('try', self.path('nothing'), data, code=65)
        self.run_verb('try', self.file('bad.yaml', APP.replace('tumbling', 'tumblng')), data, code=65)
        self.run_verb('try', self.app, self.file('bad.csv', 'a,a\n1,2\n'), code=65)
        self.run_verb('try', self.app, data, '--dead', self.path('no/such/directory'), code=1)
        self.run_verb('try', self.app, code=2)
        self.run_verb('try', self.app, data, '-o', 'xml', code=2)
        self.run_verb('try', self.app, data, '--no-such-option', code=2)
        self.run_verb('try', '--help')

    def test_a_full_disk_is_no_success(self):
        data = self.file('data', self.event(1))
        with open('/dev/full', 'wb') as full:
            done = subprocess.run([BELLTOWER, 'try', self.app, data, '-o', 'json'], stdout=full, stderr=subprocess.PIPE)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.run_verb('try', self.app, self.file('bad', '{x'), '--dead', '/dev/full', code=1)

    def test_says_the_same_as_the_reference(self):
        data = self.path('data.ndjson')
        subprocess.run([BELLTOWER, 'simulate', '--stations', '3', '--hours', '2', '--disorder', '90s', '--duplicates', '10', '--storms',
                        '1', '--format', 'ndjson', '--out', data], check=True, stderr=subprocess.DEVNULL)
        out, _ = self.run_verb('try', ACME, data, '-o', 'json', '--dead', self.path('dead'), '--triggers', self.path('triggers'))
        reference = subprocess.run([sys.executable, os.path.join(ROOT, 'tests/reference/reference.py'), ACME, '--lines', data],
                                   check=True, capture_output=True)
        expected = [json.loads(line) for line in reference.stdout.splitlines()]
        self.assertEqual([json.loads(line) for line in out.splitlines()], [o['body'] for o in expected if o['kind'] == 'result'])
        self.assertEqual([d['offset'] for d in self.lines('dead')], [o['offset'] for o in expected if o['kind'] == 'dead'])
        self.assertEqual([t['id'] for t in self.lines('triggers')], [o['id'] for o in expected if o['kind'] == 'trigger'])
        self.assertGreater(len(self.lines('triggers')), 0)


class Check(Case):
    def test_the_examples_are_good(self):
        for name in ('acme', 'globex'):
            out, _ = self.run_verb('check', os.path.join(ROOT, 'examples', name, 'app.yaml'))
            self.assertIn('3 of 3 tests passed', out)

    def test_all_mistakes_at_once(self):
        path = os.path.join(ROOT, 'tests/data/ten-mistakes.yaml')
        out, _ = self.run_verb('check', path, code=65)
        self.assertIn('10 errors', out)
        report = json.loads(self.run_verb('check', path, '-o', 'json', code=65)[0])
        self.assertEqual(len([e for e in report['errors'] if e['severity'] == 'error']), 10)
        self.assertFalse(report['valid'])
        github, _ = self.run_verb('lint', path, '-o', 'github', code=65)
        self.assertEqual(len([line for line in github.splitlines() if line.startswith('::error file=')]), 10)

    def test_a_test_that_fails(self):
        tests = '''tests:
  - name: right
    events: [ { t: 2026-01-01 00:00:01, id: 1 } ]
    results: [ { id: 1, n: 1 } ]
  - name: wrong
    file: beside.csv
    results: [ { id: 1, n: 3 } ]
'''
        self.file('beside.csv', 't,id\n2026-01-01 00:00:01,1\n2026-01-01 00:00:02,1\n')
        path = self.file('app.yaml', APP + tests)
        out, _ = self.run_verb('check', path, code=65)
        self.assertIn('passed: right\n', out)
        self.assertIn('%s:15: failed: wrong\n    result 1: n: expected 3, got 2\n' % path, out)
        self.assertIn('1 of 2 tests passed', out)

    def test_what_is_no_app_file(self):
        self.run_verb('check', self.file('large.yaml', APP + '#' * 300 * 1024), code=65)
        self.run_verb('check', self.path('nothing'), code=65)
        self.run_verb('check', self.file('binary', b'\x00\xff'), code=65)
        self.run_verb('check', code=2)


if __name__ == '__main__':
    unittest.main()
