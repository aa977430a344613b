"""The package and the image, as far as they can be tried without installing them: docker/build is run as the Dockerfile runs it, a .deb is
made from what it built and unpacked, and its programs are run from where it puts them."""
import contextlib
import os
import re
import shutil
import subprocess
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = ROOT + '/build/image'  # where docker/build builds
PROGRAMS = ['belltower', 'belltower-api', 'belltower-batch', 'belltower-provision', 'belltower-stream', 'belltowerd']
MODULE = 'usr/lib/belltower/libbelltower-mongodb.so'
# A platform that runs here must not be found.
ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.startswith('BELLTOWER_')}


def read(path):
    with open(path, encoding='utf-8') as f:
        return f.read()


def output(*command, **options):
    """What the command says; its failure is one of the test and shows both streams."""
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=ENVIRONMENT, **options)
    if done.returncode != 0:
        raise AssertionError('%s: %d\n%s%s' % (' '.join(command), done.returncode, done.stdout, done.stderr))
    return done.stdout


def needed_libraries(file):
    return re.findall(r'\(NEEDED\).*\[(.+)\]', output('readelf', '-d', file))


def package_of(library):
    """The Debian package that brings a shared library, of this architecture."""
    path = re.search(r'^\s*%s .*=> (.+)$' % re.escape(library), output('/sbin/ldconfig', '-p'), re.M)[1]
    for candidate in (path, os.path.realpath(path), path.replace('/lib/', '/usr/lib/', 1)):
        done = subprocess.run(['dpkg-query', '-S', candidate], capture_output=True, text=True)
        if done.returncode == 0:
            return done.stdout.split(':')[0]
    raise AssertionError('no package brings ' + path)


