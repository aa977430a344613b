"""What the tenants of a chaos run send and see: an app, a deterministic producer, a watcher of its results."""
import contextlib
import json
import random
import threading
import time

import pika

BASE_MS = 1767225600000         # 2026-01-01
STEP_MS = 1500                  # of event time between two messages
PACE = {'sqlite': 0.06, 'mongodb': 0.25}       # s between two messages of a tenant; MongoDB's stand-in scans for each report
IN_DOUBT = (pika.exceptions.AMQPError, OSError)     # confirmed or not: nobody knows

APP = '''tenant: %(tenant)s
events:
  time: { field: t, format: unix_ms, out_of_orderness: 5s, idle_after: %(idle)s, ahead: 1h }
%(devices)s  fields:
    station: int
    kind: string
    value: float
    n: { type: int, default: 1 }
streams:
  - name: alarms
    where: value > %(threshold)d
    key: [station, kind]
    window: { tumbling: 10s, allowed_lateness: 20s }
    select: { alarm_fire_count: count(), highest: max(value), mean: avg(value) }
  - name: load
    key: [station]
    window: { sliding: 30s, every: 10s }
    select: { readings: count(), total: sum(n), kinds: distinct(kind) }
%(more)striggers:
  - { name: storm, on: alarms, when: alarm_fire_count >= 3, cooldown: 3m, run: recent }
jobs:
  - { name: recent, from: alarms, range: 5m, by: [station], select: { alarm_fire_count: sum(alarm_fire_count), highest: max(highest) } }
'''
MORE = '''  - name: totals
    key: [station]
    window: { tumbling: 20s, allowed_lateness: 10s }
    select: { readings: count(), first_kind: first(kind), last_n: last(n) }
'''
JOB = {'name': 'recent', 'from': 'alarms'}


def app(tenant, index, version):
    """The tenant's app in that version: thresholds change, a stream comes and goes."""
    return APP % {'tenant': tenant, 'threshold': 40 + 10 * (version % 2), 'more': MORE if has_all_streams(version) else '',
                  'idle': '4s' if index % 2 else '1h', 'devices': '  watermark_per: [station]\n' if index == 2 else ''}


def has_all_streams(version):
    return version % 2 == 1


# ---------------------------------------------------------------- what is sent

class Messages:
    """The bodies by sequence, made from the seed alone."""

    def __init__(self, seed, tenant):
        self.seed = '%s %s' % (seed, tenant)

    def body(self, sequence):
        chance = random.Random('%s %d' % (self.seed, sequence))
        events = [self.event(chance, sequence) for _ in range(chance.randint(2, 5))]
        form = chance.random()
        if form < 0.01:
            return ('[' + ','.join(events) + ',').encode()                  # cut off: dead as a whole
        if form < 0.02:
            events.insert(chance.randrange(len(events)), '{"t": 1, "station": ')
        return ('\n'.join(events) if form < 0.3 else '[' + ','.join(events) + ']').encode()

    def event_at(self, sequence):
        return self.event(random.Random('%s %d' % (self.seed, sequence)), sequence)

    def event(self, chance, sequence):
        t = BASE_MS + sequence * STEP_MS + chance.randrange(STEP_MS)
        what = chance.random()
        for share, ms in ((0.05, -4000), (0.03, -15000), (0.02, -25000), (0.01, -300000), (0.005, 7200000)):
            if what < share:
                t += ms
                break
            what -= share
        event = {'t': t, 'station': chance.randint(1, 3), 'kind': chance.choice('ab'),
                 'value': round(chance.uniform(0, 100), 2), 'n': chance.randint(0, 1000)}
        for share, name, value in ((0.01, 'value', 'high'), (0.01, 'station', None), (0.01, 't', -1), (0.05, 'n', None)):
            if what < share:
                event[name] = value
                break
            what -= share
        return json.dumps(event)


