#!/usr/bin/env python3
"""Tests of the reference itself, worked out by hand from the rules. T(s) is s seconds past a round minute."""
import json
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import decode
import expr
import values
from app import AppError, load_app
from compare import first_difference, same
from engine import Engine, Message, parse_message_id
from generate import generate
from recut import final_results
from reference import read_lines, run

BASE = 1767225600000                     # 2026-01-01T00:00:00Z
WORKER, API = 'belltower-worker-acme', 'belltower-api'

APP = '''
tenant: acme
events:
  time: { field: t, format: unix_ms %(time)s}
%(per)s  fields:
    id: int
    v: { type: float, optional: true }
    site: { type: string, default: a }
streams:
  - name: s
    key: [id]
    window: { tumbling: 10s %(window)s}
    select: { n: count(), hi: max(v) }
%(more)s'''


def app(time='', window='', per='', more=''):
    return APP % {'time': time and ', ' + time, 'window': window and ', ' + window,
                  'per': per and '  %s\n' % per, 'more': more}


def T(seconds):
    return BASE + int(seconds * 1000)


def ev(seconds, id=1, **more):
    return json.dumps(dict({'t': T(seconds), 'id': id}, **more))


class Log:
    """Feeds an engine and shows outputs in short."""

    def __init__(self, text):
        self.engine, self.offset = Engine(text), -1

    def send(self, body, **extra):
        self.offset += 1
        body = body if isinstance(body, bytes) else body.encode()
        return [self.short(o) for o in self.engine.message(Message(self.offset, body, **extra))]

    def short(self, o):
        if o['kind'] == 'dead':
            return o['reason'], o['index']
        if o['kind'] == 'trigger':
            return 'trigger', o['trigger']
        b = o['body']
        start = (int(o['message_id'].split(':')[2]) - BASE) / 1000
        return b['stream'], b.get('id'), start, b.get('n'), b['revision']

    def tick(self, offset, seconds, user=WORKER):
        return self.send(json.dumps({'offset': offset, 'highest': T(seconds)}), type='belltower.tick', user_id=user)

    def devices_tick(self, *devices):
        body = {'devices': [{'key': k, 'offset': o, 'highest': T(s)} for k, o, s in devices]}
        return self.send(json.dumps(body), type='belltower.tick', user_id=WORKER)

    def end(self):
        return self.send('{}', type='belltower.end', user_id=API)

    def time(self, seconds):
        return self.send(json.dumps({'highest': T(seconds)}), type='belltower.time', user_id=API)

    def version(self, number, text):
        return self.send(json.dumps({'version': number, 'app': text}), type='belltower.version', user_id=API)


# ---------------------------------------------------------------- values

