#!/usr/bin/env python3
"""Compares an engine with the reference on random cases.

    compare.py DRIVER --seeds A-B [--jobs 2] [--recut] [--snapshot] [--keep DIR]

DRIVER is called as `DRIVER [--snapshot-every 1] --cases DIR...` and writes DIR/out.jsonl from DIR/app.yaml
and DIR/log.ndjson; `-` compares nothing but the reference with itself (for --recut).
--recut     the same events in other messages must give the same final results
--snapshot  the engine is saved and restored after every message
Exit code 1 if anything differs; each failing seed is printed with how to get it again.
"""
import argparse
import base64
import json
import math
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from generate import generate
from recut import dead_letters, final_results, recut
from reference import json_line, message_from, run

HERE = os.path.dirname(os.path.abspath(__file__))
CHUNK = 50
TIMEOUT = 120
TOLERANCE = 1e-9


# ---------------------------------------------------------------- comparing

def same(expected, got, top=False):
    """Exactly the same, order of members too; floats within 1e-9. The driver may add members to an output."""
    if isinstance(expected, float) or isinstance(got, float):      # 0 and 0.0 are one number
        return (all(isinstance(x, (int, float)) and not isinstance(x, bool) for x in (expected, got)) and
                math.isclose(expected, got, rel_tol=TOLERANCE, abs_tol=TOLERANCE))
    if type(expected) is not type(got):
        return False
    if isinstance(expected, dict):
        if top:                                 # members of the output itself: in any order, more are allowed
            return all(k in got and same(expected[k], got[k]) for k in expected)
        return list(expected) == list(got) and all(same(expected[k], got[k]) for k in expected)
    if isinstance(expected, list):
        return len(expected) == len(got) and all(same(e, g) for e, g in zip(expected, got))
    return expected == got


def with_bytes(output):
    """`body` and `body_base64` of a dead letter are two ways to say the same bytes."""
    if output.get('kind') == 'dead' and 'body' in output:
        output = dict(output)
        output['body_base64'] = base64.b64encode(output.pop('body').encode('utf-8', 'surrogatepass')).decode()
    return output


def first_difference(expected, got):
    """None, or some lines of text."""
    expected, got = [with_bytes(o) for o in expected], [with_bytes(o) for o in got]
    for i in range(max(len(expected), len(got))):
        if i >= len(expected) or i >= len(got) or not same(expected[i], got[i], top=True):
            lines = ['output %d of %d (the driver gave %d):' % (i, len(expected), len(got))]
            lines += ['          ' + show(o) for o in expected[max(0, i - 2):i]]
            lines += ['expected: ' + (show(expected[i]) if i < len(expected) else 'nothing more')]
            lines += ['got:      ' + (show(got[i]) if i < len(got) else 'nothing more')]
            return '\n'.join('  ' + line for line in lines)
    return None


def show(output):
    output = dict(output)
    if 'body_base64' in output:
        output['body'] = base64.b64decode(output.pop('body_base64')).decode(errors='backslashreplace')
    return json_line(output)


def difference_of_finals(expected, got):
    one, two = final_results(expected), final_results(got)
    for place in sorted(set(one) | set(two)):
        if place not in one or place not in two or not same(one[place], two[place]):
            return '  final result %s\n  one by one: %s\n  recut:      %s' % (place, one.get(place), two.get(place))
    if dead_letters(expected) != dead_letters(got):
        return '  other dead letters:\n  one by one: %s\n  recut:      %s' % (dead_letters(expected), dead_letters(got))
    return None


# ---------------------------------------------------------------- cases

def write_case(directory, app, log):
    os.makedirs(directory, exist_ok=True)
    with open(directory + '/app.yaml', 'w', encoding='utf-8') as file:
        file.write(app)
    with open(directory + '/log.ndjson', 'w', encoding='utf-8') as file:
        file.writelines(json.dumps(m, ensure_ascii=False) + '\n' for m in log)


def cases_of(seed, with_recut):
    """[(name, app, log)] of one seed."""
    app, log = generate(seed)
    if not with_recut:
        return [('seed-%d' % seed, app, log)]
    app, logs = recut(seed, app, log)
    return [('seed-%d-%s' % (seed, name), app, log) for name, log in zip(('one-by-one', 'recut'), logs)]