def connect(broker, address):
    """A connection of a tenant's own user."""
    url = pika.URLParameters(address)
    return pika.BlockingConnection(pika.ConnectionParameters(
        host=url.host, port=url.port, virtual_host=broker['vhost'], heartbeat=20, socket_timeout=5,
        credentials=pika.PlainCredentials(broker['user'], broker['password'])))


class Worker(threading.Thread):
    """A thread that goes on over lost connections until it is told to stop; what it cannot stand ends the run."""

    def __init__(self, name):
        super().__init__(name=name, daemon=True)
        self.stopping, self.failure = threading.Event(), None

    def run(self):
        try:
            while not self.stopping.is_set():
                with contextlib.suppress(*IN_DOUBT):
                    self.work()
                self.stopping.wait(0.2)         # no busy loop while the broker is away
        except BaseException as e:              # told by whoever waits for us
            self.failure = e

    def stop(self):
        self.stopping.set()
        self.join(60)
        assert not self.is_alive(), self.name + ' does not end'
        if self.failure:
            raise self.failure


class Producer(Worker):
    """Publishes p:0, p:1, ... each until it is confirmed, some of them again on purpose."""

    def __init__(self, tenant, seed, broker, address, pace):
        super().__init__('producer of ' + tenant)
        self.tenant, self.broker, self.address, self.pace = tenant, broker, address, pace
        self.messages = Messages(seed, tenant)
        self.confirmed = 0                      # all sequences below it
        self.again = 0                          # published a second time after a doubt

    def work(self):
        connection = connect(self.broker, self.address)
        with contextlib.closing(connection):
            channel = connection.channel()
            channel.confirm_delivery()
            while not self.stopping.is_set():
                self.publish(channel, self.confirmed)
                self.confirmed += 1
                if self.confirmed % 41 == 0:
                    self.publish(channel, self.confirmed - 1 - self.confirmed % 7)
                connection.sleep(self.pace)

    def publish(self, channel, sequence):
        try:
            channel.basic_publish('belltower.in.' + self.tenant, self.tenant, self.messages.body(sequence),
                                  pika.BasicProperties(message_id='p:%d' % sequence, delivery_mode=2), mandatory=True)
        except IN_DOUBT:
            self.again += 1
            raise


# ---------------------------------------------------------------- what is seen

class Probe:
    """When the first result came that says that all is well again."""

    def __init__(self, epoch):
        self.epoch, self.since, self.at = epoch, time.monotonic(), None


class Watcher(Worker):
    """Reads the results as the customer does, and notes when they come."""

    def __init__(self, tenant, broker, address):
        super().__init__('watcher of ' + tenant)
        self.tenant, self.broker, self.address = tenant, broker, address
        self.offset, self.epoch, self.window, self.count = -1, 0, '', 0
        self.probes, self.lock = [], threading.Lock()

    def work(self):
        connection = connect(self.broker, self.address)
        with contextlib.closing(connection):
            channel = connection.channel()
            channel.basic_qos(prefetch_count=200)
            start = self.offset + 1 if self.offset >= 0 else 'first'
            for method, properties, body in channel.consume('belltower.results.' + self.tenant, inactivity_timeout=0.2,
                                                            arguments={'x-stream-offset': start}):
                if self.stopping.is_set():
                    return
                if method:
                    self.take(properties, body)
                    channel.basic_ack(method.delivery_tag)

    def take(self, properties, body):
        offset = properties.headers['x-stream-offset']
        if offset <= self.offset:
            return
        with self.lock:
            self.offset = offset
            if (properties.type or '').startswith('belltower.'):
                return
            self.count += 1
            self.epoch = properties.headers['x-epoch']
            self.window = max(self.window, json.loads(body)['window_start'])
            for probe in [p for p in self.probes if self.epoch >= p.epoch]:
                probe.at = time.monotonic()
                self.probes.remove(probe)

    def probe(self, another_worker):
        """Armed at once; another_worker: only a result of a later epoch fulfils it."""
        with self.lock:
            probe = Probe(self.epoch + 1 if another_worker else 0)
            self.probes.append(probe)
        return probe
