"""The stream worker from a filled log against a bare rabbitmq-c loop that drains the same queue; and against one that publishes as many
messages meanwhile as the worker has results, which costs the broker more than reading."""
import table
from lab import cpu_s


def against_drain(lab, title, aim, events, per_message, window='5m'):
    tenant = lab.tenant('per-%d-%s' % (per_message, window), window=window)
    tenant.fill(events, per_message=per_message)
    ours, bare, publishing, cpu, broker, results = [], [], [], [], [], 0
    for _ in range(lab.runs):
        drained = tenant.drain(events // per_message)
        bare.append(events / drained['seconds'])
        before = cpu_s(lab.broker_pid)
        read = tenant.worker(events)
        broker.append(1e6 * (cpu_s(lab.broker_pid) - before) / events)
        ours.append(events / read['seconds'])
        cpu.append(1e6 * read['cpu_s'] / events)
        results = read['results']
        publishing.append(events / tenant.drain(events // per_message, results=results)['seconds'])
    lab.remove(tenant)
    return [table.row(title, ours, 'events/s', bare, 'bare loop', at_least=aim),
            table.row(title + ', against a loop that publishes as many', ours, 'events/s', publishing, 'bare loop'),
            table.row(title + ': its processor time', cpu, 's per million', note='the broker: %s s per million, %d results published among them' % (
                table.figure(table.spread(broker)), results))]


def measure(lab):
    return (against_drain(lab, 'worker: single events', 0.95, lab.count(500000), 1) +
            against_drain(lab, 'worker: 500 events a message', 0.7, lab.count(5000000), 500) +
            against_drain(lab, 'worker: 500 events a message, windows of 2 h', 0.7, lab.count(5000000), 500, window='2h'))
