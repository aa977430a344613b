"""From the event that ends a window to the result in the customer's hands, at half of the rate that this machine sustains, against the
broker's own publish-to-consume time at the same rate."""
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


def measure(lab):
    speed = lab.tenant('speed')
    rate, seconds = half_rate(speed, lab.count(200000)), 10 if not lab.quick else 4
    lab.remove(speed)
    ours, bare = [], []
    for i in range(lab.runs):
        name = 'latency-%d' % i
        tenant = Tenant(lab, name, LATENCY_APP % name)
        tenant.resume()
        ours.append(flow(lab, tenant, rate, seconds))
        tenant.pause()
        bare.append(flow(lab, tenant, rate, seconds, raw=1))
        lab.remove(tenant)
    rows = []
    for p in ('p50_ms', 'p99_ms'):
        a, b = [o[p] for o in ours], [o[p] for o in bare]
        rows.append(table.row('window end to result, %s' % p[:3], a, 'ms', b, 'publish to consume',
                              note='at %d events/s; the aim is on the difference' % rate))
    difference = [a['p99_ms'] - b['p99_ms'] for a, b in zip(ours, bare)]
    rows.append(table.row('window end to result, p99 above the broker\'s', difference, 'ms', at_most=10))
    return rows
