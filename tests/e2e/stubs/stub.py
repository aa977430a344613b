"""A stub child of the supervisor: speaks the contract of base/wire/contract.h (version 1) over fds 3 and 4, and behaves as badly as its
tenant's name says. Copied as belltower-api, belltower-stream, belltower-batch and belltower-provision beside a real belltowerd."""
import json
import mmap
import os
import select
import signal
import socket
import struct
import sys
import time

STARTING, WAITING, READY, PAUSED, DRAINING = range(5)
CTL_RELOAD, CTL_WANT, CTL_WANT_END, CTL_PROVISION, CTL_LIST, CTL_RESTART = 1, 16, 17, 18, 19, 20


def encode(kind, tenant='', request=0, generation=0, version=0, wanted=0, what=0, role=0):
    name = tenant.encode()
    return (struct.pack('<BBI', 1, kind, len(name)) + name +
            struct.pack('<QQIBBBBiQIBqqI', request, generation, version, wanted, what, role, 0, 0, 0, 0, 0, 0, 0, 0))


def decode(data):
    version, kind, size = struct.unpack_from('<BBI', data)
    at = 6 + size
    names = 'request generation version wanted what role ok pid page restarts state since next text_len'.split()
    message = dict(zip(names, struct.unpack_from('<QQIBBBBiQIBqqI', data, at)))
    message.update(kind=kind, tenant=data[6:at].decode(), text=data[len(data) - message['text_len']:].decode())
    return message


class Page:
    def __init__(self):
        self.memory = mmap.mmap(4, os.fstat(4).st_size)
        magic, version = struct.unpack_from('<II', self.memory)
        assert magic == 0x424c5450 and version == 1
        self.beats = 0

    def beat(self):
        self.beats += 1
        struct.pack_into('<Q', self.memory, 8, self.beats)

    def state(self, state):
        struct.pack_into('<i', self.memory, 40, state)


def run_until(page, stop, control, take=lambda data, fds: None):
    while not stop:
        page.beat()
        if select.select([control], [], [], 0.1)[0]:
            data, fds, _, _ = socket.recv_fds(control, 4096, 4)
            for fd in fds:
                os.close(fd)
            if not data:
                return
            take(data, fds)


def main():
    role = os.path.basename(sys.argv[0]).removeprefix('belltower-')
    if role == 'provision':
        print('{"user":"u","password":"p"}')
        return 0
    if os.environ.get('BELLTOWER_MANAGEMENT'):
        return 1        # a secret that is not for this child
    stop = []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
    page, control = Page(), socket.socket(fileno=3)
    control.setblocking(False)
    if role == 'api':
        return api(page, stop, control)
    tenant = sys.argv[sys.argv.index('--tenant') + 1]
    return globals()['worker_' + tenant](page, stop, control)


def api(page, stop, control):
    data = os.environ['BELLTOWER_DATA']
    page.state(READY)
    seen = None
    told = open(data + '/told.jsonl', 'a', buffering=1)
    while not stop:
        page.beat()
        try:
            want = open(data + '/want.json').read()
        except FileNotFoundError:
            want = None
        if want and want != seen:
            seen = want
            for kind, fields in json.loads(want):
                control.send(encode(kind, **fields))
        if select.select([control], [], [], 0.05)[0]:
            message, fds, _, _ = socket.recv_fds(control, 4096, 4)
            if not message:
                return 0
            told.write(json.dumps(dict(decode(message), fds=len(fds))) + '\n')
            for fd in fds:
                os.close(fd)
    return 0


def worker_good(page, stop, control):
    page.state(READY)
    run_until(page, stop, control)
    return 0


def worker_crash(page, stop, control):
    print('about to crash', file=sys.stderr, flush=True)
    return 1


def worker_new(page, stop, control):
    """Has not got as far as to catch SIGTERM."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    page.state(READY)
    run_until(page, stop, control)


def worker_segv(page, stop, control):
    signal.raise_signal(signal.SIGSEGV)


def worker_hang(page, stop, control):
    page.state(READY)
    page.beat()
    while True:
        time.sleep(60)


def worker_unready(page, stop, control):
    while True:                 # beats, but never gets ready
        page.beat()
        time.sleep(0.2)


def worker_stubborn(page, stop, control):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    page.state(READY)
    while True:
        page.beat()
        time.sleep(0.2)


def worker_flood(page, stop, control):
    page.state(READY)
    while not stop:
        page.beat()
        os.write(2, b'flood ' * 2000 + b'\n')
        try:
            control.send(os.urandom(100))
        except BlockingIOError:
            pass
    return 0


def worker_liar(page, stop, control):
    page.state(READY)
    control.send(encode(CTL_WANT, 'good', generation=9, wanted=2))      # not its to say
    control.send(b'\x01')
    control.send(encode(CTL_WANT, 'x' * 63)[:-3])
    control.send(b'')               # reads as the end of the socket: its own loss
    run_until(page, stop, control)
    return 0


def worker_waits(page, stop, control):
    page.state(WAITING)
    run_until(page, stop, control)
    return 0


def worker_parked(page, stop, control):
    return 80


def worker_orphan(page, stop, control):
    page.state(READY)
    open(os.environ['BELLTOWER_DATA'] + '/orphan.pid', 'a').write('%d\n' % os.getpid())
    run_until(page, stop, control)      # ends at EOF of the control socket, or by PDEATHSIG
    return 0


sys.exit(main())