def call_driver(args, directories):
    command = [args.driver] + (['--snapshot-every', '1'] if args.snapshot else []) + ['--cases'] + directories
    try:
        done = subprocess.run(command, capture_output=True, timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        return 'the driver took more than %d s' % TIMEOUT
    if done.returncode != 0:
        return 'the driver ended with %d:\n%s' % (done.returncode, done.stderr.decode(errors='replace')[-3000:])
    return None


def read_output(directory):
    with open(directory + '/out.jsonl', encoding='utf-8') as file:
        return [json.loads(line) for line in file if line.strip()]


def outputs_of(args, directories):
    """directory -> list of outputs, or a text saying what went wrong."""
    trouble = call_driver(args, directories)
    if trouble and len(directories) > 1:        # which one was it?
        return {d: outputs_of(args, [d])[d] for d in directories}
    got = {}
    for directory in directories:
        try:
            got[directory] = trouble or read_output(directory)
        except (OSError, ValueError) as e:
            got[directory] = 'the driver\'s output cannot be read: %s' % e
    return got


def run_chunk(job):
    """[(seed, text)] of the failing seeds of one chunk."""
    args, seeds = job
    root = tempfile.mkdtemp(prefix='belltower-compare-')
    try:
        return compare_seeds(args, seeds, root)
    finally:
        shutil.rmtree(root, ignore_errors=True)


def compare_seeds(args, seeds, root):
    failures, cases = [], []
    for seed in seeds:
        of_seed = [(root + '/' + name, app, log, run(app, map(message_from, log)))
                   for name, app, log in cases_of(seed, args.recut)]
        if args.recut:
            difference = difference_of_finals(of_seed[0][3], of_seed[1][3])
            if difference:
                failures.append((seed, 'the reference itself:\n' + difference))
        cases += [(seed,) + case for case in of_seed]
    if args.driver != '-':
        for _, directory, app, log, _ in cases:
            write_case(directory, app, log)
        got = outputs_of(args, [case[1] for case in cases])
        failures += compare_outputs(args, cases, got)
    return failures


def compare_outputs(args, cases, got):
    failures = []
    for seed, directory, _, _, expected in cases:
        output = got[directory]
        difference = output if isinstance(output, str) else first_difference(expected, output)
        if difference is None:
            continue
        failures.append((seed, difference))
        if args.keep:
            kept = os.path.join(args.keep, os.path.basename(directory))
            shutil.copytree(directory, kept, dirs_exist_ok=True)
            with open(kept + '/expected.jsonl', 'w', encoding='utf-8') as file:
                file.writelines(json_line(o) + '\n' for o in expected)
    return failures


# ---------------------------------------------------------------- command

def how_to_get_it(args, seed):
    flags = (' --recut' if args.recut else '') + (' --snapshot' if args.snapshot else '')
    lines = ['again:     %s %s --seeds %d-%d%s --keep /tmp/cases' % (sys.argv[0], args.driver, seed, seed, flags)]
    if not args.recut:
        lines += ['the case:  %s/generate.py %d /tmp/case' % (HERE, seed),
                  'reference: %s/reference.py /tmp/case/app.yaml /tmp/case/log.ndjson' % HERE]
    return '\n'.join('  ' + line for line in lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('driver')
    parser.add_argument('--seeds', required=True, help='A-B, both included')
    parser.add_argument('--jobs', type=int, default=2)
    parser.add_argument('--recut', action='store_true')
    parser.add_argument('--snapshot', action='store_true')
    parser.add_argument('--keep', help='keep failing cases in this directory')
    parser.add_argument('--max', type=int, default=5, help='failures to print')
    args = parser.parse_args()
    first, last = (int(x) for x in (args.seeds.split('-') * 2)[:2])
    if args.driver != '-':
        args.driver = os.path.abspath(args.driver)
    seeds = list(range(first, last + 1))
    chunks = [(args, seeds[i:i + CHUNK]) for i in range(0, len(seeds), CHUNK)]
    failed = 0
    with multiprocessing.Pool(args.jobs) as pool:
        for failures in pool.imap(run_chunk, chunks):
            for seed, text in failures:
                failed += 1
                if failed <= args.max:
                    print('seed %d differs\n%s\n%s\n' % (seed, text, how_to_get_it(args, seed)), flush=True)
    print('%d seeds compared, %d differences' % (len(seeds), failed))
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
