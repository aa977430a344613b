"""The main calls of the API with CoreDMS on a server that speaks MongoDB's protocol (BELLTOWER_TEST_MONGODB)."""
import os
import unittest
import urllib.parse

from harness import tenant_app, wait_for
from test_api import APP, ApiTest, event, lines

URI = os.environ.get('BELLTOWER_TEST_MONGODB')
MISSING = 'no MongoDB-protocol server: set BELLTOWER_TEST_MONGODB (scripts/test-mongodb start DIR)'


class OnMongodb(ApiTest):
    @classmethod
    def setUpClass(cls):
        if not URI:
            if os.environ.get('CI'):
                raise AssertionError(MISSING)
            print('SKIPPED: ' + MISSING, flush=True)
            raise unittest.SkipTest(MISSING)
        cls.options = {'coredms': urllib.parse.urlsplit(URI)._replace(path='/api_%d' % os.getpid()).geturl()}
        super().setUpClass()

    def busy(self, name, minutes=20):
        """A tenant with results of three stations in each minute, and of all in one hour."""
        p = self.platform
        body = p.onboard(tenant_app(name, APP))
        answer = p.upload(name, lines(*[event(60 * i + s, station=s, level=i) for i in range(minutes) for s in range(1, 4)]), end=True)
        self.assertEqual((answer.status, answer.json['accepted']), (200, 3 * minutes))
        self.stored(name, 3 * minutes + 1)
        return body

    def test_nothing_is_on_the_disk_instead(self):
        self.busy('elsewhere', 2)
        self.assertFalse([file for _, _, files in os.walk(self.platform.data) for file in files if file.endswith('.db')])
        self.assertIn('store: ok', self.platform.request('GET', '/readyz', token='').text)

    def test_onboarding_tokens_and_removal(self):
        p = self.platform
        first = self.busy('first', 2)
        self.problem(self.post('/v1/tenants', tenant_app('first', APP), 'application/yaml'), 409, 'first')
        self.assertIn('first', [t['tenant'] for t in p.get('/v1/tenants')['tenants']])
        self.assertEqual(p.request('GET', '/v1/tenants/first', token=first['token']).status, 200)
        renewed = self.post('/v1/tenants/first/token').json['token']
        self.problem(p.request('GET', '/v1/tenants/first', token=first['token']), 401)
        self.problem(p.request('GET', '/v1/tenants', token=renewed), 403)
        self.assertEqual(p.request('DELETE', '/v1/tenants/first').status, 204)
        self.problem(p.request('GET', '/v1/tenants/first'), 404)
        again = p.onboard(tenant_app('first', APP))
        self.assertEqual((again['generation'], p.results('first')), (2, []))

    def test_versions_of_the_app(self):
        p = self.platform
        p.onboard(tenant_app('versions', APP))
        old = p.request('GET', '/v1/tenants/versions/app')
        self.assertEqual((old.headers['ETag'], old.text), ('"1"', tenant_app('versions', APP)))
        changed = old.text.replace('tumbling: 1m', 'tumbling: 2m')
        self.problem(self.put_app('versions', changed, If_Match='"77"'), 412)
        self.assertEqual(self.put_app('versions', changed, If_Match='"1"').json['version'], 2)
        self.problem(self.put_app('versions', changed.replace('tumbling', 'tumblng')), 422)
        self.assertEqual(p.request('GET', '/v1/tenants/versions/app?version=1').text, old.text)
        self.assertEqual(p.request('GET', '/v1/tenants/versions/app').text, changed)

    def test_pause_and_resume(self):
        p = self.platform
        p.onboard(tenant_app('resting', APP))
        self.assertEqual(self.post('/v1/tenants/resting/pause').status, 200)
        wait_for(lambda: p.status('resting')['state'] == 'paused', 'its workers to end')
        self.problem(self.post('/v1/tenants/resting/jobs/hour/runs'), 409, 'paused')
        p.upload('resting', lines(event(1)), end=True)
        self.assertEqual(self.post('/v1/tenants/resting/resume').status, 200)
        self.assertEqual(len(self.stored('resting', 2)), 2)

    def test_results_pages_and_filters(self):
        p = self.platform
        self.busy('results')
        rows = p.results('results', '&stream=count')
        self.assertEqual([(r['window_start'], r['station'], r['top']) for r in rows],
                         [('2026-01-01T00:%02d:00Z' % i, s, float(i)) for i in range(20) for s in range(1, 4)])
        paged, cursor = [], ''
        while cursor is not None:
            page = p.get('/v1/tenants/results/results?limit=7' + cursor)
            paged += page['results']
            cursor = '&cursor=' + page['next'] if page['next'] else None
        self.assertEqual(paged, p.results('results'))
        self.assertEqual(len(p.results('results', '&station=2')), 20)
        self.assertEqual(len(p.results('results', '&stream=count&station=2&from=2026-01-01T00:05:00Z&to=2026-01-01T00:10:00Z')), 5)
        self.assertEqual(p.results('results', '&station=99'), [])
        table = p.request('GET', '/v1/tenants/results/results?stream=count&limit=1', headers={'Accept': 'text/csv'})
        self.assertEqual(table.text.splitlines()[1], 'count,2026-01-01T00:00:00Z,2026-01-01T00:01:00Z,0,1,1,0.0')

    def test_runs_and_reports(self):
        p = self.platform
        self.busy('runs')
        answer = self.post('/v1/tenants/runs/jobs/hour/runs?wait=30s', '{"range":"5m"}', Idempotency_Key='march')
        self.assertEqual((answer.status, [(r['station'], r['n'], r['top']) for r in answer.json['rows']]), (200, [(s, 5, 19.0) for s in (1, 2, 3)]))
        self.assertEqual(self.post('/v1/tenants/runs/jobs/hour/runs?wait=30s', '{"range":"5m"}', Idempotency_Key='march').json, answer.json)
        self.problem(self.post('/v1/tenants/runs/jobs/hour/runs', '{"range":"4m"}', Idempotency_Key='march'), 409)
        whole = self.post('/v1/tenants/runs/jobs/all-hours/runs?wait=30s').json
        self.assertEqual([r['n'] for r in whole['rows']], [60])
        run = p.get('/v1/tenants/runs/runs/march')
        self.assertEqual((run['state'], run['cause'], run['rows']), ('done', 'on-demand', 3))
        self.assertEqual(p.get('/v1/tenants/runs/runs/march/report'), answer.json)
        self.assertEqual([r['run'] for r in p.get('/v1/tenants/runs/runs?job=hour&state=done')['runs']], ['march'])
        self.problem(p.request('GET', '/v1/tenants/runs/runs/none'), 404)

    def test_triggers_and_their_runs(self):
        p = self.platform
        p.onboard(tenant_app('storms', APP))
        p.upload('storms', lines(*[event(i) for i in range(4)], {'station': 'x'}), end=True)
        fired = wait_for(lambda: p.get('/v1/tenants/storms/triggers')['triggers'], 'the trigger')
        self.assertEqual([(t['trigger'], t['job'], t['result']['n']) for t in fired], [('many', 'hour', 4)])

        def done():
            run = p.get('/v1/tenants/storms/runs/' + fired[0]['run'])
            return run if run['state'] == 'done' else None
        self.assertEqual(wait_for(done, 'its run')['cause'], 'trigger')
        self.assertEqual([j['job'] for j in p.get('/v1/tenants/storms/jobs')['jobs']], ['hour', 'all-hours'])
        wait_for(lambda: len(p.get('/v1/tenants/storms/dead-letters')['dead_letters']) == 1, 'the dead letter')

    def test_the_api_may_be_restarted(self):
        p = self.platform
        before = self.busy('stays', 2)
        p.restart_api()
        self.assertEqual(p.request('GET', '/v1/tenants/stays', token=before['token']).status, 200)
        self.assertEqual(len(p.results('stays')), 7)


if __name__ == '__main__':
    unittest.main()