class Values(unittest.TestCase):
    def test_int_without_loss(self):
        for text, value in (('121', 121), ('121.0', 121), ('1e3', 1000), ('-0', 0), ('10e-1', 1),
                            ('9223372036854775807.0', 2**63 - 1), ('-9223372036854775808', -2**63),
                            ('0E-99999999999999999999', 0), ('0.00e9', 0), ('1.2e1', 12)):
            self.assertEqual(values.exact_int(text), value, text)
        for text in ('1.5', '1e-1', '9223372036854775808', '1e400', '1e99999999999', '12e-2'):
            self.assertIsNone(values.exact_int(text), text)

    def test_float_is_finite(self):
        self.assertIsNone(values.finite_float('1e400'))
        self.assertEqual(values.finite_float('1e-400'), 0.0)

    def test_unix_is_cut_to_ms(self):
        self.assertEqual(values.floor_scaled('1.9999', 3), 1999)
        self.assertEqual(values.floor_scaled('17e1', 3), 170000)
        self.assertEqual(values.floor_scaled('1e-5', 3), 0)
        self.assertIsNone(values.floor_scaled('-1', 3))

    def test_times(self):
        rfc = values.parse_rfc3339
        self.assertEqual(rfc('2026-01-01T00:00:00Z'), BASE)
        self.assertEqual(rfc('2026-01-01T02:00:00.1239+02:00'), BASE + 123)
        self.assertEqual(rfc('2024-02-29T00:00:00z'), 1709164800000)
        for bad in ('2026-02-29T00:00:00Z', '2026-01-01T24:00:00Z', '2026-01-01T00:00:60Z', '2026-01-01T00:00:00',
                    '2026-01-01T00:00:00Zx', '2026-1-01T00:00:00Z', '99999-01-01T00:00:00Z'):
            self.assertIsNone(rfc(bad), bad)
        regex = values.pattern_regex('%Y-%m-%d %H:%M:%S UTC')
        self.assertEqual(values.parse_pattern(regex, '2026-01-01 00:00:05 UTC'), BASE + 5000)
        self.assertIsNone(values.parse_pattern(regex, '2026-01-01 00:00:05 UTC '))

    def test_format(self):
        self.assertEqual(values.format_time(BASE), '2026-01-01T00:00:00Z')
        self.assertEqual(values.format_time(BASE + 7), '2026-01-01T00:00:00.007Z')
        self.assertEqual(values.format_time(-1000), '1969-12-31T23:59:59Z')
        self.assertEqual(values.format_time(1709164800000), '2024-02-29T00:00:00Z')
        self.assertEqual(values.format_time(values.LAST_MS + 1), '10000-01-01T00:00:00Z')

    def test_key(self):
        self.assertEqual(values.key_text((1, 'ä"\n', None, True)), '[1,"ä\\"\\n",null,true]')
        self.assertEqual(values.key_hash(()), '%032x' % self.fnv(b'[]'))
        keys = [('b',), (None,), ('a',), ('\U0001F514',), ('\uffff',)]
        self.assertEqual(sorted(keys, key=values.order_of_key), [(None,), ('a',), ('b',), ('\uffff',), ('\U0001F514',)])
        self.assertEqual(sorted([(10,), (9,), (-1,)], key=values.order_of_key), [(-1,), (9,), (10,)])

    @staticmethod
    def fnv(data):
        h = 144066263297769815596495629667062367629
        for b in data:
            h = ((h ^ b) * 309485009821345068724781371) & (2**128 - 1)
        return h


# ---------------------------------------------------------------- expressions

