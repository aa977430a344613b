"""From the event that ends a window to the result in the customer's hands, at half of the rate that this machine sustains, against the
broker's own publish-to-consume time at the same rate. An event and its result go through the broker one after the other, so what a bare
relay takes for that is shown, too."""
import contextlib
import subprocess

import table
from lab import Tenant

LATENCY_APP = '''tenant: %s
events:
  time: { field: t, format: rfc3339, idle_after: 1h }
  fields: { k: int, v: int }
streams:
  - name: all
    key: [k]
    window: { tumbling: 1s }
    select: { n: count(), highest: max(v) }
'''


def half_rate(tenant, events):
    """Publishing and reading share the cores: the sustained rate is that of one after the other."""
    filled = tenant.fill(events)
    drained = tenant.drain(events)
    return int(events / (filled['seconds'] + drained['seconds']) / 2)


def flow(lab, tenant, rate, seconds, **more):
    reader = tenant.address()
    if 'raw' in more:  # the log of events is not the customer's to read
        reader = '%s/%s' % (lab.amqp.replace('amqp://', 'amqp://guest:guest@'), tenant.broker['vhost'])
    return lab.program('bench-latency', broker=tenant.address(), reader=reader, tenant=tenant.name, rate=rate, seconds=seconds, **more)


@contextlib.contextmanager
def relay(lab, tenant):
    """Instead of the tenant's worker: reads its log, and publishes as many results."""
    guest = '%s/%s' % (lab.amqp.replace('amqp://', 'amqp://guest:guest@'), tenant.broker['vhost'])
    with subprocess.Popen([lab.bin('bench-relay'), '--broker', guest, '--tenant', tenant.name], stdout=subprocess.PIPE, text=True) as process:
        try:
            process.stdout.readline()
            yield
        finally:
            process.kill()


def measure(lab):
    speed = lab.tenant('speed')
    rate, seconds = half_rate(speed, lab.count(200000)), 20 if not lab.quick else 4
    lab.remove(speed)
    ours, relayed, bare = [], [], []
    for i in range(lab.runs):
        name = 'latency-%d' % i
        tenant = Tenant(lab, name, LATENCY_APP % name)
        tenant.resume()
        ours.append(flow(lab, tenant, rate, seconds))
        tenant.pause()
        with relay(lab, tenant):
            relayed.append(flow(lab, tenant, rate, seconds))
        bare.append(flow(lab, tenant, rate, seconds, raw=1))
        lab.remove(tenant)
    rows = []
    for p in ('p50_ms', 'p99_ms'):
        a, two, one = [o[p] for o in ours], [r[p] for r in relayed], [b[p] for b in bare]
        rows.append(table.row('window end to result, %s' % p[:3], a, 'ms', one, 'publish to consume',
                              note='at %d events/s; the aim is on the difference' % rate))
        rows.append(table.row('the same, against two hops by a bare relay', a, 'ms', two, 'bare relay'))
    difference = [a['p99_ms'] - b['p99_ms'] for a, b in zip(ours, bare)]
    rows.append(table.row('window end to result, p99 above the broker\'s', difference, 'ms', at_most=10))
    rows.append(table.row('the same above a bare relay\'s', [a['p99_ms'] - b['p99_ms'] for a, b in zip(ours, relayed)], 'ms'))
    return rows
