"""What a tenant costs when idle, and how fast it is back after kill -9."""
import os
import signal
import time

import table
from lab import app


def pss_kb(pid):
    with open('/proc/%d/smaps_rollup' % pid) as f:
        return next(int(line.split()[1]) for line in f if line.startswith('Pss:'))


def workers(platform, tenant):
    return {role: worker['pid'] for role, worker in platform.status(tenant)['workers'].items()}


def idle_memory(lab, platform, tenants):
    pids = [pid for tenant in tenants for pid in workers(platform, tenant).values()]
    time.sleep(3)
    return [sum(pss_kb(pid) for pid in pids) / 1024 / len(tenants) for _ in range(lab.runs)]


def offset(platform, tenant):
    return platform.status(tenant).get('offset', -1)


def events_read(platform, tenant):
    for line in platform.request('GET', '/metrics').text.splitlines():
        if line.startswith('belltower_messages_read_total{tenant="%s"' % tenant):
            return float(line.rsplit(' ', 1)[1])
    return 0


def back_after_kill(platform, tenant):
    """Until a message is read that was sent after the kill."""
    from harness import wait_for
    pid = workers(platform, tenant)['stream']
    os.kill(pid, signal.SIGKILL)
    killed = time.monotonic()
    platform.upload(tenant, '{"event_time":"2026-01-01 00:00:00 UTC","station_id":1,"datapoint_id":1,"value":1,"isActive":true}\n')
    wait_for(lambda: workers(platform, tenant)['stream'] not in (0, None, pid) and events_read(platform, tenant) > 0, 'the next event')
    return time.monotonic() - killed


def figures(lab):
    """(MB of an idle tenant, seconds from kill -9 to the next event), a list each."""
    platform, tenants = lab.platform, ['idle-%d' % i for i in range(5)]
    for tenant in tenants:
        platform.onboard(app(tenant))
    memory = idle_memory(lab, platform, tenants)
    platform.upload(tenants[0], '{"event_time":"2026-01-01 00:00:00 UTC","station_id":1,"datapoint_id":1,"value":1,"isActive":true}\n')
    back = []
    for _ in range(max(3, lab.runs)):
        back.append(back_after_kill(platform, tenants[0]))
        time.sleep(2)
    for tenant in tenants:
        platform.request('DELETE', '/v1/tenants/' + tenant)
    return memory, back


def measure(lab):
    memory, back = figures(lab)
    return [table.row('an idle tenant: both workers (PSS)', memory, 'MB', note='of 5 tenants'),
            table.row('kill -9 of the stream worker to the next event', back, 's')]
