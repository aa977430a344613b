"""What came out, against the reference's reading of the log as it lies in the broker."""
import collections
import http.client
import json
import os
import sys
import time
import urllib.parse

import pika

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'reference'))

from compare import same                        # noqa: E402
from engine import Engine, Message              # noqa: E402
from harness import wait_for                    # noqa: E402
import load                                     # noqa: E402

QUIET_S = 2                     # a queue that gives nothing for so long has been read


class Row:
    """A message as it lies in a queue."""

    def __init__(self, properties, body):
        self.headers = {name: int(value) if isinstance(value, int) else value for name, value in (properties.headers or {}).items()}
        self.offset = self.headers.get('x-stream-offset')
        self.id, self.type, self.user, self.body = properties.message_id, properties.type, properties.user_id, body

    @property
    def is_ours(self):
        """A marker of a worker, which customers pass over."""
        return (self.type or '').startswith('belltower.')


def read_queues(address, vhost, queues):
    """All of these stream queues, as the broker's administrator."""
    connection = pika.BlockingConnection(pika.URLParameters('%s/%s' % (address, vhost)))
    channel = connection.channel()
    channel.basic_qos(prefetch_count=1000)
    rows, heard = {queue: [] for queue in queues}, [time.monotonic()]

    def take(of):
        def one(_, method, properties, body):
            channel.basic_ack(method.delivery_tag)
            of.append(Row(properties, body))
            heard[0] = time.monotonic()
        return one
    for queue in queues:
        channel.basic_consume(queue, take(rows[queue]), arguments={'x-stream-offset': 'first'})
    while time.monotonic() < heard[0] + QUIET_S:
        connection.process_data_events(time_limit=0.2)
    connection.close()
    return rows


class Expected:
    """The reference's outputs of one log."""

    def __init__(self, app_text, log, suffix):
        """suffix: what names of users have in this vhost."""
        engine = Engine(app_text)
        self.results, self.dead, self.triggers, self.final = {}, {}, {}, {}
        for row in log:
            for out in engine.message(Message(row.offset, row.body, row.id, row.type, (row.user or '').removesuffix(suffix))):
                self.take(out)
        self.counts, self.ticks = engine.counts, engine.decided_ticks

    def take(self, out):
        if out['kind'] == 'result':
            self.results[out['message_id']] = out
            self.final[place_of(out['message_id'])] = out
        elif out['kind'] == 'dead':
            self.dead['%d:%d' % (out['offset'], out['index'])] = out
        else:
            self.triggers[out['id']] = out


def place_of(message_id):
    """stream, key and window of a result's id."""
    return message_id.rsplit(':', 1)[0]


class Verdict:
    """Collects differences; each names the tenant and what it is about."""

    def __init__(self, tenant):
        self.tenant, self.differences, self.figures = tenant, [], collections.Counter()

    def differ(self, text, *values):
        self.differences.append('%s: %s' % (self.tenant, text % values))

    def sets(self, what, expected, got):
        for missing in sorted(set(expected) - set(got))[:5]:
            self.differ('%s %s is missing', what, missing)
        for more in sorted(set(got) - set(expected))[:5]:
            self.differ('%s %s is not of the reference', what, more)

    def repeats(self, what, ids):
        repeated = {i: n for i, n in collections.Counter(ids).items() if n > 1}
        self.figures['repeated ' + what] = sum(n - 1 for n in repeated.values())
        return repeated