class Expressions(unittest.TestCase):
    types = {'i': 'int', 'f': 'float', 's': 'string', 'b': 'bool'}

    def value(self, text, **env):
        node = expr.parse(text)
        expr.check(node, self.types)
        return expr.evaluate(node, dict(dict.fromkeys(self.types), **env))

    def test_values(self):
        for text, value in (
                ('1 + 2 * 3', 7), ('(1 + 2) * 3', 9), ('7 / 2', 3.5), ('-7 % 3', -1), ('7 % -3', 1), ('-7.5 % 2', -1.5),
                ('1 / 0', None), ('1 % 0', None), ('9223372036854775807 + 1', None), ('-9223372036854775807 - 1', -2**63),
                ('1e308 * 10', None), ('1 + null', None), ('null == null', False), ('i != 3', False), ('not (i == 3)', True),
                ('not i in [1]', True), ('i is null', True), ('i is not null', False), ('not i is null', False),
                ('true or false and false', True), ('not true or true', True), ('1 < 2 and 2.0 == 2', True),
                ('1 in [3, -1, 1.0]', True), ("'a' in ['b']", False), ("'Z' < 'a'", True), ("'\uffff' < '\U0001F514'", True),
                ('round(2.5)', 3.0), ('round(-2.5)', -3.0), ('round(0.49999999999999994)', 0.0), ('floor(-1.5)', -2.0),
                ('ceil(1.2)', 2.0), ('abs(-3)', 3), ("length('äb')", 2), ("upper('äb')", 'äB'), ("lower('ÄB')", 'Äb'),
                ("contains('abc', 'b')", True), ("starts_with(s, 'a')", None), ('coalesce(i, 2)', 2), ('coalesce(i, f, 2)', 2.0),
                ('-(-9223372036854775807 - 1)', None), ('abs(-9223372036854775807 - 1)', None),
                ('9007199254740993 == 9007199254740992.0', True), ('b or true', True), ('not b', True), ('- -1', 1)):
            got = self.value(text)
            self.assertEqual((got, type(got)), (value, type(value)), text)

    def test_mistakes(self):
        for text in ("1 + 'a'", "1 == 'a'", 'true < false', '1 == true', 'not 1', '1 and true', 'x', 'count()', '1 < 2 < 3',
                     'i in []', '1 +', 'f()', '9223372036854775808', 'i in [x]', "coalesce(1, 'a')", '(1', 'sum(1)', "'a", '1.'):
            with self.assertRaises(expr.ExprError, msg=text):
                expr.check(expr.parse(text), self.types)

    def aggregate(self, text, *rows, limit=10000):
        node = expr.parse(text)
        expr.check(node, self.types, 'select')
        events = [dict(dict.fromkeys(self.types), **row) for row in rows]
        return expr.evaluate(node, {}, lambda call: expr.aggregate_value(call, events, limit))

    def test_aggregates(self):
        rows = [{'i': 3, 'f': 1.0, 's': 'b'}, {'i': None, 'f': 4.0, 's': 'a'}, {'i': 1, 'b': True, 's': 'b'}]
        for text, value in (
                ('count()', 3), ('count(i)', 2), ('count_if(b)', 1), ('count_if(i > 0)', 2), ('sum(i)', 4), ('sum(f)', 5.0),
                ('min(i)', 1), ('max(s)', 'b'), ('avg(i)', 2.0), ('stddev(f)', 1.5), ('first(i)', 3), ('last(f)', 4.0),
                ('distinct(s)', 2), ('max(i) - min(i)', 2), ('count() > 2', True), ('sum(i + 1)', 6)):
            self.assertEqual(self.aggregate(text, *rows), value, text)
        self.assertEqual(self.aggregate('distinct(i)', {'i': 1}, {'i': 2}, {'i': 3}, limit=2), 2)

    def test_empty_and_overflow(self):
        for text, value in (('count(i)', 0), ('sum(i)', 0), ('min(i)', None), ('avg(i)', None), ('stddev(i)', None),
                            ('first(i)', None), ('distinct(i)', 0), ('count_if(b)', 0)):
            self.assertEqual(self.aggregate(text, {}), value, text)
        big = {'i': 2**63 - 1}
        self.assertIsNone(self.aggregate('sum(i)', big, big))
        self.assertEqual(self.aggregate('sum(i)', big, big, {'i': -2**63}), 2**63 - 2)


# ---------------------------------------------------------------- decoding

