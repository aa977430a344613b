#!/usr/bin/env python3
"""A random small case: an app and a log, the same for the same seed.

    generate.py SEED [DIR]        writes DIR/app.yaml and DIR/log.ndjson (default: case-SEED)
"""
import base64
import copy
import json
import os
import random
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import values
from app import AppError, load_app
from engine import control_sum

TENANT = 'acme'
WORKER, API = 'belltower-worker-' + TENANT, 'belltower-api'
FORMATS = ['rfc3339', 'rfc3339', 'unix', 'unix_ms', '%Y-%m-%d %H:%M:%S UTC', '%d.%m.%Y %H:%M:%S.%f',
           '%Y-%m-%dT%H:%M:%S%z']
SITES = ['a', 'b', 'B', 'ab', 'ä', '€', 'quo"te', 'back\\slash', 'tab\t', '', '\U0001F514', 'nul\x00', 'z/']


# ---------------------------------------------------------------- YAML

PLAIN = re.compile(r'[A-Za-z_][A-Za-z0-9_.]*')


def scalar(value):
    if isinstance(value, bool):
        return 'true' if value else 'false'
    if not isinstance(value, str):
        return repr(value)
    plain = PLAIN.fullmatch(value) or re.fullmatch(r'[0-9]+(ms|[smhd])', value)
    if plain and value not in ('true', 'false', 'null', 'yes', 'no', 'on', 'off', 'y', 'n'):
        return value
    return json.dumps(value)


def flow(value):
    if isinstance(value, dict):
        return '{ ' + ', '.join('%s: %s' % (k, flow(v)) for k, v in value.items()) + ' }'
    if isinstance(value, list):
        return '[' + ', '.join(flow(v) for v in value) + ']'
    return scalar(value)


def to_yaml(app):
    lines = ['tenant: ' + app['tenant'], 'events:']
    for name, value in app['events'].items():
        if name == 'fields':
            lines.append('  fields:')
            lines += ['    %s: %s' % (k, flow(v)) for k, v in value.items()]
        else:
            lines.append('  %s: %s' % (name, flow(value)))
    for part in ('streams', 'triggers', 'jobs'):
        if app.get(part):
            lines.append(part + ':')
            for item in app[part]:
                for i, (k, v) in enumerate(item.items()):
                    lines.append('  %s %s: %s' % ('-' if i == 0 else ' ', k, flow(v)))
    if app.get('limits'):
        lines.append('limits: ' + flow(app['limits']))
    return '\n'.join(lines) + '\n'


# ---------------------------------------------------------------- expressions

