"""Rows of the table: figures with their spread, an aim, and whether it is met."""
import os
import platform
import statistics


def spread(values):
    return [min(values), statistics.median(values), max(values)]


def row(what, ours, unit, baseline=None, baseline_name='', ratio=None, at_least=None, at_most=None, note=''):
    """ours, baseline: figures of each run. ratio: of each run; without it ours / baseline. The aim is on the ratio's median, or on
    ours where there is no baseline."""
    if ratio is None and baseline:
        ratio = [a / b for a, b in zip(ours, baseline)]
    judged = statistics.median(ratio if ratio else ours)
    aim = verdict = ''
    if at_least is not None:
        aim, verdict = 'at least %g' % at_least, 'met' if judged >= at_least else 'missed'
    if at_most is not None:
        aim, verdict = 'at most %g' % at_most, 'met' if judged <= at_most else 'missed'
    return {'what': what, 'unit': unit, 'ours': spread(ours), 'baseline': spread(baseline) if baseline else None,
            'baseline_name': baseline_name, 'ratio': spread(ratio) if ratio else None, 'aim': aim, 'verdict': verdict or 'shown',
            'runs': len(ours), 'note': note}


def failed(part, error):
    return {'what': part, 'unit': '', 'ours': None, 'baseline': None, 'baseline_name': '', 'ratio': None, 'aim': '', 'verdict': 'failed',
            'runs': 0, 'note': '%s: %s' % (type(error).__name__, str(error)[:300])}


def number(x):
    for limit, digits in ((100, 0), (10, 1), (1, 2), (0, 3)):
        if abs(x) >= limit:
            return '{:,.{}f}'.format(x, digits)


def figure(values):
    return number(values[1]) if values else ''


def with_spread(values):
    if not values:
        return ''
    return '%s (%s..%s)' % tuple(number(values[i]) for i in (1, 0, 2))


HEAD = ('what', 'ours', 'unit', 'baseline', 'of', 'ratio (spread)', 'aim', '')


def text(rows):
    cells = [HEAD] + [(r['what'], figure(r['ours']), r['unit'], figure(r['baseline']), r['baseline_name'], with_spread(r['ratio']),
                       r['aim'], r['verdict']) for r in rows]
    widths = [max(len(line[i]) for line in cells) for i in range(len(HEAD))]
    lines = ['  '.join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in cells]
    notes = ['%s: %s' % (r['what'], r['note']) for r in rows if r['note']]
    return '\n'.join(lines + ([''] + notes if notes else []))


def machine():
    cpu = ''
    with open('/proc/cpuinfo') as f:
        for line in f:
            if line.startswith('model name'):
                cpu = line.split(':', 1)[1].strip()
                break
    return {'cpu': cpu, 'cores': len(os.sched_getaffinity(0)), 'system': platform.platform()}
