"""The real belltowerd with stub children (tests/e2e/stubs/stub.py) that hang, crash, flood, lie and ignore SIGTERM."""
import json
import os
import shutil
import signal
import stat
import subprocess
import tempfile
import time
import unittest

from harness import BIN, alive, read, wait_for

HERE = os.path.dirname(os.path.abspath(__file__))
WANT, WANT_END, PROVISION, LIST, RESTART = 16, 17, 18, 19, 20
RUNNING, PAUSED, REMOVED = 0, 1, 2


class Supervisor(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix='belltower-supervisor-')
        self.data = self.dir + '/data'
        os.mkdir(self.data)
        shutil.copy(BIN + '/belltowerd', self.dir)
        for name in ('api', 'stream', 'batch', 'provision'):
            path = '%s/belltower-%s' % (self.dir, name)
            with open(path, 'w') as f:
                f.write('#!/usr/bin/python3\n' + read(HERE + '/stubs/stub.py'))
            os.chmod(path, os.stat(path).st_mode | stat.S_IXUSR)
        self.start()

    def start(self):
        self.log = open(self.dir + '/log', 'a')
        self.process = subprocess.Popen([self.dir + '/belltowerd', '--data', self.data, '--management', 'http://a:secret@127.0.0.1:1'],
                                        stderr=self.log, stdout=self.log, stdin=subprocess.DEVNULL)

    def tearDown(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log.close()
        text = self.text()
        shutil.rmtree(self.dir)
        self.assertNotIn('AddressSanitizer', text)
        self.assertNotIn('runtime error', text)

    def text(self):
        return read(self.dir + '/log')

    def want(self, *messages):
        with open(self.data + '/want.part', 'w') as f:
            json.dump(messages, f)
        os.rename(self.data + '/want.part', self.data + '/want.json')

    def told(self):
        try:
            return [json.loads(line) for line in read(self.data + '/told.jsonl').splitlines(True) if line.endswith('\n')]
        except FileNotFoundError:
            return []

    def state(self, tenant, role=0):
        states = [m for m in self.told() if m['kind'] == 33 and m['tenant'] == tenant and m['role'] == role]
        return states[-1] if states else None

    def wait_state(self, tenant, name, role=0, seconds=60):
        def there():
            s = self.state(tenant, role)
            return s if s and s['text'].split('\n')[0] == name else None
        return wait_for(there, '%s to be %s' % (tenant, name), seconds)

    def run_tenant(self, *names):
        self.want(*[(WANT, dict(tenant=n, generation=1, version=1, wanted=RUNNING)) for n in names])

    def test_workers_get_up_drain_and_are_told_gone(self):
        self.run_tenant('good')
        up = self.wait_state('good', 'up')
        self.wait_state('good', 'up', role=1)
        first = [m for m in self.told() if m['kind'] == 33 and m['tenant'] == 'good' and m['fds']]
        self.assertEqual(len(first), 2)             # one page of each worker was passed on
        self.want((WANT, dict(tenant='good', generation=1, version=1, wanted=REMOVED)))
        wait_for(lambda: any(m['kind'] == 35 and m['tenant'] == 'good' for m in self.told()), 'the word that it is gone')
        self.assertFalse(alive(up['pid']))

    def test_a_crash_loop_is_parked_and_disturbs_no_other(self):
        self.run_tenant('good', 'crash')
        good = self.wait_state('good', 'up')
        failing = self.wait_state('crash', 'failing', seconds=90)
        self.assertIn('left with code 1 (fault)', failing['text'])
        self.assertIn('about to crash', failing['text'])
        self.assertEqual(self.state('good')['pid'], good['pid'])
        before = failing['restarts']
        self.want((RESTART, dict(tenant='crash', role=0)))
        wait_for(lambda: self.state('crash')['restarts'] > before, 'another try after an operator\'s word')

    def test_a_fault_by_signal_is_named(self):
        self.run_tenant('segv')
        wait_for(lambda: 'died of signal 11 (Segmentation fault)' in self.text(), 'the obituary')

    def test_an_end_that_was_asked_for_is_no_fault(self):
        self.run_tenant('new')
        self.wait_state('new', 'up')
        self.wait_state('new', 'up', role=1)
        self.want((WANT, dict(tenant='new', generation=1, version=1, wanted=PAUSED)))
        self.wait_state('new', 'stopped')
        self.wait_state('new', 'stopped', role=1)
        lines = [line for line in self.text().split('\n') if 'died of signal 15' in line]
        self.assertEqual(len(lines), 2)
        for line in lines:
            self.assertIn(' info ', line)
            self.assertNotIn('please report', line)

    def test_a_hanging_worker_is_killed(self):
        self.run_tenant('hang')
        pid = self.wait_state('hang', 'up')['pid']
        wait_for(lambda: not alive(pid), 'the hanging worker to be killed', 30)
        wait_for(lambda: 'heartbeat is lost' in self.text(), 'the reason')
        self.wait_state('hang', 'up')

    def test_not_ready_in_time_is_killed_but_waiting_is_not(self):
        self.run_tenant('unready', 'waits')
        pid = wait_for(lambda: self.state('unready') and self.state('unready')['pid'], 'it to start')
        waits = wait_for(lambda: self.state('waits') and self.state('waits')['pid'], 'it to start')
        wait_for(lambda: not alive(pid), 'it to be killed', 45)
        wait_for(lambda: 'missed its deadline' in self.text(), 'the reason')
        self.assertTrue(alive(waits))

    def test_sigterm_ignored_ends_in_sigkill(self):
        self.run_tenant('stubborn')
        pid = self.wait_state('stubborn', 'up')['pid']
        self.want((WANT, dict(tenant='stubborn', generation=1, version=1, wanted=PAUSED)))
        wait_for(lambda: not alive(pid), 'it to be killed', 40)
        self.wait_state('stubborn', 'stopped')

    def test_a_flood_starves_nobody(self):
        self.run_tenant('flood', 'good')
        self.wait_state('good', 'up')
        self.wait_state('flood', 'up')
        began = time.monotonic()
        self.want((LIST, dict(request=77)))
        wait_for(lambda: any(m['kind'] == 34 and m['request'] == 77 for m in self.told()), 'an answer during the flood', 10)
        self.assertLess(time.monotonic() - began, 10)

    def test_a_liar_is_ignored(self):
        self.run_tenant('good', 'liar')
        good = self.wait_state('good', 'up')
        wait_for(lambda: 'not for the stream to send' in self.text() and 'malformed' in self.text(), 'its lies to be named')
        self.assertEqual(self.state('good')['pid'], good['pid'])
        self.assertTrue(alive(good['pid']))

    def test_a_broken_guarantee_parks_at_once(self):
        self.run_tenant('parked')
        s = self.wait_state('parked', 'parked')
        self.assertEqual(s['restarts'], 0)
        self.assertIn('a guarantee would break', s['text'])

    def test_children_leave_when_the_supervisor_is_killed(self):
        self.run_tenant('orphan')
        self.wait_state('orphan', 'up')
        self.wait_state('orphan', 'up', role=1)
        pids = [int(p) for p in read(self.data + '/orphan.pid').split()]
        self.process.kill()
        self.process.wait()
        for pid in pids:
            wait_for(lambda pid=pid: not alive(pid), 'its children to leave')

    def test_workers_go_on_when_the_api_dies(self):
        self.run_tenant('good')
        good = self.wait_state('good', 'up')
        api = wait_for(lambda: self.state('', role=2), 'the API')
        os.kill(api['pid'], signal.SIGKILL)
        wait_for(lambda: self.state('', role=2)['pid'] not in (0, api['pid']), 'a new API')
        self.assertTrue(alive(good['pid']))
        self.want((WANT, dict(tenant='good', generation=1, version=1, wanted=RUNNING)), (WANT_END, {}), (LIST, dict(request=5)))
        wait_for(lambda: any(m['kind'] == 34 and m['request'] == 5 for m in self.told()), 'the list')
        self.assertEqual(self.state('good')['pid'], good['pid'])

    def test_a_second_supervisor_on_the_same_data_is_refused(self):
        wait_for(lambda: 'begins' in self.text(), 'the first to begin')
        second = subprocess.run([self.dir + '/belltowerd', '--data', self.data], capture_output=True, timeout=30)
        self.assertEqual(second.returncode, 1)
        self.assertIn(b'another belltowerd already runs', second.stderr)

    def test_provisioning_is_answered(self):
        wait_for(lambda: 'has the platform' in self.text(), 'the platform to be provisioned')
        self.want((PROVISION, dict(tenant='good', request=9, generation=1, what=0)))
        answer = wait_for(lambda: [m for m in self.told() if m['kind'] == 32 and m['request'] == 9], 'the answer')[0]
        self.assertEqual(answer['ok'], 1)
        self.assertEqual(json.loads(answer['text'])['user'], 'u')


if __name__ == '__main__':
    unittest.main()