class Expressions:
    """Random typed expressions over the fields of an app."""

    def __init__(self, rnd, fields):
        self.r = rnd
        self.fields = {}
        for name, doc in fields.items():
            self.fields.setdefault(doc if isinstance(doc, str) else doc['type'], []).append(name)
        self.all = list(fields)

    def name(self, kind):
        return self.r.choice(self.fields[kind])

    def number(self, depth, big=True):
        r = self.r
        names = [n for n in self.fields['int'] + self.fields['float'] if big or n != 'big']
        pick = r.random()
        if depth <= 0 or pick < 0.35:
            return r.choice(names) if r.random() < 0.7 else r.choice(['0', '1', '2', '3', '7', '0.5', '2.25', '1e1'])
        if pick < 0.75:
            op = r.choice(['+', '-', '*', '/', '%'] if big else ['+', '-', '*'])
            return self.wrap('%s %s %s' % (self.number(depth - 1, big), op, self.number(depth - 1, big)))
        if pick < 0.82:
            return self.wrap('-%s' % r.choice(names))
        if pick < 0.92:
            return '%s(%s)' % (r.choice(['abs', 'floor', 'ceil', 'round']), self.number(depth - 1, big))
        if pick < 0.96:
            return 'coalesce(%s, %s)' % (r.choice(names), self.number(depth - 1, big))
        return 'length(%s)' % self.string(depth - 1)

    def wrap(self, text):
        return '(%s)' % text if self.r.random() < 0.7 else text

    def string(self, depth):
        r = self.r
        if depth <= 0 or r.random() < 0.7:
            return self.name('string') if r.random() < 0.7 else r.choice(["'a'", '"b"', "'ab'", "'ä'", "''"])
        if r.random() < 0.6:
            return '%s(%s)' % (r.choice(['lower', 'upper']), self.string(depth - 1))
        return 'coalesce(%s, %s)' % (self.name('string'), self.string(depth - 1))

    def condition(self, depth):
        r = self.r
        pick = r.random()
        if depth > 0 and pick < 0.3:
            return '(%s %s %s)' % (self.condition(depth - 1), r.choice(['and', 'or']), self.condition(depth - 1))
        if depth > 0 and pick < 0.4:
            return '(not %s)' % self.condition(depth - 1)
        if pick < 0.65:
            return '(%s %s %s)' % (self.number(depth - 1), r.choice(['==', '!=', '<', '<=', '>', '>=']),
                                   self.number(depth - 1))
        if pick < 0.75:
            return '(%s %s %s)' % (self.string(depth - 1), r.choice(['==', '!=', '<', '<=', '>', '>=']),
                                   self.string(depth - 1))
        if pick < 0.82:
            return '(%s is %snull)' % (r.choice(self.all), r.choice(['', 'not ']))
        if pick < 0.88:
            return '(%s in [%s])' % (self.number(0), ', '.join(r.choice(['-1', '1', '2', '3.0', '0.25'])
                                                               for _ in range(r.randint(1, 3))))
        if pick < 0.91:
            return "(%s in ['a', 'ä', \"b\"])" % self.name('string')
        if pick < 0.94:
            return '%s(%s, %s)' % (r.choice(['starts_with', 'ends_with', 'contains']),
                                   self.string(0), self.string(0))
        return self.name('bool') if r.random() < 0.7 else '(%s %s true)' % (self.name('bool'), r.choice(['==', '!=']))

    def aggregate(self):
        """A select item. Whatever depends on the order in which floats are added stays free of rounding and
        comparison, so that a tolerance can absorb it."""
        r = self.r
        pick = r.random()
        if pick < 0.14:
            return r.choice(['count()', 'count(%s)' % r.choice(self.all), 'count(%s)' % self.number(1)])
        if pick < 0.24:
            return 'count_if(%s)' % self.condition(1)
        if pick < 0.38:
            return 'sum(%s)' % r.choice([n for n in ('v', 'm', 'big', 'm * 2', 'v + m', 'm + 1')
                                         if n.split()[0] in self.all])
        if pick < 0.55:
            what = r.choice([self.number(1), self.name('string'), 'v', self.number(0)])
            return '%s(%s)' % (r.choice(['min', 'max']), what)
        if pick < 0.68:
            what = r.choice([self.number(1), self.string(1), r.choice(self.all), 'v', self.name('bool')])
            return '%s(%s)' % (r.choice(['first', 'last']), what)
        if pick < 0.78:
            return 'distinct(%s)' % r.choice([r.choice(self.all), self.number(1), self.string(1)])
        if pick < 0.9:
            return '%s(%s)' % (r.choice(['avg', 'stddev']), r.choice(['v', 'm', 'v * 3', self.number(1, big=False)]))
        if pick < 0.96:
            return r.choice(['max(v) - min(v)', 'sum(m) / count()', 'sum(v) * 2 + 1', 'count() % 3', '-count(v)',
                             'coalesce(max(m), 0)', '(count() > 1)', 'round(max(v))', 'sum(m) + 9223372036854775807'])
        return r.choice(['7', "'const'", 'true', '1 / 0'])


# ---------------------------------------------------------------- apps