class Decoding(unittest.TestCase):
    def pieces(self, body):
        return [(i, raw.decode(errors='replace'), 'broken' if v is decode.NotJson else 'ok')
                for i, raw, v in decode.split(body if isinstance(body, bytes) else body.encode())]

    def test_array(self):
        self.assertEqual(self.pieces(' [1, {"a":2} ] '), [(0, '1', 'ok'), (1, '{"a":2}', 'ok')])
        self.assertEqual(self.pieces('[1,]'), [(0, '[1,]', 'broken')])
        self.assertEqual(self.pieces('[1] 2'), [(0, '[1] 2', 'broken')])
        self.assertEqual(self.pieces('[]'), [])

    def test_sequence(self):
        self.assertEqual(self.pieces('1 {"a":\n2}\n'), [(0, '1', 'ok'), (1, '{"a":\n2}', 'ok')])
        self.assertEqual(self.pieces('1 {x} 2\n3'), [(0, '1', 'ok'), (1, '{x} 2', 'broken'), (2, '3', 'ok')])
        self.assertEqual(self.pieces('{}{}\n{}'), [(0, '{}{}', 'broken'), (1, '{}', 'ok')])
        self.assertEqual(self.pieces('{"a":\n1}x\n2'), [(0, '{"a":', 'broken'), (1, '1}x', 'broken'), (2, '2', 'ok')])
        self.assertEqual(self.pieces(''), [])

    def test_rfc8259(self):
        for good in ('-0.5e+3', '"\\ud83d\\udd14"', '{"a":{"b":[]}}', '"\\u0000"'):
            self.assertEqual(self.pieces(good), [(0, good, 'ok')], good)
        for bad in ('01', '+1', '.5', '1.', '1e', 'NaN', 'tru', "'a'", '"\t"', '"\\x"', '"\\ud800"', '"\\ud800\\u0041"', '{"a"}',
                    '{a:1}', '{"a":1,}', '\ufeff1', '-', '"a'):
            self.assertEqual([p[2] for p in self.pieces(bad)], ['broken'], bad)
        for bad in (b'"\xff"', b'"\xc0\x80"', b'"\xed\xa0\x80"', b'"\xf4\x90\x80\x80"', b'{"x":"\xe2\x82"}'):
            self.assertEqual([p[2] for p in self.pieces(bad)], ['broken'], bad)

    def test_depth(self):
        for depth, state in ((512, 'ok'), (513, 'broken')):
            body = '{"a":' * (depth - 1) + '[]' + '}' * (depth - 1)
            self.assertEqual(self.pieces(body)[0][2], state)
            self.assertEqual(self.pieces('[' + body + ']')[0][2], state)

    def reasons(self, *bodies, text=None):
        log = Log(text or app())
        return [log.send(b) for b in bodies]

    def test_reasons(self):
        got = self.reasons(
            '{"t":1,"id":1}', '{"id":1}', '{"t":null,"id":1}', '{"t":"1","id":1}', '{"t":-1,"id":1}', '{"t":1.5,"id":1}',
            '{"t":253402300800000,"id":1}', '{"t":1}', '{"t":1,"id":null}', '{"t":1,"id":1.5}', '{"t":1,"id":true}',
            '{"t":1,"id":1,"v":1e400}', '{"t":1,"id":1,"site":5}', '5', '{"t":1,"id":"x","id":1}', '{"t":1,"id":1,"x":"\\ud800"}')
        self.assertEqual([g[0][0] if g else None for g in got], [
            None, 'missing-field', 'missing-field', 'wrong-type', 'bad-time', 'bad-time', 'bad-time', 'missing-field',
            'missing-field', 'wrong-type', 'wrong-type', 'wrong-type', 'wrong-type', 'wrong-type', None, 'not-json'])

    def test_from_and_default(self):
        a = load_app(app().replace('id: int', 'id: { type: int, from: device.id }'))
        value = next(decode.split(b'{"t":1,"device":{"id":1e3},"v":null,"site":null}'))[2]
        self.assertEqual(decode.decode(a, value), (1, {'id': 1000, 'v': None, 'site': 'a'}))
        with self.assertRaises(decode.Refused):
            decode.decode(a, next(decode.split(b'{"t":1,"device":5}'))[2])

    def test_too_large(self):
        small = app(more='limits: { event: 30, message: 40 }\n')
        self.assertEqual(self.reasons('{"t":1,"id":1,"extra":"0123456789"}', '{"t":1,"id":1}' + ' ' * 40, '{"t":1,"id":1}', text=small),
                         [[('too-large', 0)], [('too-large', 0)], []])

    def test_repeats(self):
        self.assertEqual(parse_message_id('p.1:0'), ('p.1', 0))
        for no in ('p:01', 'p:9223372036854775808', 'x' * 65 + ':1', 'ä:1', 'p:1 ', 'a:b:1', ':1', None):
            self.assertIsNone(parse_message_id(no))
        log = Log(app())
        for sequence, count in ((2000, 1), (2000, 1), (976, 2), (975, 2), (1000, 3), (1000, 3), (3000, 4), (1976, 5), (1975, 5), (2000, 5)):
            log.send(ev(1), message_id='p:%d' % sequence)
            self.assertEqual(log.engine.counts['counted'], count, sequence)

    def test_producers_are_forgotten(self):
        log = Log(app(more='limits: { producers: 2 }\n'))
        for name, count in (('a', 1), ('b', 2), ('a', 2), ('c', 3), ('a', 3), ('b', 4)):
            log.send(ev(1), message_id=name + ':1')
            self.assertEqual(log.engine.counts['counted'], count, name)

    def test_csv(self):
        data = ('t,id,v,site\r\n%d,1,,\r\n%d,x,1,b\r\n\r\n%d,1\r\n%d,1,2.5,"a""b,"\r\n' % (T(1), T(2), T(3), T(4))).encode()
        out = run(app(), read_lines(data, True, True))
        self.assertEqual([(o['kind'], o.get('reason')) for o in out], [('dead', 'wrong-type'), ('dead', 'not-csv'), ('result', None)])
        self.assertEqual(out[-1]['body']['hi'], 2.5)
        self.assertEqual(out[-1]['body']['n'], 2)


