"""The API: calls and small batch runs at 100 requests a second, and a large upload."""
import http.client
import os
import threading
import time

import table
from lab import app

RATE = 100
CLIENTS = 8


def memory_kb(pid, name):
    with open('/proc/%d/status' % pid) as f:
        return next(int(line.split()[1]) for line in f if line.startswith(name))


def api_pid(platform):
    import re
    return int(re.findall(r'API started, pid (\d+)', platform.log())[-1])


class Load:
    """Requests due at fixed times, whoever is slow; how long each took from when it was due."""

    def __init__(self, platform, seconds, request):
        self.platform, self.request, self.count = platform, request, RATE * seconds
        self.lock, self.next, self.took, self.failed = threading.Lock(), 0, [], []
        self.token = platform.token()

    def take(self):
        with self.lock:
            self.next += 1
            return self.next - 1

    def client(self):
        connection = http.client.HTTPConnection('127.0.0.1', self.platform.port, timeout=30)
        while (i := self.take()) < self.count:
            due = self.began + i / RATE
            time.sleep(max(0, due - time.monotonic()))
            method, path, body = self.request(i)
            headers = {'Authorization': 'Bearer ' + self.token, 'Content-Type': 'application/json'}
            connection.request(method, path, body=body, headers=headers)
            answer = connection.getresponse()
            answer.read()
            self.took.append((time.monotonic() - due) * 1000)
            if answer.status != 200:
                self.failed.append(answer.status)
        connection.close()

    def p99(self):
        self.began = time.monotonic() + 0.1
        threads = [threading.Thread(target=self.client) for _ in range(CLIENTS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self.failed or len(self.took) < self.count:
            raise RuntimeError('%d answers, %d failed: %s' % (len(self.took), len(self.failed), self.failed[:3]))
        return sorted(self.took)[len(self.took) * 99 // 100]


def calls(lab, platform):
    seconds = 10 if not lab.quick else 3
    kinds = {'API calls at 100/s, p99': [('GET', '/v1/tenants/web', None), ('GET', '/v1/tenants/web/results?stream=alarms&limit=20', None),
                                         ('GET', '/v1/tenants/web/runs?limit=10', None), ('GET', '/v1/tenants', None)],
             'on-demand batch over HTTP, small, 100/s, p99': [('POST', '/v1/tenants/web/jobs/last-12h/runs?wait=30s', '{}')]}
    rows = []
    for name, requests in kinds.items():
        runs = [Load(platform, seconds, lambda i: requests[i % len(requests)]).p99() for _ in range(lab.runs)]
        rows.append(table.row(name, runs, 'ms', at_most=20))
    return rows


def send_file(platform, path):
    connection = http.client.HTTPConnection('127.0.0.1', platform.port, timeout=600)
    began = time.monotonic()
    with open(path, 'rb') as f:
        connection.request('POST', '/v1/tenants/web/events', body=f, headers={
            'Authorization': 'Bearer ' + platform.token(), 'Content-Type': 'text/csv', 'Content-Length': str(os.path.getsize(path))})
        answer = connection.getresponse()
        text = answer.read()
    connection.close()
    if answer.status != 200:
        raise RuntimeError('upload: %d %s' % (answer.status, text[:300]))
    return time.monotonic() - began


def upload(lab, platform):
    path, app_path = lab.scratch + '/events.csv', lab.scratch + '/app.yaml'
    size = lab.program('bench-fill', file=path, layout='csv', events=lab.count(lab.uploaded))['bytes']
    with open(app_path, 'w') as f:
        f.write(app('web'))
    pid = api_pid(platform)
    before = memory_kb(pid, 'VmRSS:')
    with open('/proc/%d/clear_refs' % pid, 'w') as f:
        f.write('5')  # the peak is counted from here
    ours, bare = [], []
    for _ in range(lab.runs if size < 2e8 else 1):
        ours.append(size / 1e6 / send_file(platform, path))
        bare.append(size / 1e6 / lab.output([lab.bin('bench-socket'), app_path, path])['seconds'])
    peak = memory_kb(pid, 'VmHWM:')
    return [table.row('upload of %d MB of CSV over HTTP' % (size / 1e6), ours, 'MB/s', bare, 'a bare socket, same parser'),
            table.row('upload: peak memory of the API', [peak / 1024], 'MB', at_most=32, note='%d MB before it' % (before / 1024))]


def measure(lab):
    platform = lab.platform
    platform.onboard(app('web'))
    path = lab.scratch + '/little.ndjson'
    lab.program('bench-fill', file=path, events=20000, stations=2, datapoints=10)
    with open(path, 'rb') as f:
        platform.upload('web', f.read(), end=True)
    from harness import wait_for
    wait_for(lambda: platform.get('/v1/tenants/web/results?stream=alarms&limit=1')['results'], 'results')
    return calls(lab, platform) + upload(lab, platform)