class AppMaker:
    def __init__(self, rnd):
        self.r = rnd

    def make(self):
        r = self.r
        time = {'field': r.choice(['t', 't', 'time', 'meta.at']), 'format': r.choice(FORMATS)}
        if r.random() < 0.7:
            time['out_of_orderness'] = r.choice(['1s', '2s', '5s', '10s', '500ms', '30s'])
        if r.random() < 0.35:
            time['ahead'] = r.choice(['5s', '20s', '1m', '5m'])
        events = {'time': time}
        watermark_per = r.choice([['id'], ['site'], ['id', 'site'], ['up']]) if r.random() < 0.3 else []
        if watermark_per:
            events['watermark_per'] = watermark_per
        events['fields'] = self.fields()
        app = {'tenant': TENANT, 'events': events}
        app['streams'] = [self.stream(app, 's%d' % i) for i in range(r.randint(1, 3))]
        r.shuffle(app['streams'])
        self.add_triggers(app)
        if r.random() < 0.3:
            app['limits'] = self.limits()
        return app

    def fields(self):
        r = self.r

        def shape(kind, default, path=None):
            doc, pick = {'type': kind}, r.random()
            if pick < 0.3:
                doc['optional'] = True
            elif pick < 0.5:
                doc['default'] = default
            if path and r.random() < 0.3:
                doc['from'] = path
            return doc if len(doc) > 1 else kind

        fields = {'id': shape('int', 7, 'device.id') if r.random() < 0.3 else 'int',
                  'site': shape('string', 'dflt', 'device.site'), 'up': shape('bool', False),
                  'v': shape('float', 1.5, 'Val'), 'm': shape('int', 3, 'data.m.x')}
        if r.random() < 0.4:
            fields['big'] = shape('int', 5)
        if r.random() < 0.4:
            fields['name'] = shape('string', 'true')
        return fields

    def limits(self):
        r, limits = self.r, {}
        if r.random() < 0.3:
            limits['event'] = r.choice([60, 90, 150])
        if r.random() < 0.3:
            limits['message'] = r.choice([150, 200, 400])
        if r.random() < 0.5:
            limits['keys'] = r.choice([1, 2, 3])
        if r.random() < 0.5:
            limits['devices'] = r.choice([1, 2, 3])
        if r.random() < 0.5:
            limits['producers'] = r.choice([1, 2])
        if r.random() < 0.5:
            limits['distinct'] = r.choice([1, 2, 3])
        return limits

    def window(self):
        r = self.r
        if r.random() < 0.55:
            window = {'tumbling': r.choice(['5s', '10s', '10s', '20s', '1m', '7s', '2500ms'])}
        else:
            window = dict(zip(('sliding', 'every'), r.choice(
                [('10s', '5s'), ('20s', '5s'), ('10s', '1s'), ('1m', '10s'), ('10s', '10s'), ('10s', '4s'), ('3s', '2s')])))
        if r.random() < 0.55:
            window['allowed_lateness'] = r.choice(['1s', '5s', '10s', '30s', '1m', '3s'])
        return window

    def stream(self, app, name):
        r, fields = self.r, app['events']['fields']
        expressions = Expressions(r, fields)
        stream = {'name': name}
        if r.random() < 0.55:
            stream['where'] = r.choice(['v > 1', 'up', 'v >= m', 'not up', 'm is not null', 'site != \'a\''] +
                                       [expressions.condition(2)] * 4)
        keys = [k for k in ('id', 'site', 'up', 'm', 'name') if k in fields]
        need = app['events'].get('watermark_per', [])
        key = need + [k for k in r.sample(keys, r.choice([1, 1, 1, 2, 2, 3])) if k not in need]
        r.shuffle(key)
        stream['key'] = key
        stream['window'] = self.window()
        select = {'n': 'count()'} if r.random() < 0.8 else {}
        while not select or r.random() < 0.6:
            select['c%d' % len(select)] = expressions.aggregate()
        stream['select'] = select
        return stream

    def add_triggers(self, app):
        r = self.r
        app['triggers'], app['jobs'] = [], []
        for i in range(r.choice([0, 0, 1, 1, 2, 3])):
            stream = r.choice(app['streams'])
            if 'n' not in stream['select']:
                continue
            conditions = ['n >= 2', 'n >= 1', 'n > 3', 'n % 2 == 0', 'n >= 1 and not (n == 2)']
            if 'id' in stream['key']:
                conditions += ['id == 1 and n >= 1', 'id is null or id > 1']
            if 'site' in stream['key']:
                conditions += ["starts_with(site, 'a')"]
            trigger = {'name': 'g%d' % i, 'on': stream['name'], 'when': r.choice(conditions)}
            if r.random() < 0.5:
                trigger['cooldown'] = r.choice(['5s', '10s', '30s', '2m'])
            trigger['run'] = 'j%d' % i
            app['triggers'].append(trigger)
            app['jobs'].append({'name': 'j%d' % i, 'from': stream['name'], 'range': '1h',
                                'by': [k for k in stream['key']], 'select': {'most': 'max(n)'}})

    def changed(self, app):
        """Another version of the app."""
        r, app = self.r, copy.deepcopy(app)
        for _ in range(r.choice([1, 1, 2, 3])):
            pick = r.random()
            index = r.randrange(len(app['streams']))
            stream = app['streams'][index]
            if pick < 0.17:
                stream['window'] = self.window()
            elif pick < 0.26:
                stream['where'] = r.choice(['v > 2', 'm > 0', 'up'])
            elif pick < 0.36:
                app['streams'][index] = self.stream(app, stream['name'])
            elif pick < 0.44 and len(app['streams']) < 4:
                app['streams'].insert(index, self.stream(app, 's%d' % r.randint(0, 5)))
            elif pick < 0.52 and len(app['streams']) > 1:
                del app['streams'][index]
            elif pick < 0.58:
                stream['name'] = 's%d' % r.randint(0, 5)
            elif pick < 0.66:
                name = r.choice(['v', 'm', 'site', 'id'])
                app['events']['fields'][name] = self.fields()[name]
            elif pick < 0.72:
                app['streams'].reverse()
            elif pick < 0.8:
                app['events']['time']['out_of_orderness'] = r.choice(['0s', '1s', '20s'])
            elif pick < 0.86:
                app['events']['time']['ahead'] = r.choice(['5s', '1m', '1h'])
            elif pick < 0.9:
                app.setdefault('limits', {})[r.choice(['keys', 'devices'])] = r.choice([1, 2, 5])
            elif pick < 0.94:
                app['events']['fields']['up'] = {'type': 'bool', 'default': True}
            elif pick < 0.97 and 'watermark_per' in app['events']:
                del app['events']['watermark_per']
            elif all('id' in s['key'] for s in app['streams']):
                app['events']['watermark_per'] = ['id']
        names = [s['name'] for s in app['streams']]
        if any(t['on'] not in names for t in app['triggers']):
            self.add_triggers(app)
        app['streams'] = [s for i, s in enumerate(app['streams']) if s['name'] not in names[:i]]
        if r.random() < 0.3 or not self.triggers_fit(app):
            self.add_triggers(app)
        elif app['triggers'] and r.random() < 0.3:
            r.choice(app['triggers'])['cooldown'] = r.choice(['5s', '20s'])
        return app

    @staticmethod
    def triggers_fit(app):
        try:
            load_app(to_yaml(app))
        except AppError:
            return False
        by_name = {s['name']: s for s in app['streams']}
        return all(t['on'] in by_name and 'n' in by_name[t['on']]['select'] and
                   set(j['by']) <= set(by_name[t['on']]['key']) for t, j in zip(app['triggers'], app['jobs']))