# ---------------------------------------------------------------- windows

class Windows(unittest.TestCase):
    def test_result(self):
        out = run(app(), [Message(0, ev(1, v=2).encode()), Message(1, ev(10).encode())])
        self.assertEqual(json.dumps(out), json.dumps([{
            'kind': 'result', 'message_id': 's:%s:%d:1.0' % (values.key_hash((1,)), BASE), 'number': 1, 'first_offset': 0, 'last_offset': 0, 'fired': [],
            'body': {'id': 1, 'n': 1, 'hi': 2.0, 'tenant_id': 'acme', 'stream': 's', 'window_start': '2026-01-01T00:00:00Z',
                     'window_end': '2026-01-01T00:00:10Z', 'revision': 0}}]))

    def test_event_never_closes_its_own_window(self):
        log = Log(app())
        self.assertEqual(log.send(ev(9.999)), [])
        self.assertEqual(log.send(ev(10)), [('s', 1, 0, 1, 0)])
        self.assertEqual(log.send(ev(9)), [('late', 0)])

    def test_out_of_orderness(self):
        log = Log(app(time='out_of_orderness: 5s'))
        self.assertEqual(log.send(ev(1)) + log.send(ev(14.999)) + log.send(ev(2)), [])
        self.assertEqual(log.send(ev(15)), [('s', 1, 0, 2, 0)])

    def test_order(self):
        """By window end, then stream as in the app, then key."""
        out = run(app(more='  - { name: r, key: [site], window: { tumbling: 5s }, select: { n: count() } }\n'), [
            Message(0, '\n'.join([ev(1, 9), ev(4, 9, site='b'), ev(4, -1, site='B'), ev(4, 10)]).encode()),
            Message(1, ev(20).encode())])
        self.assertEqual([o['body'].get('site', o['body'].get('id')) for o in out], ['B', 'a', 'b', -1, 9, 10])

    def test_sliding(self):
        log = Log(app().replace('tumbling: 10s', 'sliding: 10s, every: 5s'))
        self.assertEqual(log.send(ev(7)), [])
        self.assertEqual(log.send(ev(12)), [('s', 1, 0, 1, 0)])
        self.assertEqual(log.end(), [('s', 1, 5, 2, 0), ('s', 1, 10, 1, 0)])
        stream = load_app(app().replace('tumbling: 10s', 'sliding: 10s, every: 4s')).streams[0]
        self.assertEqual(stream.windows_of(11000), [4000, 8000])
        self.assertEqual(stream.windows_of(0), [-8000, -4000, 0])

    def test_filtered_advances(self):
        log = Log(app().replace('    key: [id]', '    where: v > 5\n    key: [id]', 1))
        log.send(ev(1, v=6))
        self.assertEqual(log.send(ev(10, v=1)), [('s', 1, 0, 1, 0)])
        self.assertEqual(log.send(ev(1, v=1)), [])             # filtered, never late
        self.assertEqual(log.send(ev(1, v=6)), [('late', 0)])

    def test_lateness(self):
        log = Log(app(window='allowed_lateness: 5s'))
        log.send(ev(1))
        self.assertEqual(log.send(ev(10)), [('s', 1, 0, 1, 0)])
        self.assertEqual(log.send(ev(2) + '\n' + ev(3)), [('s', 1, 0, 3, 2)])   # once after the message
        self.assertEqual(log.send(ev(2, 2)), [('s', 2, 0, 1, 1)])              # first made by a late event
        self.assertEqual(log.send(ev(4) + '\n' + ev(15) + '\n' + ev(4)), [('s', 1, 0, 4, 3), ('late', 2)])   # its window goes
        self.assertEqual(log.end(), [('s', 1, 10, 2, 0)])

    def test_each_stream_judges_alone(self):
        more = '  - { name: r, key: [id], window: { tumbling: 10s, allowed_lateness: 1h }, select: { n: count() } }\n'
        log = Log(app(more=more))
        log.send(ev(20))
        self.assertEqual(log.send(ev(1)), [('r', 1, 0, 1, 1)])

    def test_too_many_keys(self):
        log = Log(app(window='allowed_lateness: 5s', more='limits: { keys: 2 }\n'))
        self.assertEqual(log.send(ev(1, 1)) + log.send(ev(1, 2)), [])
        self.assertEqual(log.send(ev(1, 3)), [('too-many-keys', 0)])
        self.assertEqual(len(log.send(ev(14, 1))), 2)
        self.assertEqual(log.send(ev(14, 3)), [('too-many-keys', 0)])          # key 2 is kept for lateness
        self.assertEqual(log.send(ev(15, 3)), [])
        self.assertEqual(log.send(ev(40, 4)), [('s', 1, 10, 1, 0), ('s', 3, 10, 1, 0)])

    def test_tick(self):
        log = Log(app(time='out_of_orderness: 5s'))
        log.send(ev(1))                                        # 0
        self.assertEqual(log.tick(7, 30), [])                  # 1: names another message
        self.assertEqual(log.tick(0, 14.9), [])                # 2: counts, closes nothing
        self.assertEqual(log.tick(0, 15), [('s', 1, 0, 1, 0)])  # 3: ticks between do not matter
        self.assertEqual(log.send('broken'), [('not-json', 0)])   # 4
        self.assertEqual(log.engine.decided_ticks, [(1, False), (2, True), (3, True)])
        log.tick(0, 60)
        self.assertEqual(log.send(ev(12)), [])                 # the tick naming 0 did nothing
        log.tick(6, 60)
        self.assertEqual(log.send(ev(12)), [('late', 0)])

    def test_end(self):
        log = Log(app(window='allowed_lateness: 5s'))
        log.send(ev(1) + '\n' + ev(5, 2))
        log.send(ev(11))
        self.assertEqual(log.end(), [('s', 1, 10, 1, 0)])      # W = 20
        self.assertEqual(log.send(ev(12)), [('s', 1, 10, 2, 1)])
        self.assertEqual(log.send(ev(9)), [('late', 0)])
        self.assertEqual(log.end(), [])

    def test_forged(self):
        log = Log(app())
        log.send(ev(1))
        self.assertEqual(log.send('{}', type='belltower.end', user_id=WORKER), [('forged', 0)])
        self.assertEqual(log.tick(1, 60, user=API), [('forged', 0)])
        self.assertEqual(log.send('x', type='belltower.end'), [('forged', 0)])
        self.assertEqual(log.send('x', type='belltower.time', user_id=API), [('bad-control', 0)])
        self.assertEqual(log.send(ev(2), type='other', user_id='acme'), [])
        self.assertEqual(log.end(), [('s', 1, 0, 2, 0)])


