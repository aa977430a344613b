"""The engine alone: one core, no broker (bench/engine.c)."""
import json
import os
import re
import resource
import shutil
import subprocess

import table
from lab import BIN, app

# case: (title, aim on the ratio of rates)
CASES = {
    'json': ('engine: JSON, one object a message', 1.0),
    'json, cJSON': ('engine: the same, against cJSON', 10.0),
    'ndjson of 500': ('engine: ndjson, 500 a message', 1.0),
    'ndjson of 500, single': ('engine: ndjson of 500 against single objects', 1.0),
    'array of 500': ('engine: arrays of 500 against single objects', 1.0),
    'nothing matches': ('engine: nothing matches', 1 / 3),
    'all match': ('engine: all match', 1 / 3),
    '1 key': ('engine: 1 key', 1 / 3),
    '1,000 keys': ('engine: 1,000 keys', 1 / 3),
    '1,000,000 keys': ('engine: 1,000,000 keys', 1 / 3),
    '1,000,000 keys, ndjson': ('engine: 1,000,000 keys, ndjson of 500', 1 / 3),
    'sliding 10m every 10s': ('engine: sliding 10m every 10s', 0.5),
    'sliding, a sum of floats': ('engine: the same with a sum of floats', None),
}


def rates(triple):
    return [1e9 / ns for ns in sorted(triple, reverse=True)]


def engine_rows(lab, only=None):
    events = lab.count(500000)
    command = [BIN + '/bench-engine', '--events', str(events), '--runs', str(max(5, lab.runs))] + (['--only', only] if only else [])
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    rows = []
    for line in done.stdout.splitlines():
        case = json.loads(line)
        title, aim = CASES[case['case']]
        ours, ratio = rates(case['ns_per_event']), case['ratio']
        rows.append(table.row(title, ours, 'events/s', [a / b for a, b in zip(ours, ratio)], case['baseline'], ratio, at_least=aim))
        rows[-1]['runs'] = case['runs']
    return rows


def instructions(function, case):
    """Of that function and what it calls, per event: repeats on a noisy machine."""
    events = 20000
    done = subprocess.run(['valgrind', '--tool=callgrind', '--callgrind-out-file=/dev/null', '--toggle-collect=' + function,
                           BIN + '/bench-engine', '--only', case, '--events', str(events), '--runs', '1'],
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=True)
    return int(re.search(r'Collected : (\d+)', done.stderr).group(1)) / events


def instruction_rows():
    rows = []
    for title, case, function in (('JSON, one object a message', 'json', 'baseline_simdjson'),
                                  ('ndjson, 500 a message', 'ndjson of 500', 'baseline_simdjson_lines')):
        rows.append(table.row('instructions an event: ' + title, [instructions('engine_message', case)], '', [instructions(function, case)],
                              'simdjson on-demand'))
    return rows


def user_seconds(command):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def try_row(lab):
    """`belltower try`: processor time of the whole command, reading and printing included. The two in turn: the machine's pace changes."""
    events = lab.count(1000000)
    app_path = lab.scratch + '/app.yaml'
    with open(app_path, 'w') as f:
        f.write(app('acme'))
    paths = {layout: '%s/events.%s' % (lab.scratch, layout) for layout in ('ndjson', 'csv')}
    for layout, path in paths.items():
        lab.program('bench-fill', file=path, layout=layout, events=events)
    seconds = {layout: [] for layout in paths}
    for _ in range(max(5, lab.runs)):
        for layout, path in paths.items():
            seconds[layout].append(user_seconds([BIN + '/belltower', 'try', app_path, path, '-o', 'csv']))
    for path in paths.values():
        os.unlink(path)
    return table.row('engine: CSV in `try`', [events / s for s in seconds['csv']], 'events/s', [events / s for s in seconds['ndjson']],
                     'ndjson in `try`', at_least=1.0)


def measure(lab):
    return engine_rows(lab) + [try_row(lab)] + (instruction_rows() if shutil.which('valgrind') else [])
