"""What the end-to-end tests share: a platform of one's own (vhost, data directory, port) over a real RabbitMQ, and waiting for conditions.

Environment: BELLTOWER_BIN (the programs), RABBITMQ_URL and RABBITMQ_MANAGEMENT (a node; else scripts/rabbitmq starts one under build/)."""
import atexit
import base64
import contextlib
import http.client
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest
import urllib.parse
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN = os.environ.get('BELLTOWER_BIN', ROOT + '/build/test/bin')
FAULTS = ('AddressSanitizer', 'LeakSanitizer', 'runtime error:')


def read(path, mode='r'):
    with open(path, mode, **({} if 'b' in mode else {'errors': 'replace'})) as f:
        return f.read()


def wait_for(condition, what, seconds=60):
    """The first true value of condition(); a time-out is a failure that names what was waited for."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError('waited %d s in vain for %s' % (seconds, what))
        time.sleep(0.05)


def alive(pid):
    try:
        return read('/proc/%d/stat' % pid).rsplit(')', 1)[1].split()[0] != 'Z'
    except (FileNotFoundError, ProcessLookupError):
        return False


RESERVED = []                                   # abstract sockets: a port's name, held as long as this process lives


def is_free(port):
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):
            s.bind(('127.0.0.1', port))
            return True
    return False


def reserved(port):
    """No other test process is given that port, nor may a server of ours lose it while it is down: none of these ports is one that
    the system gives to outgoing connections (from 32768 on; a client that calls a server that is down could be given its very port)."""
    name = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        name.bind('\0belltower-test-port-%d' % port)
    except OSError:
        name.close()
        return False
    RESERVED.append(name)
    return True


def free_port(*offsets):
    """A port that is free and stays ours, and so are those the offsets behind it."""
    for port in random.sample(range(6000, 10000), 4000):
        if all(is_free(port + o) for o in (0, *offsets)) and reserved(port):
            return port
    raise AssertionError('no free port')


def rabbitmq_port():
    return free_port(10000, 20000)              # scripts/rabbitmq adds these


def rabbitmq():
    """(amqp address without vhost, management address with user and password)"""
    if 'RABBITMQ_URL' not in os.environ:
        directory = ROOT + '/build/e2e-rabbitmq'
        subprocess.run([ROOT + '/scripts/rabbitmq', 'start', directory, '5693'], check=True)
        atexit.register(subprocess.run, [ROOT + '/scripts/rabbitmq', 'stop', directory])
        for line in read(directory + '/env').split():
            name, _, value = line.partition('=')
            os.environ[name] = value
    return os.environ['RABBITMQ_URL'], os.environ['RABBITMQ_MANAGEMENT']


def management(method, path, body=None):
    """A call of RabbitMQ's management API; None for 404."""
    url = urllib.parse.urlsplit(rabbitmq()[1])
    login = base64.b64encode(('%s:%s' % (url.username, url.password)).encode()).decode()
    request = urllib.request.Request('http://%s:%d%s' % (url.hostname, url.port, path), method=method,
                                     data=None if body is None else json.dumps(body).encode(),
                                     headers={'Authorization': 'Basic ' + login, 'Content-Type': 'application/json'})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            text = answer.read()
    except urllib.error.HTTPError as e:
        if e.code == 404:
            return None
        raise
    return json.loads(text) if text else {}


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def text(self):
        return self.body.decode()

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return '%d %s' % (self.status, self.body[:500])


