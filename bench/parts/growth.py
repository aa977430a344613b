"""How cost grows with the size of messages and with the number of tenants."""
import time

import table
from lab import app, cpu_s
from parts.tenant import pss_kb, workers

EVENTS = {1: 200000, 10: 500000, 100: 2000000, 500: 2000000}
TENANTS = (1, 5, 20)
IDLE_S = 10


def message_sizes(lab):
    rows = []
    for per_message, events in EVENTS.items():
        tenant = lab.tenant('size-%d' % per_message)
        events = lab.count(events)
        tenant.fill(events, per_message=per_message)
        cpu = []
        for _ in range(lab.runs):
            read = tenant.worker(events)
            cpu.append(1e6 * read['cpu_s'] / events)
        lab.remove(tenant)
        rows.append(table.row('worker: CPU at %d events a message' % per_message, cpu, 's per million'))
    return rows


def idle_tenants(lab):
    rows, names = [], []
    for count in TENANTS:
        while len(names) < count:
            names.append('crowd-%d' % len(names))
            lab.platform.onboard(app(names[-1]))
        time.sleep(3)  # what they do when they begin is not what they do when idle
        pids = [pid for name in names for pid in workers(lab.platform, name).values()]
        before = [cpu_s(pid) for pid in pids]
        time.sleep(IDLE_S)
        busy = sum(cpu_s(pid) for pid in pids) - sum(before)
        rows.append(table.row('%d idle tenants: memory of each (PSS)' % count, [sum(map(pss_kb, pids)) / 1024 / count], 'MB'))
        rows.append(table.row('%d idle tenants: of a core, each' % count, [100 * busy / IDLE_S / count], '%'))
    for name in names:
        lab.platform.request('DELETE', '/v1/tenants/' + name)
    return rows


def measure(lab):
    return message_sizes(lab) + idle_tenants(lab)