class Package(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with contextlib.ExitStack() as stack:
            temporary = stack.enter_context(tempfile.TemporaryDirectory(prefix='belltower-package-'))
            cls.image = temporary + '/image'
            output('docker/build', cls.image)
            # as `make package` does
            output('cpack', '-G', 'DEB', '--config', BUILD + '/CPackConfig.cmake', '-B', temporary + '/deb')
            cls.deb, = [os.path.join(temporary, 'deb', f) for f in os.listdir(temporary + '/deb') if f.endswith('.deb')]
            cls.installed = temporary + '/installed'
            output('dpkg-deb', '-x', cls.deb, cls.installed)
            cls.addClassCleanup(stack.pop_all().close)

    def path(self, name):
        return os.path.join(self.installed, name)

    # ---- the package ----

    def test_what_it_holds(self):
        files = {os.path.relpath(os.path.join(d, f), self.installed) for d, _, names in os.walk(self.installed) for f in names}
        expected = {'usr/bin/' + p for p in PROGRAMS} | {
            MODULE, 'usr/lib/systemd/system/belltower.service', 'etc/belltower/environment', 'usr/share/man/man1/belltower.1',
            'usr/share/bash-completion/completions/belltower', 'usr/share/doc/belltower/README.md',
            'usr/share/doc/belltower/examples/acme/app.yaml', 'usr/share/belltower/prometheus/belltower.rules.yml',
            'usr/share/belltower/grafana/belltower.json'}
        expected |= {'usr/share/doc/belltower/' + f for f in os.listdir(ROOT + '/docs') if f.endswith('.md')}
        self.assertEqual(set(), expected - files)
        self.assertEqual(set(), {f for f in files if f.startswith('usr/bin/')} - expected, 'no tool of the build is shipped')

    def test_owners_and_modes(self):
        modes = {}
        for line in output('dpkg-deb', '--contents', self.deb).splitlines():
            mode, owner, *_, name = line.split()
            self.assertEqual(owner, 'root/root', line)
            self.assertNotRegex(mode, r'^-.......w|s', line)
            modes[name[2:]] = mode
        for program in PROGRAMS:
            self.assertEqual(modes['usr/bin/' + program], '-rwxr-xr-x')
        self.assertEqual(modes['etc/belltower/environment'], '-rw-------', 'it may hold the password of the broker')

    def test_control(self):
        field = lambda name: output('dpkg-deb', '--field', self.deb, name).strip()
        version = re.search(r'project\(belltower VERSION (\S+)', read(ROOT + '/CMakeLists.txt'))[1]
        self.assertEqual((field('Package'), field('Version')), ('belltower', version))
        depends = {d.split()[0] for d in field('Depends').split(',')}
        wanted = {package_of(l) for p in ['usr/bin/' + p for p in PROGRAMS] + [MODULE] for l in needed_libraries(self.path(p))}
        self.assertEqual(depends, wanted | {'tzdata', 'passwd'})
        self.assertEqual(output('dpkg-deb', '--info', self.deb, 'conffiles').split(), ['/etc/belltower/environment'])
        for script in ('postinst', 'prerm'):
            self.assertTrue(output('dpkg-deb', '--info', self.deb, script).startswith('#!/bin/sh\nset -e'))
            subprocess.run(['sh', '-n', ROOT + '/packaging/' + script], check=True)

    def test_only_the_module_needs_the_mongodb_driver(self):
        for program in PROGRAMS:
            self.assertNotRegex(' '.join(needed_libraries(self.path('usr/bin/' + program))), 'mongoc|bson')
        self.assertRegex(' '.join(needed_libraries(self.path(MODULE))), 'libmongoc')

    def test_the_supervisor_needs_libc_alone(self):
        """libyaml reads belltower.yaml; nothing that talks to a broker or a store."""
        self.assertLessEqual({l.split('.')[0] for l in needed_libraries(self.path('usr/bin/belltowerd'))},
                             {'libc', 'libm', 'libyaml-0', 'ld-linux-x86-64'})

    # ---- its programs, from where it puts them ----

    def test_check_and_try(self):
        belltower, app = self.path('usr/bin/belltower'), self.path('usr/share/doc/belltower/examples/acme/app.yaml')
        self.assertRegex(output(belltower, 'version'), r'^belltower \d+\.\d+\.\d+\n$')
        output(belltower, 'check', app)
        with tempfile.TemporaryDirectory() as directory:
            readings = directory + '/readings.csv'
            output(belltower, 'simulate', '--stations', '2', '--hours', '1', '--storm', '--out', readings)
            results = output(belltower, 'try', app, readings, '-o', 'json').splitlines()
        self.assertGreater(len(results), 0)
        self.assertTrue(all('"tenant_id":"acme"' in r.replace(' ', '') for r in results))

    def test_the_mongodb_store_is_found(self):
        """With the module, the worker finds nobody at its store's address; without it, it says what it cannot load."""
        self.assertEqual(self.batch_worker(), (69, False))
        os.rename(self.path(MODULE), self.path(MODULE) + '.away')
        try:
            self.assertEqual(self.batch_worker(), (65, True))
        finally:
            os.rename(self.path(MODULE) + '.away', self.path(MODULE))

    def batch_worker(self):
        """Exit code of a batch worker that asks its store (port 1 of the loopback is nobody's) for its generation; whether it misses the module."""
        with tempfile.TemporaryDirectory() as data:
            environment = dict(ENVIRONMENT, BELLTOWER_DATA=data, BELLTOWER_BROKER='amqp://127.0.0.1:1/belltower',
                               BELLTOWER_COREDMS='mongodb://127.0.0.1:1/belltower?serverSelectionTimeoutMS=200')
            done = subprocess.run([self.path('usr/bin/belltower-batch'), '--tenant', 'acme'], capture_output=True, text=True,
                                  env=environment, timeout=60)
        return done.returncode, 'cannot load the MongoDB store' in done.stderr

    def test_completion(self):
        script = '''. "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _belltower; printf '%s\\n' "${COMPREPLY[@]}"'''
        complete = lambda *words: output('bash', '-c', script, 'bash', self.path('usr/share/bash-completion/completions/belltower'),
                                         'belltower', *words).split()
        self.assertEqual(complete('si'), ['simulate'])
        self.assertIn('pause', complete('tenant', ''))
        self.assertEqual(complete('tenant', 're'), ['resume', 'remove'])
        self.assertEqual(complete('results', 'acme', '--fo'), ['--follow'])
        self.assertEqual(complete('results', 'acme', '-o', 'j'), ['json'])
        self.assertIn('README.md', complete('check', 'READ'))
        self.assertEqual(complete('status', 'acme', '--serv'), ['--server'])

    def test_the_unit(self):
        unit = read(self.path('usr/lib/systemd/system/belltower.service'))
        self.assertIn('EnvironmentFile=-/etc/belltower/environment', unit)
        if not shutil.which('systemd-analyze'):
            self.skipTest('SKIPPED LOUDLY: systemd-analyze is not here, so nobody has checked belltower.service')
        with tempfile.TemporaryDirectory() as directory:
            copy = directory + '/belltower.service'
            with open(copy, 'w', encoding='utf-8') as f:
                f.write(unit.replace('/usr/bin/', self.path('usr/bin/')).replace('man:belltower(1)', 'https://localhost/'))
            done = subprocess.run(['systemd-analyze', 'verify', '--man=no', copy], capture_output=True, text=True)
        complaints = [l for l in done.stderr.splitlines() if 'belltower' in l]
        self.assertEqual(([], 0), (complaints, done.returncode), done.stderr)

    # ---- the image ----

    def test_the_image_holds_what_the_package_holds(self):
        for program in PROGRAMS:
            self.assertTrue(os.access(os.path.join(self.image, 'usr/bin', program), os.X_OK), program)
        self.assertTrue(os.path.exists(os.path.join(self.image, MODULE)))
        self.assertRegex(output(os.path.join(self.image, 'usr/bin/belltower'), 'version'), r'^belltower ')

    def test_every_step_of_the_dockerfile_exists(self):
        steps = [line.split() for line in read(ROOT + '/docker/Dockerfile').splitlines() if line and not line.startswith('#')]
        inside = {'belltower-image': 'docker/runtime'}
        known = 0
        for instruction, *words in steps:
            if instruction == 'COPY' and not words[0].startswith('--from='):
                self.assertTrue(os.path.exists(os.path.join(ROOT, words[0])), words)
            elif instruction == 'COPY':
                self.assertEqual(words, ['--from=build', '/out/', '/'])
            elif instruction == 'RUN':
                script = os.path.join(ROOT, inside.get(words[0], words[0]))
                self.assertTrue(os.access(script, os.X_OK), words)
                subprocess.run(['sh', '-n', script], check=True)
                known += 1
            elif instruction == 'ENTRYPOINT':
                self.assertTrue(os.path.exists(self.image + re.search(r'"(.+)"', ' '.join(words))[1]), words)
        self.assertEqual(known, 2, 'both stages run a script of the repository')
        self.assertIn(['COPY', 'docker/runtime', '/usr/local/sbin/belltower-image'], steps)
        self.assertIn(['RUN', 'docker/build', '/out'], steps)

    def test_the_image_installs_just_the_libraries_that_are_needed(self):
        beside_libraries = {'tzdata', 'ca-certificates', 'curl'}
        listed = set(output('docker/runtime', 'list').split())
        needed = set()
        for file in ['usr/bin/' + p for p in PROGRAMS] + [MODULE]:
            needed |= {package_of(l) for l in needed_libraries(os.path.join(self.image, file))}
            self.assertNotIn('not found', output('ldd', os.path.join(self.image, file)))
        self.assertEqual(listed - beside_libraries, needed - {'libc6'})
        self.assertLessEqual(beside_libraries, listed)


if __name__ == '__main__':
    unittest.main()
