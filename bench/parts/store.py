"""The SQLite store: results in batches against raw prepared upserts, a report against the same SQL typed by hand."""
import shutil
import tempfile

import table
from lab import BIN


def fresh(lab):
    return tempfile.mkdtemp(dir=lab.scratch)


def put(lab):
    runs = []
    for i in range(lab.runs):
        directory = fresh(lab)
        command = [BIN + '/bench-store', 'put', directory, '--rows', str(lab.count(200000)), '--batch', '500']
        runs.append(lab.output(command + (['--raw-first', '1'] if i % 2 else [])))
        shutil.rmtree(directory)
    return table.row('results into the store, batches of 500', [r['rows'] / r['ours_s'] for r in runs], 'rows/s',
                     [r['rows'] / r['raw_s'] for r in runs], 'raw upserts', at_least=0.7)


def report(lab, rows):
    directory = fresh(lab)
    runs = lab.output([BIN + '/bench-store', 'group', directory, '--rows', str(rows), '--runs', str(lab.runs)])
    shutil.rmtree(directory)
    return table.row('a report over %s results' % format(rows, ','), [rows / r['ours_s'] for r in runs], 'rows/s',
                     [rows / r['raw_s'] for r in runs], 'SQL by hand', at_least=0.9)


def measure(lab):
    return [put(lab), report(lab, lab.count(lab.stored))]