class Ahead(unittest.TestCase):
    def test_dropped_by_an_ordinary_event(self):
        log = Log(app(time='ahead: 20s'))
        self.assertEqual(log.send(ev(1)) + log.send(ev(21)), [('s', 1, 0, 1, 0)])   # exactly 20 s in front: not further
        self.assertEqual(log.send(ev(42)) + log.send(ev(43) + ' ' + ev(44)), [])
        self.assertEqual(log.send(ev(22)), [('ahead', 0), ('ahead', 0), ('ahead', 1)])
        self.assertEqual(log.end(), [('s', 1, 20, 2, 0)])

    def test_dropped_by_a_tick_that_counts(self):
        log = Log(app(time='ahead: 20s'))
        log.send(ev(1))
        log.send(ev(42))
        self.assertEqual(log.tick(0, 60), [])
        self.assertEqual(log.tick(1, 10), [('ahead', 0), ('s', 1, 0, 1, 0)])
        log.send(ev(42))
        self.assertEqual(log.end(), [('ahead', 0)])

    def test_ten_messages(self):
        log = Log(app(time='ahead: 20s'))
        log.send(ev(1))
        for i in range(9):
            self.assertEqual(log.send(ev(100 + i)), [])
            self.assertEqual(log.send('x'), [('not-json', 0)])      # no event, breaks no row
        # the tenth: W = 108 when its own event comes; the second of it is judged by the new highest
        self.assertEqual(log.send(ev(99) + ' ' + ev(131)), [('s', 1, 0, 1, 0), ('late', 0)])
        self.assertEqual([e.t for e in log.engine.held], [T(131)])

    def test_oldest_beyond_1000(self):
        log = Log(app(time='ahead: 20s'))
        log.send(ev(1))
        log.send(' '.join([ev(100)] * 1000))
        self.assertEqual(log.send(ev(100)), [('ahead', 0)])


