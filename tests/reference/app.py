"""The app file, as far as the stream engine needs it (jobs only by their names).

YAML scalars are all read as text (BaseLoader), since `on:` is a key and no boolean.
"""
from dataclasses import dataclass, field as dataclass_field

import yaml

import expr
import values

LIMITS = {'event': 64 * 1024, 'message': 1024 * 1024, 'keys': 100000, 'devices': 100000,
          'producers': 10000, 'distinct': 10000}


class AppError(ValueError):
    pass


@dataclass
class Field:
    name: str
    type: str
    path: str                  # `from: device.id`, else the name
    default: object = None
    optional: bool = False


@dataclass
class Stream:
    name: str
    where: object              # an expression or None
    key: list                  # names of fields
    size: int
    every: int                 # = size for a tumbling window
    lateness: int
    select: list               # [(name, expression)]
    fields_used: dict          # name -> Field
    distinct_limit: int        # None unless distinct() is used

    def windows_of(self, t):
        """Starts of all windows that hold t, oldest first."""
        start = t // self.every * self.every
        starts = []
        while start > t - self.size:
            starts.append(start)
            start -= self.every
        return starts[::-1]


@dataclass
class Trigger:
    name: str
    on: str
    when: object
    cooldown: int
    run: str


@dataclass
class App:
    tenant: str
    time_path: str
    time_format: str
    out_of_orderness: int
    ahead: int                 # None: off
    watermark_per: list
    fields: list
    streams: list
    triggers: list
    limits: dict
    time_regex: object = dataclass_field(default=None, compare=False)

    def stream(self, name):
        return next((s for s in self.streams if s.name == name), None)

    def index_of(self, name):
        return [s.name for s in self.streams].index(name)


def load_app(text):
    try:
        doc = yaml.load(text, yaml.BaseLoader)
        return build(doc)
    except (yaml.YAMLError, KeyError, TypeError, AttributeError, ValueError) as e:
        raise AppError('%s: %s' % (type(e).__name__, e)) from None


def build(doc):
    events, time = doc['events'], doc['events']['time']
    fields = [build_field(n, d) for n, d in events['fields'].items()]
    limits = {name: int(doc.get('limits', {}).get(name, default)) for name, default in LIMITS.items()}
    time_format = time['format']
    app = App(
        tenant=doc['tenant'], time_path=time['field'], time_format=time_format,
        out_of_orderness=values.parse_duration(time.get('out_of_orderness', '0s')),
        ahead=values.parse_duration(time['ahead']) if time.get('ahead', 'off') != 'off' else None,
        watermark_per=list(events.get('watermark_per', [])), fields=fields,
        streams=[build_stream(s, fields, limits) for s in doc['streams']], triggers=[], limits=limits)
    if time_format not in ('rfc3339', 'unix', 'unix_ms'):
        app.time_regex = values.pattern_regex(time_format)
    for stream in app.streams:
        if not set(app.watermark_per) <= set(stream.key):
            raise AppError('stream %s: its key lacks a field of watermark_per' % stream.name)
    app.triggers = [build_trigger(t, app) for t in doc.get('triggers', [])]
    return app


def build_field(name, doc):
    if isinstance(doc, str):
        doc = {'type': doc}
    if doc['type'] not in ('int', 'float', 'bool', 'string'):
        raise AppError('unknown type ' + doc['type'])
    field = Field(name, doc['type'], doc.get('from', name), optional=doc.get('optional') == 'true')
    if 'default' in doc:
        field.default = build_default(doc['type'], doc['default'])
    return field


def build_default(kind, text):
    if kind == 'string':
        return text
    if kind == 'bool':
        return {'true': True, 'false': False}[text]
    value = values.exact_int(text) if kind == 'int' else values.finite_float(text)
    if value is None:
        raise AppError('default %r is no %s' % (text, kind))
    return value


def build_stream(doc, fields, limits):
    types = {f.name: f.type for f in fields}
    where = None
    if 'where' in doc:
        where = expr.parse(doc['where'])
        if expr.check(where, types) not in ('bool', 'null'):
            raise AppError('where wants a bool')
    key = list(doc.get('key', []))
    if any(types[k] == 'float' for k in key):
        raise AppError('"Keys are int, string or bool"')
    window = doc['window']
    size = values.parse_duration(window['tumbling'] if 'tumbling' in window else window['sliding'])
    every = values.parse_duration(window['every']) if 'sliding' in window else size
    if not 0 < every <= size:
        raise AppError('windows with gaps, or empty')
    select = [(name, expr.parse(text)) for name, text in doc['select'].items()]
    for _, node in select:
        expr.check(node, types, 'select')
    used = set(key).union(expr.names_in(where) if where else (), *(expr.names_in(n) for _, n in select))
    distinct = any('distinct' in expr.calls_in(n) for _, n in select)
    return Stream(doc['name'], where, key, size, every,
                  values.parse_duration(window.get('allowed_lateness', '0s')), select,
                  {f.name: f for f in fields if f.name in used},
                  limits['distinct'] if distinct else None)


def build_trigger(doc, app):
    stream = app.stream(doc['on'])
    if stream is None:
        raise AppError('trigger on an unknown stream ' + doc['on'])
    types = {k: stream.fields_used[k].type for k in stream.key}
    types.update({name: node.type for name, node in stream.select})
    when = expr.parse(doc['when'])
    if expr.check(when, types) not in ('bool', 'null'):
        raise AppError('when wants a bool')
    return Trigger(doc['name'], doc['on'], when, values.parse_duration(doc.get('cooldown', '0s')), doc['run'])
