"""Prometheus' text format 0.0.4, read as strictly as it is written down: what a lenient scraper would let pass is an error here."""
import math
import re

NAME = r'[a-zA-Z_:][a-zA-Z0-9_:]*'
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"')
SAMPLE = re.compile(r'(%s)(?:\{(.*)\})? (\S+)' % NAME)
NUMBER = re.compile(r'[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?|[+-]Inf|NaN')
TYPES = {'counter': ('',), 'gauge': ('',), 'histogram': ('_bucket', '_sum', '_count')}


class Wrong(Exception):
    pass


def demand(condition, *words):
    if not condition:
        raise Wrong(' '.join(map(str, words)))


class Family:
    def __init__(self, name, help):
        self.name, self.help, self.type = name, help, None
        self.samples = {}       # (sample's name, its sorted labels): value


def labels_of(text, line):
    """The pairs in their order; nothing but them and single commas may stand between the braces."""
    pairs, at = [], 0
    while at < len(text):
        found = LABEL.match(text, at)
        demand(found, 'labels:', line)
        pairs.append((found[1], re.sub(r'\\(.)', lambda m: '\n' if m[1] == 'n' else m[1], found[2])))
        at = found.end()
        demand(at == len(text) or text[at] == ',' and at + 1 < len(text), 'between labels:', line)
        at += 1
    demand(len(dict(pairs)) == len(pairs), 'a label twice:', line)
    return pairs


def add_sample(family, line):
    found = SAMPLE.fullmatch(line)
    demand(found, 'no sample:', line)
    name, labels, value = found[1], labels_of(found[2] or '', line), found[3]
    demand(found[2] != '', 'empty braces:', line)
    demand(family and family.type, 'a sample before its HELP and TYPE:', line)
    demand(name in [family.name + end for end in TYPES[family.type]], 'a sample outside of its family:', line)
    demand(('le' in dict(labels)) == name.endswith('_bucket'), 'le:', line)
    demand(NUMBER.fullmatch(value), 'no number:', line)
    demand(family.type == 'gauge' or float(value) >= 0, 'a negative count:', line)
    series = name, tuple(sorted(labels))
    demand(series not in family.samples, 'a series twice:', line)
    family.samples[series] = float(value)


def check_histogram(family):
    buckets = {}
    for (name, labels), value in family.samples.items():
        if name.endswith('_bucket'):
            rest = tuple(pair for pair in labels if pair[0] != 'le')
            buckets.setdefault(rest, []).append((float(dict(labels)['le'].replace('Inf', 'inf')), value))
    for rest, counts in buckets.items():
        demand(counts == sorted(counts) and [c for _, c in counts] == sorted(c for _, c in counts), 'not cumulated:', family.name, rest)
        demand(counts[-1][0] == math.inf, 'no +Inf:', family.name, rest)
        demand(family.samples.get((family.name + '_count', rest)) == counts[-1][1], '_count is not +Inf:', family.name, rest)
        demand((family.name + '_sum', rest) in family.samples, 'no _sum:', family.name, rest)
    demand(len(family.samples) == sum(map(len, buckets.values())) + 2 * len(buckets), 'a sum or count without buckets:', family.name)


def parse(text):
    """{name: Family}; Wrong for anything that is not exactly right."""
    families, now = {}, None
    demand(text.endswith('\n'), 'the last line has no end')
    for line in text[:-1].split('\n'):
        if line.startswith('# HELP '):
            found = re.fullmatch(r'# HELP (%s) ((?:[^\\]|\\[\\n])+)' % NAME, line)
            demand(found, 'no HELP:', line)
            demand(found[1] not in families, 'HELP twice:', line)
            demand(now is None or now.type, 'HELP without TYPE before:', line)
            now = families[found[1]] = Family(found[1], found[2])
        elif line.startswith('# TYPE '):
            found = re.fullmatch(r'# TYPE (%s) (\w+)' % NAME, line)
            demand(found and found[2] in TYPES, 'no TYPE:', line)
            demand(now and now.name == found[1] and now.type is None, 'TYPE not right behind its HELP:', line)
            now.type = found[2]
        else:
            add_sample(now, line)
    for family in families.values():
        demand(family.type, 'no TYPE:', family.name)
        if family.type == 'histogram':
            check_histogram(family)
    return families