class Judge:
    """asked_for: ids of runs that were acknowledged to whoever asked for them."""

    def __init__(self, platform, address, tenant, app_text, asked_for):
        self.platform, self.address, self.tenant, self.app_text, self.asked_for = platform, address, tenant, app_text, asked_for
        self.verdict = Verdict(tenant)

    def settle(self, seconds):
        """Waits until as much is there as must be; what exactly, is judged afterwards."""
        queue = 'belltower.events.' + self.tenant
        worker = self.platform.credentials[self.tenant]['broker']['worker']
        self.log = read_queues(self.address, self.platform.vhost, [queue])[queue]
        self.expected = Expected(self.app_text, self.log, worker.removeprefix('belltower-worker-' + self.tenant))
        wanted = self.expected
        wait_for(lambda: self.settled(wanted), 'all results of %s to be stored and its runs to be done' % self.tenant, seconds)

    def settled(self, wanted):
        try:
            status = self.platform.status(self.tenant)
            done = sum(r['state'] == 'done' and r['published'] for r in self.listing('runs'))
            return status['at_end'] and done >= len(wanted.triggers) + len(self.asked_for) and \
                len(self.platform.results(self.tenant)) >= len(wanted.final)
        except (OSError, http.client.HTTPException, AssertionError, ValueError):
            return False

    def listing(self, what):
        rows, cursor = [], ''
        while True:
            page = self.platform.get('/v1/tenants/%s/%s?limit=1000%s' % (self.tenant, what, cursor))
            rows += page[what]
            if not page.get('next'):
                return rows
            cursor = '&cursor=' + urllib.parse.quote(page['next'])

    # ---- the log itself ----

    def judge_log(self, confirmed, messages, uploads):
        """Nothing that was confirmed is missing, and nothing is other than it was sent."""
        there = collections.defaultdict(set)
        for row in self.log:
            if row.id:
                there[row.id].add(row.body)
        for sequence in range(confirmed):
            if there.get('p:%d' % sequence) != {messages.body(sequence)}:
                self.verdict.differ('message p:%d was confirmed, but the log has %r', sequence, there.get('p:%d' % sequence))
        for key in uploads:
            if 'upload.%s:0' % key not in there:
                self.verdict.differ('upload %s was acknowledged, but is not in the log', key)
        self.verdict.figures.update({'messages': len(self.log), 'messages sent again': len(self.log) - len(there),
                                     'ticks': len(self.expected.ticks), 'events': self.expected.counts['counted']})

    # ---- results ----

    def judge_results(self):
        rows = self.queues['results']
        wanted = self.expected.results
        self.verdict.sets('result', wanted, [r.id for r in rows])
        for repeated, times in self.verdict.repeats('results', [r.id for r in rows]).items():
            self.verdict.differ('result %s is in its queue %d times, of epochs %s', repeated, times,
                                [r.headers['x-epoch'] for r in rows if r.id == repeated])
        for row in rows:
            if row.id in wanted:
                self.same('result ' + row.id, wanted[row.id]['body'], json.loads(row.body))
                self.same('numbers of result ' + row.id, [wanted[row.id][n] for n in ('number', 'first_offset', 'last_offset')],
                          [row.headers[n] for n in ('x-number', 'x-first-offset', 'x-last-offset')])
        self.verdict.figures['results'] = len(rows)

    def judge_store(self):
        stored = {(r['stream'], r['window_start'], r.get('station'), r.get('kind')): r for r in self.platform.results(self.tenant)}
        wanted = {}
        for out in self.expected.final.values():
            body = out['body']
            wanted[body['stream'], body['window_start'], body.get('station'), body.get('kind')] = body
        self.verdict.sets('stored result', map(str, wanted), map(str, stored))
        for place in wanted.keys() & stored.keys():
            self.same('stored result %s' % (place,), wanted[place], {k: v for k, v in stored[place].items() if k in wanted[place]})
        self.verdict.figures['stored'] = len(stored)

    def same(self, what, wanted, got):
        if not same(wanted, got):
            self.verdict.differ('%s differs: the reference says %s, it is %s', what, wanted, got)

    # ---- dead letters ----

    def judge_dead(self):
        rows = self.queues['dead']
        wanted = self.expected.dead
        self.verdict.sets('dead letter', wanted, [r.id for r in rows])
        for repeated, times in self.verdict.repeats('dead letters', [r.id for r in rows]).items():
            self.verdict.differ('dead letter %s is in its queue %d times', repeated, times)
        for row in rows:
            out = wanted.get(row.id)
            if out:
                self.same('dead letter ' + row.id, [out['reason'], out['offset'], out['index'], out['body']],
                          [row.headers['x-reason'], row.headers['x-offset'], row.headers['x-index'], row.body.decode()])
        self.verdict.figures['dead letters'] = len(rows)

    # ---- triggers and reports ----

    def runs(self):
        return [*self.expected.triggers, *self.asked_for]

    def judge_triggers(self):
        wanted = self.expected.triggers
        seen = [r.id for r in self.queues['triggers'] if r.id not in self.asked_for]
        self.verdict.sets('trigger in its queue', wanted, seen)
        self.verdict.repeats('triggers', seen)
        for what, name, ids in (('triggers', 'id', list(wanted)), ('runs', 'run', self.runs())):
            got = [r[name] for r in self.listing(what)]
            self.verdict.sets('%s of REST:' % what, ids, got)
            if len(set(got)) != len(got):
                self.verdict.differ('%s come twice: %s', what, self.verdict.repeats(what, got))
        for run in self.listing('runs'):
            if run['state'] != 'done' or not run['published']:
                self.verdict.differ('run %s is %s: %s', run['run'], run['state'], run['error'])
        self.verdict.figures['triggers'] = len(set(seen))

    def judge_reports(self):
        rows = self.queues['reports']
        self.verdict.sets('report', self.runs(), [r.id for r in rows])
        bodies = collections.defaultdict(set)
        for row in rows:
            bodies[row.id].add(row.body)
        for report, of in bodies.items():
            if len(of) > 1:
                self.verdict.differ('report %s comes with different bytes: %s', report, of)
        self.verdict.repeats('reports', [r.id for r in rows])
        self.verdict.figures['reports'] = len(bodies)
        for report in bodies.keys() & set(self.runs()):
            self.judge_report(report, json.loads(next(iter(bodies[report]))))

    def judge_report(self, report, body):
        """What was final when it ran must be in it; what came later may."""
        number = self.expected.triggers[report]['number'] if report in self.expected.triggers else 0
        rows = {r['station']: (r['alarm_fire_count'], r['highest']) for r in body['rows']}
        final = self.aggregate(body, lambda out: True)
        least = final if body['complete'] else self.aggregate(body, lambda out: out['number'] <= number)
        if not all(self.between(least.get(s), rows.get(s), final.get(s)) for s in least.keys() | rows.keys()):
            self.verdict.differ('report %s (complete: %s) has %s; between %s and %s is right', report, body['complete'], rows, least, final)
        self.verdict.figures['complete reports' if body['complete'] else 'preliminary reports'] += 1

    def aggregate(self, body, counts):
        """station -> (sum of counts, highest value) of the highest revisions that count."""
        newest, rows = {}, {}
        for out in self.expected.results.values():
            result = out['body']
            if result['stream'] == load.JOB['from'] and body['from'] <= result['window_start'] < body['to'] and counts(out):
                newest[place_of(out['message_id'])] = result
        for result in newest.values():
            count, highest = rows.get(result['station'], (0, result['highest']))
            rows[result['station']] = count + result['alarm_fire_count'], max(highest, result['highest'])
        return rows

    @staticmethod
    def between(least, got, most):
        if got is None or most is None:
            return got is None and least is None
        return all(g <= m for g, m in zip(got, most)) and (least is None or all(le <= g for le, g in zip(least, got)))

    def judge(self):
        names = {'belltower.%s.%s' % (n, self.tenant): n for n in ('results', 'dead', 'reports')}
        names['chaos.triggers.' + self.tenant] = 'triggers'
        rows = read_queues(self.address, self.platform.vhost, names)
        self.queues = {names[q]: [r for r in rows[q] if not r.is_ours] for q in names}
        self.judge_results()
        self.judge_store()
        self.judge_dead()
        self.judge_triggers()
        self.judge_reports()
        return self.verdict
