"""/metrics, read by a strict parser, against the list in docs/metrics.md."""
import re
import unittest

import exposition
from harness import ROOT, PlatformTest, read, tenant_app, wait_for
from test_api import APP, event, lines


def documented():
    """{name: (type, labels)} of docs/metrics.md, which is the same as the tables in the code (docs_metrics)."""
    rows = re.findall(r'^\| `(\w+)` \| (\w+) \| (.*?) \| [\w-]+ \| .+ \|$', read(ROOT + '/docs/metrics.md'), re.M)
    return {name: (kind, set(re.findall(r'`(\w+)`', labels))) for name, kind, labels in rows}


class Parser(unittest.TestCase):
    HEAD = '# HELP x_total what\n# TYPE x_total counter\n'
    HISTOGRAM = '# HELP h what\n# TYPE h histogram\n'

    def test_what_is_right(self):
        families = exposition.parse(self.HEAD + 'x_total{a="1",b="q\\"\\\\\\n{,}"} 1\nx_total{a="2",b=""} 2.5e3\nx_total 0\n' + self.HISTOGRAM +
                                    'h_bucket{le="1"} 1\nh_bucket{le="+Inf"} 2\nh_sum 3\nh_count 2\n')
        self.assertEqual(families['x_total'].samples[('x_total', (('a', '1'), ('b', 'q"\\\n{,}')))], 1)
        self.assertEqual((families['x_total'].type, families['h'].samples[('h_count', ())]), ('counter', 2))

    def test_what_is_wrong(self):
        for text in (self.HEAD + 'x_total 1', self.HEAD + self.HEAD, 'x_total 1\n', self.HEAD + 'y 1\n', self.HEAD + 'x_total{a="1} 1\n', self.HEAD + '\n',
                     self.HEAD + 'x_total{a="1",} 1\n', self.HEAD + 'x_total{a="1"b="2"} 1\n', self.HEAD + 'x_total{a="\\x"} 1\n', self.HEAD + 'x_total{} 1\n',
                     self.HEAD + 'x_total{a="1",a="2"} 1\n', self.HEAD + 'x_total -1\n', self.HEAD + 'x_total one\n', self.HEAD + 'x_total  1\n',
                     self.HEAD + 'x_total{a="1",b="2"} 1\nx_total{b="2",a="1"} 1\n', self.HEAD + 'x_total 0x1\n', self.HEAD + 'x_total 1 # note\n',
                     self.HEAD.replace('counter', 'counted'), '# TYPE x_total counter\n', '# HELP x_total what\n', '# HELP x_total \n# TYPE x_total counter\n',
                     self.HISTOGRAM + 'h 1\n', self.HISTOGRAM + 'h_bucket{le="1"} 1\nh_sum 3\nh_count 1\n', self.HISTOGRAM + 'h_sum 3\nh_count 1\n',
                     self.HISTOGRAM + 'h_bucket{le="1"} 2\nh_bucket{le="+Inf"} 1\nh_sum 3\nh_count 1\n',
                     self.HISTOGRAM + 'h_bucket{le="+Inf"} 1\nh_sum 3\nh_count 2\n', self.HISTOGRAM + 'h_bucket{le="+Inf"} 1\nh_count 1\n'):
            with self.assertRaises(exposition.Wrong, msg=text):
                exposition.parse(text)


class Metrics(PlatformTest):
    def families(self):
        answer = self.platform.request('GET', '/metrics', token='')
        self.assertEqual((answer.status, answer.headers['Content-Type']), (200, 'text/plain; version=0.0.4; charset=utf-8'))
        return exposition.parse(answer.text)

    def value(self, name, **labels):
        return self.families()[name].samples.get((name, tuple(sorted(labels.items()))))

    def test_all_that_is_documented_and_no_more(self):
        p = self.platform
        for name in ('acme', 'globex'):
            p.onboard(tenant_app(name, APP))
            p.upload(name, lines(*[event(i) for i in range(5)], {'station': 1}), end=True)
        for name in ('acme', 'globex'):
            wait_for(lambda: self.value('belltower_job_runs_total', tenant=name, job='hour', result='done'), 'the triggered run of ' + name)
        wait_for(lambda: self.value('belltower_unrouted_messages') == 0, 'the number of unrouted messages')
        families, expected = self.families(), documented()
        self.assertEqual({name: f.type for name, f in families.items()}, {name: kind for name, (kind, _) in expected.items()})
        for name, family in families.items():
            self.assertTrue(family.samples, name)
            for _, labels in family.samples:
                self.assertEqual(set(dict(labels)) - {'le'}, expected[name][1], name)
        for name in ('acme', 'globex'):
            for family, labels, value in (('events_read_total', {}, 5), ('windows_closed_total', {'stream': 'count'}, 1), ('triggers_fired_total', {'trigger': 'many'}, 1),
                                          ('events_dead_total', {'reason': 'missing-field'}, 1), ('dead_total', {}, 1), ('worker_up', {'role': 'batch'}, 1),
                                          ('worker_wanted', {'role': 'stream'}, 1), ('job_runs_total', {'job': 'hour', 'result': 'failed'}, 0)):
                self.assertEqual(families['belltower_' + family].samples[('belltower_' + family, tuple(sorted({'tenant': name, **labels}.items())))], value, family)

    def test_a_paused_tenant_is_down_but_not_wanted(self):
        p = self.platform
        p.onboard(tenant_app('resting', APP))

        def state():
            return [(self.value('belltower_worker_up', tenant='resting', role=role), self.value('belltower_worker_wanted', tenant='resting', role=role))
                    for role in ('stream', 'batch')]
        wait_for(lambda: state() == [(1, 1)] * 2, 'its workers')
        self.assertEqual(p.request('POST', '/v1/tenants/resting/pause').status, 200)
        wait_for(lambda: state() == [(0, 0)] * 2, 'its rest')
        p.restart_api()
        wait_for(lambda: state() == [(0, 0)] * 2, 'its rest, as told anew')
        self.assertEqual(p.request('POST', '/v1/tenants/resting/resume').status, 200)
        wait_for(lambda: state() == [(1, 1)] * 2, 'its workers again')
        self.assertEqual(p.request('DELETE', '/v1/tenants/resting').status, 204)
        self.assertEqual(state(), [(None, None)] * 2)


if __name__ == '__main__':
    unittest.main()
