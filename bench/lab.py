"""Where it is measured: a RabbitMQ node of its own, a platform with tenants, and the benchmarks' programs. Nothing is started before a
part asks for it."""
import json
import os
import subprocess
import sys
import tempfile
import urllib.parse

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BIN = os.environ.setdefault('BELLTOWER_BIN', ROOT + '/build/bench/bin')
DIRECTORY = os.environ.get('BENCH_DIRECTORY', ROOT + '/build/bench-data')
PORT = os.environ.get('BENCH_PORT', '5781')

sys.path.insert(0, ROOT + '/tests/e2e')

APP = '''tenant: acme
events:
  time: { field: event_time, format: "%%Y-%%m-%%d %%H:%%M:%%S UTC", out_of_orderness: %(disorder)s, idle_after: 1h }
  fields:
    station_id: int
    datapoint_id: int
    value: float
    valueThreshold: { type: float, default: 999999 }
    isActive: bool
streams:
  - name: alarms
%(where)s    key: [station_id, datapoint_id]
    window: { tumbling: %(window)s }
    select: { alarm_fire_count: count(), highest: max(value) }
jobs:
  - name: last-12h
    from: alarms
    range: 12h
    by: [station_id, datapoint_id]
    select: { alarm_fire_count: sum(alarm_fire_count), highest: max(highest) }
'''


def app(tenant, where=True, window='5m', disorder='1m'):
    text = APP % {'where': '    where: value > valueThreshold and isActive\n' if where else '', 'window': window, 'disorder': disorder}
    return text.replace('tenant: acme', 'tenant: ' + tenant, 1)


class Tenant:
    """A tenant whose workers run by hand: onboarded, then paused."""

    def __init__(self, lab, name, text):
        self.lab, self.name = lab, name
        self.broker = lab.platform.onboard(text)['broker']
        self.generation = lab.platform.status(name)['generation']
        self.pause()

    def pause(self):
        from harness import wait_for
        self.lab.platform.request('POST', '/v1/tenants/%s/pause' % self.name)
        wait_for(lambda: not any(w.get('pid') for w in self.lab.platform.status(self.name)['workers'].values()), 'the workers to end')

    def resume(self):
        from harness import wait_for
        self.lab.platform.request('POST', '/v1/tenants/%s/resume' % self.name)
        wait_for(lambda: self.lab.platform.status(self.name)['state'] == 'running' and
                 self.lab.platform.status(self.name)['workers']['stream']['does'] == 'ready', 'the workers to run')

    def address(self):
        url = urllib.parse.urlsplit(self.lab.amqp)
        return 'amqp://%s:%s@%s/%s' % (self.broker['user'], self.broker['password'], url.netloc, self.broker['vhost'])

    def fill(self, events, **shape):
        return self.lab.program('bench-fill', broker=self.address(), exchange='belltower.in.' + self.name, key=self.name, events=events,
                                **shape)

    def drain(self, messages, prefetch=500, results=0):
        """results: so many are published meanwhile."""
        url = urllib.parse.urlsplit(self.lab.amqp)
        return self.lab.program('bench-drain', host=url.hostname, port=url.port, vhost=self.broker['vhost'],
                                queue='belltower.events.' + self.name, messages=messages, prefetch=prefetch, results=results,
                                key=self.name + '.alarms')

    def worker(self, events, **settings):
        """Reads the whole log once more: as another generation, which begins with no state."""
        self.generation += 1
        generation = str(self.generation)
        command = [BIN + '/bench-worker', '--events', str(events), '--generation', generation, '--', BIN + '/belltower-stream',
                   '--tenant', self.name, '--generation', generation]
        for name, value in settings.items():
            command += ['--' + name.replace('_', '-'), str(value)]
        return self.lab.output(command, env=self.lab.platform.environment)


class Lab:
    def __init__(self, runs, quick):
        self.runs, self.quick = runs, quick
        self.stored = int(os.environ.get('BENCH_STORED', 1000000))       # results that a report reads
        self.uploaded = int(os.environ.get('BENCH_UPLOADED', 16000000))  # rows of CSV, 65 bytes each
        self.own_platform = self.amqp = None
        self.scratch = tempfile.mkdtemp(prefix='belltower-bench-')

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.own_platform:
            self.own_platform.close()
        if self.amqp:
            subprocess.run([ROOT + '/scripts/rabbitmq', 'stop', DIRECTORY + '/rabbitmq'])
            subprocess.run(['rm', '-rf', DIRECTORY + '/rabbitmq'])
        subprocess.run(['rm', '-rf', self.scratch])

    def bin(self, name):
        return BIN + '/' + name

    def count(self, n):
        return n // 10 if self.quick else n

    def output(self, command, **more):
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more)
        if done.returncode != 0:
            raise RuntimeError('%s ended with %d: %s' % (os.path.basename(command[0]), done.returncode, done.stderr.strip()[-600:]))
        return json.loads(done.stdout.splitlines()[-1])

    def program(self, name, **options):
        command = [BIN + '/' + name]
        for option, value in options.items():
            command += ['--' + option.replace('_', '-'), str(value)]
        return self.output(command)

    def broker(self):
        """A node of our own, which ends with the lab."""
        if self.amqp:
            return
        directory = DIRECTORY + '/rabbitmq'
        os.makedirs(directory, exist_ok=True)
        subprocess.run([ROOT + '/scripts/rabbitmq', 'start', directory, PORT], check=True)
        with open(directory + '/env') as f:
            os.environ.update(line.strip().split('=', 1) for line in f)
        with open(directory + '/pid') as f:
            self.broker_pid = int(f.read())
        self.amqp = os.environ['RABBITMQ_URL']

    @property
    def platform(self):
        if not self.own_platform:
            self.broker()
            from harness import Platform, management
            self.own_platform = Platform('bench').start()
            everything = {'configure': '.*', 'write': '.*', 'read': '.*'}
            management('PUT', '/api/permissions/%s/guest' % self.own_platform.vhost, everything)
        return self.own_platform

    def tenant(self, name, **shape):
        return Tenant(self, name, app(name, **shape))

    def remove(self, tenant):
        """With its log: the disk is not without end."""
        self.platform.request('DELETE', '/v1/tenants/' + tenant.name)


def cpu_s(pid):
    with open('/proc/%d/stat' % pid) as f:
        fields = f.read().rsplit(')', 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')
