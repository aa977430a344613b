"""belltower up refuses at once what cannot work, with a sentence and the exit code that tells why."""
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest

from harness import BIN, free_port, wait_for


class Up(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix='belltower-up-')
        self.addCleanup(shutil.rmtree, self.dir)
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith('BELLTOWER_')}
        self.nobody = 'amqp://127.0.0.1:%d/x' % free_port()

    def arguments(self, **settings):
        given = dict(data=self.dir + '/data', listen='127.0.0.1:%d' % free_port(), broker=self.nobody, **{})
        given.update(settings)
        return [BIN + '/belltower', 'up'] + ['--%s=%s' % x for x in given.items()]

    def up(self, **settings):
        begin = time.monotonic()
        done = subprocess.run(self.arguments(**settings), env=self.environment, cwd=self.dir, capture_output=True, text=True, timeout=60)
        return done, time.monotonic() - begin

    def test_a_wrong_setting_is_wrong_usage(self):
        for name, value, word in (('listen', 'nowhere', 'IPv4-ADDRESS:PORT'), ('listen', '127.0.0.1:99999', 'IPv4-ADDRESS:PORT'),
                                  ('listen', '127.0.0.1:', 'IPv4-ADDRESS:PORT'), ('broker', 'http://127.0.0.1', 'amqp'),
                                  ('broker', '', 'amqp'), ('broker', 'amqp://127.0.0.1:port/x', 'port'),
                                  ('coredms', 'mysql://127.0.0.1', 'sqlite:DIR'), ('coredms', 'nothing', 'sqlite:DIR')):
            done, took = self.up(**{name: value})
            self.assertEqual(done.returncode, 2, (name, value, done.stderr))
            self.assertIn(word, done.stderr)
            self.assertLess(took, 8)
            self.assertFalse(os.path.exists(self.dir + '/data'))

    def test_a_port_in_use(self):
        with socket.socket() as s:
            s.bind(('127.0.0.1', 0))
            s.listen()
            done, took = self.up(listen='127.0.0.1:%d' % s.getsockname()[1])
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn('in use', done.stderr)
        self.assertLess(took, 8)

    def test_a_broker_that_is_not_there(self):
        done, took = self.up()
        self.assertEqual(done.returncode, 69, done.stderr)
        self.assertIn('nothing answers at 127.0.0.1', done.stderr)
        self.assertIn('--wait', done.stderr)
        self.assertLess(took, 30)

    def test_a_broker_that_comes_late(self):
        with socket.socket() as s:
            s.bind(('127.0.0.1', 0))
            late = threading.Timer(2, s.listen)
            late.start()
            process = subprocess.Popen(self.arguments(broker='%s,amqp://127.0.0.1:%d/x' % (self.nobody, s.getsockname()[1])),
                                       env=self.environment, cwd=self.dir, stderr=subprocess.PIPE, text=True)
            self.goes_on(process, 'waiting for the broker')
            late.join()

    def test_it_waits_if_told(self):
        process = subprocess.Popen(self.arguments() + ['--wait'], env=self.environment, cwd=self.dir, stderr=subprocess.PIPE, text=True)
        self.goes_on(process, '')

    def goes_on(self, process, word):
        """It has become belltowerd."""
        try:
            wait_for(lambda: os.path.basename(os.readlink('/proc/%d/exe' % process.pid)) == 'belltowerd' or process.poll() is not None, 'belltowerd')
            self.assertIsNone(process.poll())
        finally:
            process.send_signal(signal.SIGTERM)
            said = process.communicate(timeout=60)[1]
        self.assertIn(word, said)
        self.assertIn('API and dashboard', said)


if __name__ == '__main__':
    unittest.main()