class WatermarkPer(unittest.TestCase):
    text = app(per='watermark_per: [id]', time='out_of_orderness: 0s')

    def test_devices_do_not_wait_for_each_other(self):
        log = Log(self.text)
        log.send(ev(100, 1))
        self.assertEqual(log.send(ev(1, 2)), [])
        self.assertEqual(log.send(ev(10, 2)), [('s', 2, 0, 1, 0)])
        self.assertEqual(log.end(), [('s', 2, 10, 1, 0), ('s', 1, 100, 1, 0)])

    def test_ticks(self):
        log = Log(self.text)
        log.send(ev(1, 1))                  # 0
        log.send(ev(1, 2))                  # 1
        self.assertEqual(log.devices_tick(([1], 0, 10), ([2], 0, 10), ([3], 0, 10)), [('s', 1, 0, 1, 0)])
        self.assertEqual(log.devices_tick(([2], 1, 10)), [('s', 2, 0, 1, 0)])
        log.send(ev(12, 1))                 # 4
        log.time(50)                        # 5: a control is a message of every device
        self.assertEqual(log.devices_tick(([1], 4, 30)), [])
        self.assertEqual(log.devices_tick(([1], 5, 30)), [('s', 1, 10, 1, 0)])

    def test_key_must_hold_the_device(self):
        with self.assertRaises(AppError):
            load_app(app(per='watermark_per: [site]'))


class TimeControl(unittest.TestCase):
    def test_drop(self):
        log = Log(app())
        log.send(ev(1))
        self.assertEqual(log.send(ev(9999)), [('s', 1, 0, 1, 0)])
        self.assertEqual(log.send(ev(12)), [('late', 0)])
        self.assertEqual(log.time(11), [])
        self.assertEqual(log.send(ev(12)), [])
        self.assertEqual(log.time(15), [])                     # not above: nothing
        self.assertEqual(log.send(ev(20)), [('s', 1, 10, 1, 0)])

    def test_closed_window_stays_closed(self):
        log = Log(app(window='allowed_lateness: 10m'))
        log.send(ev(1))
        log.send(ev(50))
        log.time(5)
        self.assertEqual(log.send(ev(6)), [('s', 1, 0, 2, 1)])


class Triggers(unittest.TestCase):
    def make(self, cooldown):
        return app(window='allowed_lateness: 1h', more=(
            'triggers:\n  - { name: g, on: s, when: "n >= 2 and id == 1", cooldown: %s, run: j }\n'
            'jobs: [ { name: j, from: s } ]\n' % cooldown))

    def test_once_per_window_and_before_the_result(self):
        log = Log(self.make('0s'))
        log.send(ev(1) + ' ' + ev(2))
        self.assertEqual(log.send(ev(10)), [('trigger', 'g'), ('s', 1, 0, 2, 0)])
        self.assertEqual(log.send(ev(3)), [('s', 1, 0, 3, 1)])
        self.assertEqual(log.send(ev(11) + ' ' + ev(20)), [('trigger', 'g'), ('s', 1, 10, 2, 0)])

    def test_cooldown(self):
        log = Log(self.make('20s'))
        fired = []
        for i in range(5):
            out = log.send(ev(10 * i) + ' ' + ev(10 * i + 1))
            fired += [('trigger', 'g') in out]
        self.assertEqual(fired, [False, True, False, True, False])

    def test_content(self):
        out = run(self.make('0s'), [Message(0, (ev(1) + '\n' + ev(2)).encode()), Message(1, ev(10).encode())])
        self.assertEqual(out[0]['id'], 'g:%s:%d' % (values.key_hash((1,)), BASE))
        self.assertEqual((out[0]['number'], out[0]['job'], out[1]['fired']), (1, 'j', ['g']))
        self.assertEqual(out[0]['result'], out[1]['body'])