# ---------------------------------------------------------------- logs

class LogMaker:
    def __init__(self, rnd, app, maker):
        self.r, self.app, self.maker = rnd, app, maker
        self.messages = []
        self.offset = rnd.choice([0, 0, 1, 1000, 2**40])
        self.base = rnd.choice([1767225600000] * 8 + [20000, 951782390000])   # ... 1970, 29 February 2000
        self.now = 0
        self.number = 1
        self.last_offset, self.device_offsets, self.last_control = None, {}, None
        self.sequences = {}
        self.disorder = rnd.choice([0, 2000, 10000, 40000])
        self.step = rnd.choice([200, 1000, 3000, 10000])
        self.chance = {name: rnd.choice([0, 0, 1, 2]) for name in
                       ('broken', 'wrong', 'tick', 'end', 'time', 'version', 'forged', 'burst', 'false_time', 'stray', 'rewind')}
        self.chance['version'] = rnd.choice([self.chance['version'], 0, 2, 5])
        self.chance['versions'] = rnd.choice([0] * 19 + [1])
        self.past = [app]                       # apps that were in force
        self.poison = rnd.choice([0] * 9 + [0.05])
        self.plain_values = rnd.random() < 0.4
        self.with_ids = rnd.random() < 0.4
        self.per_message = rnd.choice([1, 1, 2, 4])
        self.ids = rnd.choice([1, 2, 4])

    def make(self):
        r = self.r
        count = r.randint(5, 80)
        if r.random() < 0.004:
            self.flood()
        while len(self.messages) < count:
            getattr(self, self.pick_action())()
        if r.random() < 0.6:
            self.end()
        return self.messages

    def pick_action(self):
        weights = dict(self.chance, events=30, tick=3 * self.chance['tick'], broken=2 * self.chance['broken'])
        return self.r.choices(list(weights), list(weights.values()))[0]

    # -- messages

    def add(self, body, **extra):
        message = {'offset': self.offset}
        raw = body if isinstance(body, bytes) else body.encode()
        try:
            if b'\x00' in raw:                  # spares the driver's reader of logs
                raise ValueError
            message['body'] = raw.decode()
        except ValueError:
            message['body_base64'] = base64.b64encode(raw).decode()
        message.update(extra)
        if self.r.random() < self.poison:
            message['set_aside'] = True
        self.messages.append(message)
        kind = extra.get('type', '')
        if kind != 'belltower.tick':
            self.last_offset = self.offset
            if kind.startswith('belltower.') and extra.get('user_id') == API:
                self.last_control = self.offset
        self.offset += self.r.choice([1] * 9 + [5])

    def add_events(self, texts):
        for _, device in texts:
            self.device_offsets[device] = self.offset
        self.add(self.layout([text for text, _ in texts]), **self.identity())

    def identity(self):
        r = self.r
        extra = {}
        if r.random() < 0.1:
            extra['type'] = r.choice(['reading', 'belltower', ''])
        if r.random() < 0.1:
            extra['user_id'] = r.choice(['acme', API, WORKER])
        if not self.with_ids:
            return extra
        producer = r.choice(['p', 'p', 'q.1', 'upload.x-y_z', 'P'])
        last = self.sequences.get(producer, r.choice([0, 1, 5000]))
        pick = r.random()
        sequence = last + 1 if pick < 0.65 else max(0, last - r.choice([0, 0, 1, 3, 1023, 1024, 1025, 1026])) \
            if pick < 0.9 else last + r.choice([2, 1023, 1024, 1025])
        self.sequences[producer] = max(last, sequence)
        text = '%s:%d' % (producer, sequence)
        if r.random() < 0.06:
            text = r.choice(['p:01', 'p', 'p:', ':1', 'p:-1', 'p:9223372036854775808', 'ä:1', 'p q:1', 'a:b:1',
                             'x' * 64 + ':1', 'x' * 65 + ':1', 'p:0', 'p:1 ', 'z:9223372036854775807'])
        extra['message_id'] = text
        return extra

    def layout(self, texts):
        """One message of several values: an array, lines, or just values with whitespace between."""
        r = self.r
        pick = r.random()
        space = r.choice(['', '', ' ', '\n', '\t'])
        if pick < (0.1 if len(texts) == 1 else 0.4):
            return r.choice(['', '', ' ', '\r\n']) + '[' + space + (',' + space).join(texts) + space + ']' + space
        between = r.choice(['\n', '\n', '\r\n', ' ', '\n\n', ' \t\n '])
        return r.choice(['', '', '', ' ', '\n']) + between.join(texts) + r.choice(['', '\n', ' '])

    # -- events

    def events(self):
        r = self.r
        self.add_events([self.event() for _ in range(1 if self.per_message == 1 else r.randint(1, self.per_message))])

    def next_time(self):
        r = self.r
        self.now += r.randint(0, self.step)
        t = self.now - (r.randint(0, self.disorder) if r.random() < 0.4 else 0)
        if r.random() < 0.04:
            t -= r.choice([60000, 120000])
        if r.random() < 0.25:
            t -= t % 5000                       # exactly on a border
        if r.random() < 0.02:
            t += r.choice([30000, 100000])
        return max(0, self.base + t)

    def event(self, t=None, change=None):
        """(JSON text, device) of one event."""
        r = self.r
        t = self.next_time() if t is None else t
        values_of = self.values()
        members, device = {}, []
        self.put(members, self.app['events']['time']['field'], self.time_text(t))
        for name, doc in self.app['events']['fields'].items():
            doc = {'type': doc} if isinstance(doc, str) else doc
            value = values_of[name]
            may_lack = doc.get('optional') or 'default' in doc
            if value is None or may_lack and r.random() < 0.15:
                value = doc.get('default')
                if r.random() < 0.5 or not may_lack:
                    self.put(members, doc.get('from', name), 'null')
            else:
                self.put(members, doc.get('from', name), self.spell(value))
            if name in self.app['events'].get('watermark_per', []):
                device.append(value)
        if len(self.past) > 1 and r.random() < 0.6:
            self.put_for(r.choice(self.past), members, values_of)
        if change:
            change(members)
        if r.random() < 0.1:
            self.put(members, r.choice(['extra', 'ID', 'V ']), r.choice(
                ['[]', '{"a":[1,{"b":null}]}', '"\\ud83d\\udd14"', '1e999', '-0.0E-7', '"\\u0000\\/"', 'true']))
        return self.write(members), tuple(device)

    def put_for(self, app, members, values_of):
        """What another version of the app looks for, too."""
        for name, doc in app['events']['fields'].items():
            parents, _, last = (doc.get('from', name) if isinstance(doc, dict) else name).rpartition('.')
            inner = members.setdefault(parents, {}) if parents and '.' not in parents else members
            if '.' not in parents and isinstance(inner, dict) and last not in inner and values_of[name] is not None:
                inner[last] = self.spell(values_of[name])

    def values(self):
        r = self.r
        return {'id': r.randint(1, self.ids), 'site': r.choice(SITES[:2] if self.plain_values else SITES),
                'up': r.random() < 0.6, 'v': r.choice([0.0, 0.25, 1.5, 2.0, 3.75, 10.0, -2.5, 1000.0, 2.5, 0.1]),
                'm': r.choice([0, 1, 2, 3, 4, -1, 10]),
                'big': r.choice([1, 2, 2**63 - 1, -2**63, 2**62, 2**53 + 1, -5]),
                'name': r.choice(['x', 'Äb', 'true', 'ab', 'AB', ''])}

    def put(self, members, path, text):
        *parents, last = path.split('.')
        for parent in parents:
            members = members.setdefault(parent, {})
            if not isinstance(members, dict):
                return
        members[last] = text

    def write(self, members):
        r = self.r
        items = list(members.items())
        if r.random() < 0.2:
            r.shuffle(items)
        comma, colon = r.choice([(',', ':'), (', ', ': '), (' ,\n ', ' :\t')] if r.random() < 0.2 else [(',', ':')])
        texts = [json.dumps(k, ensure_ascii=r.random() < 0.1) + colon +
                 (self.write(v) if isinstance(v, dict) else v) for k, v in items]
        if texts and r.random() < 0.04:         # a repeated name: the last counts
            texts.insert(0, r.choice(['"v":"x"', '"id":99', '"m":null', '"site":[]', '"t":1']))
        return '{' + comma.join(texts) + '}'

    def spell(self, value):
        """The value in one of the ways that JSON allows."""
        r = self.r
        if isinstance(value, bool):
            return 'true' if value else 'false'
        if isinstance(value, str):
            return json.dumps(value, ensure_ascii=r.random() < 0.3)
        if r.random() < 0.85:
            return repr(value)
        if value == 0:
            return r.choice(['0', '-0', '0.0', '-0.0', '0e5', '0E-99999999999999999999'])
        if isinstance(value, int):
            return r.choice(['%d.0' % value, '%d0e-1' % value, '%dE+0' % value, '%d.000e0' % value])
        return r.choice(['%re0' % value, '%r0' % value, '%rE+00' % value])

    def time_text(self, t):
        r, pattern = self.r, self.app['events']['time']['format']
        if pattern == 'unix_ms':
            return r.choice(['%d', '%d', '%d', '%d.0', '%d0e-1']) % t
        if pattern == 'unix':
            if t % 1000 == 0:
                return r.choice(['%d', '%d.0', '%d00e-2']) % (t // 1000)
            return r.choice(['%d.%03d', '%d.%03d', '%d.%03d99']) % (t // 1000, t % 1000)
        text = values.format_time(t - t % 1000)
        date, clock = text[:10], text[11:19]
        ms = '%03d' % (t % 1000)
        if pattern == 'rfc3339':
            if r.random() < 0.1:
                east = values.format_time(t - t % 1000 + 7200000)
                return '"%s.%s+02:00"' % (east[:19], ms)
            return '"%s%s%s%s"' % (date, r.choice('TTTTt '), clock + ('.' + ms + r.choice(['', '9']) if t % 1000 else ''),
                                   r.choice(['Z', 'Z', 'z', '+00:00', '-00:00']))
        zone = r.choice(['Z', '+0000', '+00:00'])
        text = pattern.replace('%Y', date[:4]).replace('%m', date[5:7]).replace('%d', date[8:10])
        text = text.replace('%H', clock[:2]).replace('%M', clock[3:5]).replace('%S', clock[6:8])
        return '"' + text.replace('%f', ms).replace('%z', zone) + '"'

    # -- bad input

    def wrong(self):
        """Events that are JSON, but do not fit."""
        r = self.r
        fields = self.app['events']['fields']
        name = r.choice(list(fields))
        doc = fields[name] if isinstance(fields[name], dict) else {}
        path = doc.get('from', name)
        time = self.app['events']['time']['field']

        def change(members):
            pick = r.random()
            if pick < 0.3:
                self.put(members, path, r.choice(['"text"', '1', '1.5', 'true', '[]', '{}', '9223372036854775808', '1e400',
                                                  '-1e999', '1e-1', '9.2233720368547758070e18', '"1"', 'null', '1e-400']))
            elif pick < 0.45:
                members.pop(path.split('.')[0], None)
            elif pick < 0.85:
                self.put(members, time, r.choice(
                    ['null', '"2026-02-30T00:00:00Z"', '"2026-01-01T24:00:00Z"', '"2026-01-01T00:00:60Z"', '""', '-1', '1e30',
                     '"2026-01-01T00:00:00"', '"1969-12-31T23:59:59Z"', '"99999-01-01T00:00:00Z"', 'true', '1.5',
                     '"0000-01-01T00:00:00Z"', '"2026-01-01 00:00:00 UTC "', '"2026-13-01 00:00:00 UTC"', '253402300800000',
                     '"1970-01-01T00:00:00+00:01"', '"2026-01-01T00:00:00+24:00"', '"2026-1-1T00:00:00Z"', '{}',
                     '1767225600.9999', '1e-5', '17672256e2', '253402300800', '253402300799.9999', '"2026-01-01T00:00:00.Z"']))
            else:
                members.pop(time.split('.')[0], None)
        texts = [self.event(change=change)] + [self.event() for _ in range(r.choice([0, 0, 1, 2]))]
        r.shuffle(texts)
        self.add_events(texts)

    def broken(self):
        """Bodies that are not JSON, wholly or in part."""
        r = self.r
        texts = [self.event() for _ in range(r.choice([1, 1, 2, 3]))]
        body = self.layout([text for text, _ in texts]).encode()
        for _ in range(r.choice([1, 1, 2])):
            body = self.break_one(body)
        for _, device in texts:
            self.device_offsets[device] = self.offset
        self.add(body, **self.identity())

    def break_one(self, body):
        r = self.r
        at = r.randint(0, len(body))
        junk = r.choice([b'x', b'}', b'{', b'[', b']', b',', b'"', b'\\', b'\x00', b'\xff', b'\xc0\x80', b'\xed\xa0\x80',
                         b'\xf4\x90\x80\x80', b'\n', b'NaN', b'Infinity', b"'", b'//', b'\\u12', b'\\ud800', b'\\x',
                         b'01', b'+1', b'1.', b'.5', b'-', b'1e', b'tru', b'nul', b'\xef\xbb\xbf', b':', b'\t', b'\x1f'])
        pick = r.random()
        if pick < 0.2:
            return body[:at]
        if pick < 0.35:
            return body[:at] + body[at + 1:]
        if pick < 0.5:
            return body.replace(r.choice([b':', b',', b'"', b'}', b'1', b'true']), junk, 1)
        if pick < 0.56:
            deep = r.choice([5, 511, 512, 513, 600])
            return body + b'\n{"deep":' + b'[' * (deep - 1) + b']' * (deep - 1) + b'}'
        return body[:at] + junk + body[at:]

    def stray(self):
        """Messages without an event in them, and values that are no objects."""
        r = self.r
        self.add(r.choice(['', ' \n', '[]', '[ ]', '5', '"text"', 'null', 'true false', '[1,[2],{}]', '{}', '{} {}', '{}{}',
                           '[[]]', '{"a":1}x', '[{}', '[] 1', '[],', '\ufeff{}', '1 2\n3', '{} [] {}', '-', 'nulll',
                           '{"a":\n1}x\n{}', '{}\r{}', '{}\x0c{}', '[{}]x']), **self.identity())

    # -- control messages

    def control(self, name, body, user, **extra):
        body = body if isinstance(body, str) else json.dumps(body)
        if 'message_id' not in extra and len(self.messages) % 3:
            extra['message_id'] = control_sum('belltower.' + name, body.encode())
            if len(self.messages) % 7 == 1:
                extra['message_id'] = extra['message_id'][:-1] + 'x'
        kind = 'pelltower.' if len(self.messages) % 23 == 1 else 'belltower.'
        self.add(body, type=kind + name, user_id=user, **extra)

    def tick(self):
        r = self.r
        highest = self.base + self.now + r.choice([0, 1000, 5000, 20000, 60000, -5000])
        per = self.app['events'].get('watermark_per')
        if not per or r.random() < 0.03:
            named = self.last_offset if r.random() < 0.7 else r.choice([0, self.offset, (self.last_offset or 0) - 1, self.offset - 1])
            body = {'offset': max(0, named or 0), 'highest': max(0, highest)}
        else:
            devices = list(self.device_offsets)
            r.shuffle(devices)
            body = {'devices': [{'key': list(d), 'offset': self.device_named(d), 'highest': max(0, highest + r.choice([0, 7000]))}
                                for d in devices[:r.choice([1, 2, 5])]]}
        if r.random() < 0.03:
            body = r.choice(['', 'x', '[]', '{"offset":-1,"highest":1}', '{"highest":1}', '{} {}'])
        self.control('tick', body, WORKER)
        if r.random() < 0.5:
            self.now = max(self.now, highest - self.base) if r.random() < 0.7 else self.now

    def device_named(self, device):
        named = max(self.device_offsets[device], self.last_control or 0)
        return named if self.r.random() < 0.8 else max(0, named - 1)

    def end(self):
        self.control('end', '{}', API)

    def time(self):
        r = self.r
        highest = max(0, self.base + self.now - r.choice([0, 5000, 30000, -30000]))
        self.control('time', {'highest': highest} if r.random() < 0.95 else r.choice(
            [{}, {'highest': -1}, {'highest': 253402300800000}, {'highest': 1.5}, 'x']), API)

    def rewind(self):
        r = self.r
        self.control('rewind', {'generation': r.choice([1, 1, 2, 0])} if r.random() < 0.9 else r.choice(
            [{}, {'generation': -1}, 'x']), API)

    def false_time(self):
        """A broken clock, and later perhaps the API's correction."""
        r = self.r
        far = r.choice([self.base + self.now + 10**7, values.LAST_MS, values.LAST_MS - 86400000])
        self.add_events([self.event(far)])
        for _ in range(r.choice([0, 0, 1, 3])):
            self.events()
        if r.random() < 0.8:
            self.time()

    def version(self):
        r = self.r
        pick = r.random()
        if pick < 0.1:
            self.control('version', r.choice([{'version': self.number + 1, 'app': 'tenant: [acme'},
                                              {'version': self.number + 1, 'app': 'tenant: acme\n'},
                                              {'version': 'x', 'app': to_yaml(self.app)}, 'x']), API)
            return
        new = r.choice(self.past) if r.random() < 0.25 else self.maker.changed(self.app)
        number = self.number + r.choice([1, 1, 1, 3, 0, -1])
        self.control('version', {'version': max(0, number), 'app': to_yaml(new)}, API)
        if number > self.number:
            self.app, self.number = new, number
            self.past.append(new)

    def versions(self):
        """More versions within one window than are kept."""
        r = self.r
        new = copy.deepcopy(self.app)
        for i in range(r.choice([15, 17, 20])):
            stream = new['streams'][0]
            stream['name'] = 'v%d' % (i % 19)
            stream['window'] = {'tumbling': r.choice(['10m', '1h'])}
            new['streams'], new['triggers'], new['jobs'] = [stream], [], []
            self.number += 1
            self.app = copy.deepcopy(new)
            self.control('version', {'version': self.number, 'app': to_yaml(self.app)}, API)
            self.events()
        self.past.append(self.app)

    def forged(self):
        r = self.r
        name = r.choice(['tick', 'end', 'time', 'version', 'rewind', 'other', ''])
        user = r.choice([API if name == 'tick' else WORKER, 'acme', WORKER + 'x', 'belltower-worker-other', ''])
        extra = {'message_id': 'p:1'} if r.random() < 0.3 else {}
        body = r.choice(['{"highest":0,"offset":%d}' % (self.last_offset or 0), '{}', 'not json', ''])
        if r.random() < 0.3:
            self.add(body, type='belltower.' + name, **extra)
        elif r.random() < 0.1:
            self.control('other', body, API)
        else:
            self.control(name, body, user, **extra)

    def burst(self):
        """A jump ahead, of some messages in a row."""
        r = self.r
        jump = r.choice([30000, 100000, 400000, 4000000])
        lasting = r.random() < 0.6
        before, self.now = self.now, self.now + jump
        for _ in range(r.choice([1, 3, 9, 10, 11, 14]) if lasting else r.choice([1, 2, 9])):
            if r.random() < 0.05:
                self.stray()
            self.add_events([self.event(self.base + self.now + r.randint(0, 3000)) for _ in range(r.choice([1, 1, 2]))])
        if not lasting:
            self.now = before

    def flood(self):
        """More held events than are kept."""
        self.events()
        t = self.base + self.now + 5 * 10**7
        body = ','.join(self.event(t + i)[0] for i in range(998))
        for text in (body,) + tuple(self.event(t)[0] for _ in range(self.r.choice([3, 12]))):
            self.add('[' + text + ']')


def generate(seed):
    """(app text, messages) of a seed."""
    rnd = random.Random(seed)
    maker = AppMaker(rnd)
    while True:
        app = maker.make()
        try:
            load_app(to_yaml(app))
            break
        except AppError as e:                   # a random expression of mixed types
            if 'ExprError' not in str(e):
                raise
    return to_yaml(app), LogMaker(rnd, app, maker).make()


def write_case(seed, directory):
    app, messages = generate(seed)
    os.makedirs(directory, exist_ok=True)
    with open(directory + '/app.yaml', 'w', encoding='utf-8') as file:
        file.write(app)
    with open(directory + '/log.ndjson', 'w', encoding='utf-8') as file:
        file.writelines(json.dumps(m, ensure_ascii=False) + '\n' for m in messages)


if __name__ == '__main__':
    write_case(int(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else 'case-' + sys.argv[1])