class Platform:
    """One belltowerd with all its children."""

    def __init__(self, name='e2e', coredms=None, broker=None, settings=None):
        amqp, admin = rabbitmq()
        self.dir = tempfile.mkdtemp(prefix='belltower-%s-' % name)
        self.vhost = os.path.basename(self.dir)
        self.data = self.dir + '/data'
        self.port = free_port()
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith('BELLTOWER_')}
        self.environment.update(BELLTOWER_DATA=self.data, BELLTOWER_LISTEN='127.0.0.1:%d' % self.port,
                                BELLTOWER_BROKER=broker or '%s/%s' % (amqp, self.vhost), BELLTOWER_MANAGEMENT=admin,
                                BELLTOWER_SERVER='http://127.0.0.1:%d' % self.port)
        if coredms:
            self.environment['BELLTOWER_COREDMS'] = coredms
        self.environment.update(settings or {})
        self.process = None
        self.credentials = {}

    # ---- processes ----
    def start(self, ready=True):
        self.log_file = open(self.dir + '/log', 'ab')
        self.process = subprocess.Popen([BIN + '/belltowerd'], env=self.environment, stdin=subprocess.DEVNULL,
                                        stdout=self.log_file, stderr=self.log_file, cwd=self.dir)
        if ready:
            wait_for(lambda: self.ready() or self.process.poll() is not None, 'the platform to be ready', 90)
            assert self.process.poll() is None, self.log()
        return self

    def ready(self):
        with contextlib.suppress(OSError, http.client.HTTPException):
            return self.request('GET', '/readyz').status == 200
        return False

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(60)

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.log_file.close()

    def close(self):
        """Stops it, removes all of it, and fails on a sanitizer's report."""
        try:
            self.stop()
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        finally:
            if self.process:
                self.log_file.close()
            text = self.log()
            management('DELETE', '/api/vhosts/' + self.vhost)
            if not os.environ.get('BELLTOWER_TEST_KEEP'):
                shutil.rmtree(self.dir, ignore_errors=True)
        for fault in FAULTS:
            assert fault not in text, text[max(0, text.index(fault) - 500):text.index(fault) + 3000]

    def log(self):
        return read(self.dir + '/log') if os.path.exists(self.dir + '/log') else ''

    # ---- HTTP ----
    def token(self):
        return self.environment.get('BELLTOWER_TOKEN') or read(self.data + '/token').strip()

    def request(self, method, path, body=None, token=None, headers=None, timeout=120):
        """token: None = the platform's, '' = none."""
        connection = http.client.HTTPConnection('127.0.0.1', self.port, timeout=timeout)
        sent = dict(headers or {})
        with contextlib.suppress(FileNotFoundError):
            token = self.token() if token is None else token
        if token:
            sent['Authorization'] = 'Bearer ' + token
        try:
            connection.request(method, path, body=body.encode() if isinstance(body, str) else body, headers=sent)
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def get(self, path, **kwargs):
        answer = self.request('GET', path, **kwargs)
        assert answer.status == 200, answer
        return answer.json

    # ---- tenants ----
    def onboard(self, app):
        answer = self.request('POST', '/v1/tenants', app, headers={'Content-Type': 'application/yaml'})
        assert answer.status == 201, answer
        tenant = answer.json['tenant']
        self.credentials[tenant] = answer.json
        wait_for(lambda: self.get('/v1/tenants/' + tenant)['state'] == 'running', '%s to run' % tenant)
        return answer.json

    def upload(self, tenant, body, kind='application/x-ndjson', key=None, end=False):
        headers = {'Content-Type': kind}
        if key:
            headers['Idempotency-Key'] = key
        return self.request('POST', '/v1/tenants/%s/events%s' % (tenant, '?end=true' if end else ''), body, headers=headers)

    def status(self, tenant):
        return self.get('/v1/tenants/' + tenant)

    def worker_pid(self, tenant, role):
        return self.status(tenant)['workers'][role]['pid']

    def restart_api(self):
        """Kills the API; the supervisor starts another."""
        pid = int(re.findall(r'API started, pid (\d+)', self.log())[-1])
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not alive(pid) and self.ready(), 'another API')

    def results(self, tenant, query=''):
        rows, cursor = [], ''
        while True:
            page = self.get('/v1/tenants/%s/results?limit=1000%s%s' % (tenant, query, cursor))
            rows += page['results']
            if not page.get('next'):
                return rows
            cursor = '&cursor=' + urllib.parse.quote(page['next'])

    def command(self, *arguments, input=None, timeout=120):
        """The `belltower` command against this platform."""
        return subprocess.run([BIN + '/belltower', *map(str, arguments)], env=self.environment, input=input,
                              capture_output=True, text=True, timeout=timeout, cwd=self.dir)


@contextlib.contextmanager
def small_disk(directory, kilobytes):
    os.makedirs(directory, exist_ok=True)
    done = subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=%dk' % kilobytes, 'tmpfs', directory], capture_output=True, text=True)
    if done.returncode:
        raise unittest.SkipTest('SKIPPED: no small disk can be mounted here: ' + done.stderr.strip())
    try:
        yield
    finally:
        subprocess.run(['umount', '-l', directory])


def published(platform, tenant):
    """(message_id, body) of all in the tenant's results queue, read with the customer's own user."""
    import pika  # Debian's; not every test needs it

    broker = platform.credentials[tenant]['broker']
    url = pika.URLParameters(rabbitmq()[0])
    connection = pika.BlockingConnection(pika.ConnectionParameters(
        host=url.host, port=url.port, virtual_host=broker['vhost'],
        credentials=pika.PlainCredentials(broker['user'], broker['password'])))
    channel = connection.channel()
    channel.basic_qos(prefetch_count=500)
    rows = []
    for method, properties, body in channel.consume('belltower.results.' + tenant, arguments={'x-stream-offset': 'first'}, inactivity_timeout=2):
        if method is None:
            break
        channel.basic_ack(method.delivery_tag)
        if properties.type not in ('belltower.start', 'belltower.rewound'):
            rows.append((properties.message_id, json.loads(body)))
    connection.close()
    return rows


def send_in_background(platform, tenant, data, rate):
    """`belltower send` of a file, as the tenant's producer, so many events a second; the app is where reference() left it."""
    credentials = platform.dir + '/client.json'
    with open(credentials, 'w') as f:
        json.dump(platform.credentials[tenant], f)
    return subprocess.Popen([BIN + '/belltower', 'send', tenant, data, '--batch', '20', '--rate', str(rate), '--credentials', credentials,
                             '--app', platform.dir + '/app.yaml'], env=platform.environment, stderr=subprocess.PIPE, text=True)


class PlatformTest(unittest.TestCase):
    """A test class with one platform for all of its tests."""
    options = {}

    @classmethod
    def setUpClass(cls):
        cls.platform = Platform(cls.__name__.lower(), **cls.options)
        try:
            cls.platform.start()
        except BaseException:
            cls.platform.close()
            raise

    @classmethod
    def tearDownClass(cls):
        cls.platform.close()


def tenant_app(tenant, text):
    """An app file under another tenant's name."""
    return re.sub(r'(?m)^tenant: .*$', 'tenant: ' + tenant, text)