class Versions(unittest.TestCase):
    def test_unchanged_goes_on(self):
        log = Log(app())
        log.send(ev(1))
        self.assertEqual(log.version(1, app(window='allowed_lateness: 5s')), [])   # not above the present
        self.assertEqual(log.version(2, app(more='limits: { keys: 5 }\n')), [])
        log.send(ev(2))
        self.assertEqual(log.end(), [('s', 1, 0, 2, 0)])

    def test_the_old_version_keeps_its_windows(self):
        log = Log(app())
        log.send(ev(1))
        self.assertEqual(log.version(3, app(window='allowed_lateness: 1h')), [])
        self.assertEqual(log.send(ev(2)), [])
        self.assertEqual(log.send(ev(11)), [('s', 1, 0, 2, 0)])
        self.assertEqual(log.send(ev(3)), [('late', 0)])       # the new version takes late ones, but not in that window
        self.assertEqual(log.version(2, app()), [])
        self.assertEqual(log.end(), [('s', 1, 10, 1, 0)])
        self.assertEqual(log.send(ev(12)), [('s', 1, 10, 2, 1)])

    def test_nothing_is_cut_in_two(self):
        log = Log(app())
        log.send(ev(12))
        log.version(2, app().replace('tumbling: 10s', 'tumbling: 15s'))
        self.assertEqual(log.send(ev(21)), [('s', 1, 10, 1, 0), ('late', 0)])    # [15s, 30s) begins too early
        self.assertEqual(log.send(ev(30)), [])
        self.assertEqual(log.end(), [('s', 1, 30, 1, 0)])

    def test_only_the_changed_one(self):
        more = '  - { name: r, key: [id], window: { tumbling: %s }, select: { n: count() } }\n'
        log = Log(app(more=more % '10s'))
        log.send(ev(1))
        self.assertEqual(log.version(2, app(more=more % '20s')), [])
        self.assertEqual(log.send(ev(2)), [])
        self.assertEqual(log.send(ev(21)), [('s', 1, 0, 2, 0), ('r', 1, 0, 2, 0)])
        self.assertEqual(log.end(), [('s', 1, 20, 1, 0), ('r', 1, 20, 1, 0)])

    def test_bad_app(self):
        log = Log(app())
        self.assertEqual(log.version(2, 'tenant: ['), [('bad-control', 0)])
        self.assertEqual(log.version(2, app().replace('acme', 'other')), [('bad-control', 0)])


class Tools(unittest.TestCase):
    def test_generator_is_deterministic(self):
        for seed in range(20):
            self.assertEqual(generate(seed), generate(seed))

    def test_same(self):
        self.assertTrue(same(1.0, 1) and same(3.0, 3.0 + 1e-12) and same(None, None))
        self.assertTrue(same(1, 1.0))
        self.assertFalse(same(1, True) or same({'a': 1, 'b': 2}, {'b': 2, 'a': 1}) or same(1.0, 1.001))
        self.assertIsNone(first_difference([{'kind': 'dead', 'body': 'x'}], [{'kind': 'dead', 'body_base64': 'eA==', 'detail': 'y'}]))
        self.assertIsNotNone(first_difference([], [{'kind': 'dead'}]))

    def test_finals(self):
        def result(revision, n):
            return {'kind': 'result', 'message_id': 's:h:0:1.%d' % revision, 'body': {'revision': revision, 'n': n}}
        self.assertEqual(final_results([result(0, 1), result(2, 3), result(1, 2)]), {'s:h:0': {'revision': 2, 'n': 3}})


if __name__ == '__main__':
    unittest.main()
