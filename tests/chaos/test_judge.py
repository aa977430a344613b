"""The judge of chaos finds each kind of fault in what came out; and nothing where all is right."""
import copy
import json
import os
import sys
import types
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), 'e2e')]

import load                                             # noqa: E402
from judge import Expected, Judge, Row                  # noqa: E402
from recovery import Recoveries, rank                   # noqa: E402

TENANT, SUFFIX, MESSAGES = 'chaos-1', '.0123', 250


def row(offset, body, id=None, type=None, user=None, headers=None):
    properties = types.SimpleNamespace(headers={'x-stream-offset': offset, **(headers or {})}, message_id=id, type=type, user_id=user)
    return Row(properties, body)


class World:
    """A log, and all that must come of it."""
    BODIES = load.Messages(1, TENANT)
    LOG = [row(n, load.Messages(1, TENANT).body(n), id='p:%d' % n) for n in range(MESSAGES)]
    LOG.append(row(MESSAGES, b'{}', type='belltower.end', user='belltower-api' + SUFFIX))
    EXPECTED = Expected(load.app(TENANT, 0, 1), LOG, SUFFIX)

    def __init__(self):
        wanted = self.EXPECTED
        self.stored = [copy.deepcopy(out['body']) for out in wanted.final.values()]
        self.runs = [{'run': t, 'state': 'done', 'published': True, 'error': None} for t in wanted.triggers]
        self.judge = Judge(self, None, TENANT, None, [])
        self.judge.log, self.judge.expected = list(self.LOG), wanted
        self.judge.queues = {
            'results': [row(n, json.dumps(out['body']).encode(), id=i, headers={
                'x-epoch': 1, 'x-number': out['number'], 'x-first-offset': out['first_offset'], 'x-last-offset': out['last_offset']})
                for n, (i, out) in enumerate(wanted.results.items())],
            'dead': [row(n, out['body'].encode(), id=i, headers={'x-reason': out['reason'], 'x-offset': out['offset'], 'x-index': out['index']})
                     for n, (i, out) in enumerate(wanted.dead.items())],
            'triggers': [row(n, b'{}', id=i) for n, i in enumerate(wanted.triggers)],
            'reports': [row(n, self.report(i), id=i) for n, i in enumerate(wanted.triggers)]}

    def report(self, trigger):
        body = {'from': '2026-01-01T00:00:00Z', 'to': '2026-01-02T00:00:00Z', 'complete': True}
        rows = self.judge.aggregate(body, lambda out: True).items()
        return json.dumps(dict(body, run=trigger, rows=[{'station': s, 'alarm_fire_count': n, 'highest': h} for s, (n, h) in rows])).encode()

    # what a platform answers
    def results(self, tenant):
        return self.stored

    def get(self, path):
        what = path.split('/')[4].split('?')[0]
        return {what: [dict(r, id=r['run']) for r in self.runs]}

    def differences(self):
        judge = self.judge
        judge.judge_log(MESSAGES, self.BODIES, [])
        judge.judge_results()
        judge.judge_store()
        judge.judge_dead()
        judge.judge_triggers()
        judge.judge_reports()
        return judge.verdict.differences


class JudgeTest(unittest.TestCase):
    def setUp(self):
        self.world = World()
        self.queues = self.world.judge.queues

    def expect(self, text):
        found = self.world.differences()
        self.assertEqual(len(found), 1, found)
        self.assertIn(text, found[0])

    def test_nothing_where_all_is_right(self):
        self.assertEqual(self.world.differences(), [])
        figures = self.world.judge.verdict.figures
        for what in ('results', 'dead letters', 'triggers', 'complete reports'):
            self.assertGreater(figures[what], 3, what)

    def test_a_result_that_is_missing(self):
        self.expect('result %s is missing' % self.queues['results'].pop(5).id)

    def test_a_result_that_comes_twice(self):
        self.queues['results'].append(self.queues['results'][7])
        self.expect('is in its queue 2 times')

    def test_a_result_of_another_content(self):
        r = self.queues['results'][3]
        r.body = json.dumps(dict(json.loads(r.body), station=77)).encode()
        self.expect('differs: the reference says')

    def test_a_result_of_another_number(self):
        self.queues['results'][3].headers['x-number'] += 1
        self.expect('numbers of result')

    def test_a_stored_result_that_counts_one_more(self):
        next(r for r in self.world.stored if r['stream'] == 'alarms')['alarm_fire_count'] += 1
        self.expect('stored result')

    def test_a_stored_result_that_is_missing(self):
        self.world.stored.pop()
        self.expect('is missing')

    def test_a_dead_letter_too_much_and_one_with_other_bytes(self):
        self.queues['dead'][0].body += b' '
        self.expect('dead letter')
        self.setUp()
        self.queues['dead'].append(self.queues['dead'][0])
        self.expect('is in its queue 2 times')

    def test_a_trigger_that_never_came_and_a_run_that_failed(self):
        self.queues['triggers'].pop()
        self.expect('trigger in its queue')
        self.setUp()
        self.world.runs[0]['state'] = 'failed'
        self.expect('is failed')

    def test_a_repeated_trigger_is_counted_alone(self):
        self.queues['triggers'].append(self.queues['triggers'][0])
        self.assertEqual(self.world.differences(), [])
        self.assertEqual(self.world.judge.verdict.figures['repeated triggers'], 1)

    def test_a_report_with_a_wrong_sum_and_one_of_two_minds(self):
        report = self.queues['reports'][0]
        body = json.loads(report.body)
        body['rows'][0]['alarm_fire_count'] -= 1
        other = json.dumps(body).encode()
        self.queues['reports'].append(row(99, other, id=report.id))
        self.assertTrue(any('different bytes' in d for d in self.world.differences()))
        self.setUp()
        self.queues['reports'][0].body = other
        self.expect('is right')

    def test_a_confirmed_message_that_is_not_in_the_log(self):
        self.world.judge.log = self.world.LOG[:9] + self.world.LOG[10:]
        self.expect('message p:9 was confirmed')


class RecoveriesTest(unittest.TestCase):
    def test_ranks_are_values_that_were_measured(self):
        self.assertEqual((rank([1, 2, 3, 4], 0.5), rank([1, 2, 3, 4], 0.99), rank([5], 0.99), rank([], 0.5)), (2, 4, 5, 0.0))

    def test_its_table(self):
        recoveries = Recoveries()
        recoveries.add('kill', [1.0, 3.0])
        recoveries.add('kill', [2.0])
        self.assertEqual(recoveries.faults(), 2)
        self.assertEqual(recoveries.table()[1].split(), ['kill', '2', '2.00', '3.00'])


if __name__ == '__main__':
    unittest.main()
