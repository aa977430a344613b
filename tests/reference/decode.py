"""Bytes to events: "Decoding, exactly" 1 to 3.

split(body) gives the pieces of a message; decode() makes of one JSON object an event's time and
fields, or says with which reason it goes to the dead letters.
"""
import re
import sys

import values
from values import Number

sys.setrecursionlimit(10000)

WHITESPACE = b' \t\n\r'
MAX_DEPTH = 512


class NotJson(ValueError):
    pass


class Refused(ValueError):
    """An event that cannot be decoded; reason and detail."""

    def __init__(self, reason, detail):
        super().__init__(reason, detail)
        self.reason, self.detail = reason, detail


# ---------------------------------------------------------------- JSON (RFC 8259)

def skip_whitespace(body, at):
    while at < len(body) and body[at] in WHITESPACE:
        at += 1
    return at


LITERALS = ((b'true', True), (b'false', False), (b'null', None))
NUMBER = re.compile(rb'-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?')
ESCAPES = {b'"': '"', b'\\': '\\', b'/': '/', b'b': '\b', b'f': '\f', b'n': '\n', b'r': '\r', b't': '\t'}


def parse_value(body, at, depth=0):
    """The value that begins at `at`, and where it ends. Numbers stay text."""
    start = body[at:at + 1]
    if start in (b'{', b'['):
        if depth >= MAX_DEPTH:
            raise NotJson('nested too deep')
        return (parse_object if start == b'{' else parse_array)(body, at, depth + 1)
    if start == b'"':
        return parse_string(body, at)
    for word, value in LITERALS:
        if body.startswith(word, at):
            return value, at + len(word)
    m = NUMBER.match(body, at)
    if not m:
        raise NotJson('no value')
    return Number(m.group().decode()), m.end()


def parse_array(body, at, depth):
    items = []
    at = skip_whitespace(body, at + 1)
    if body[at:at + 1] == b']':
        return items, at + 1
    while True:
        value, at = parse_value(body, skip_whitespace(body, at), depth)
        items.append(value)
        at = skip_whitespace(body, at)
        mark, at = body[at:at + 1], at + 1
        if mark == b']':
            return items, at
        if mark != b',':
            raise NotJson('expected , or ]')


def parse_object(body, at, depth):
    members = {}                                    # "Of a repeated name the last counts."
    at = skip_whitespace(body, at + 1)
    if body[at:at + 1] == b'}':
        return members, at + 1
    while True:
        name, at = parse_string(body, skip_whitespace(body, at))
        at = skip_whitespace(body, at)
        if body[at:at + 1] != b':':
            raise NotJson('expected :')
        members[name], at = parse_value(body, skip_whitespace(body, at + 1), depth)
        at = skip_whitespace(body, at)
        mark, at = body[at:at + 1], at + 1
        if mark == b'}':
            return members, at
        if mark != b',':
            raise NotJson('expected , or }')


def parse_string(body, at):
    if body[at:at + 1] != b'"':
        raise NotJson('expected a string')
    at += 1
    text, plain = [], at
    while True:
        c = body[at:at + 1]
        if c == b'' or c < b' ':
            raise NotJson('string without end, or a control character in it')
        if c in (b'"', b'\\'):
            try:
                text.append(body[plain:at].decode('utf-8'))        # strict: "valid UTF-8"
            except UnicodeDecodeError:
                raise NotJson('not UTF-8') from None
            if c == b'"':
                return ''.join(text), at + 1
            escaped, at = parse_escape(body, at + 1)
            text.append(escaped)
            plain = at
        else:
            at += 1


def parse_escape(body, at):
    c = body[at:at + 1]
    if c in ESCAPES:
        return ESCAPES[c], at + 1
    unit, at = parse_unit(body, at)
    if 0xD800 <= unit < 0xDC00 and body[at:at + 1] == b'\\':
        low, after = parse_unit(body, at + 1)
        if 0xDC00 <= low < 0xE000:
            return chr(0x10000 + (unit - 0xD800) * 0x400 + low - 0xDC00), after
    if 0xD800 <= unit < 0xE000:
        raise NotJson('half of a surrogate pair')
    return chr(unit), at


def parse_unit(body, at):
    m = re.compile(rb'u([0-9a-fA-F]{4})').match(body, at)
    if not m:
        raise NotJson('bad escape')
    return int(m.group(1), 16), m.end()


# ---------------------------------------------------------------- a message's pieces

def split(body):
    """Yields (index, bytes, value) in order; value is NotJson for a broken one."""
    at = skip_whitespace(body, 0)
    if body[at:at + 1] == b'[':
        yield from split_array(body, at)
    else:
        yield from split_sequence(body, at)


def split_array(body, at):
    """"a JSON array: if it does not parse, it is dead-lettered whole and nothing of it counts"."""
    try:
        pieces, end = array_pieces(body, at)
        if skip_whitespace(body, end) != len(body):
            raise NotJson('something after the array')
    except NotJson:
        yield 0, body, NotJson
        return
    for index, (raw, value) in enumerate(pieces):
        yield index, raw, value


def array_pieces(body, at):
    """The same as parse_array, keeping each element's bytes."""
    pieces = []
    at = skip_whitespace(body, at + 1)
    if body[at:at + 1] == b']':
        return pieces, at + 1
    while True:
        start = skip_whitespace(body, at)
        value, at = parse_value(body, start)
        pieces.append((body[start:at], value))
        at = skip_whitespace(body, at)
        mark, at = body[at:at + 1], at + 1
        if mark == b']':
            return pieces, at
        if mark != b',':
            raise NotJson('expected , or ]')


def split_sequence(body, at):
    """"a sequence of JSON values with whitespace between: a broken value is dead-lettered up to the
    end of the line on which it began, and reading goes on at the next line"."""
    index = 0
    while at < len(body):
        try:
            value, end = parse_value(body, at)
            if end < len(body) and body[end] not in WHITESPACE:
                raise NotJson('no whitespace after the value')
        except NotJson:
            line_end = body.find(b'\n', at)
            value, end = NotJson, len(body) if line_end < 0 else line_end
        yield index, body[at:end], value
        index += 1
        at = skip_whitespace(body, end)


# ---------------------------------------------------------------- one object

def decode(app, value):
    """(time in ms, {field: value}) of a JSON object; Refused otherwise. The time is judged first,
    then the fields in the order of the app file."""
    if not isinstance(value, dict):
        raise Refused('wrong-type', 'not an object')
    return decode_by(app, lambda path: lookup(value, path), json_kind)


def lookup(value, path):
    for name in path.split('.'):
        if not isinstance(value, dict) or name not in value:
            return None                              # "null is as good as missing"
        value = value[name]
    return value


def json_kind(kind, value):
    return value


def fields(app, value):
    """{field: value}, whatever the time is."""
    return fields_by(app, lambda path: lookup(value, path), json_kind)


def fields_by(app, get, kind_of):
    return {f.name: decode_field(f, kind_of(f.type, get(f.path))) for f in app.fields}


def decode_by(app, get, kind_of):
    t = decode_time(app, kind_of('time', get(app.time_path)))
    return t, fields_by(app, get, kind_of)


def decode_time(app, value):
    if value is None:
        raise Refused('missing-field', app.time_path)
    if app.time_format in ('unix', 'unix_ms'):
        if not isinstance(value, Number):
            raise Refused('wrong-type', app.time_path)
        t = values.floor_scaled(value, 3) if app.time_format == 'unix' else values.exact_int(value)
    else:
        if not isinstance(value, str) or isinstance(value, Number):
            raise Refused('wrong-type', app.time_path)
        t = values.parse_rfc3339(value) if app.time_format == 'rfc3339' else \
            values.parse_pattern(app.time_regex, value)
    if values.in_range(t) is None:
        raise Refused('bad-time', app.time_path)
    return t


def decode_field(field, value):
    """"null is as good as missing: then the `default`, or null where the field is optional"."""
    if value is None:
        if field.default is not None or field.optional:
            return field.default
        raise Refused('missing-field', field.name)
    got = convert(field.type, value)
    if got is None:
        raise Refused('wrong-type', field.name)
    return got


def convert(kind, value):
    if kind == 'bool':
        return value if isinstance(value, bool) else None
    if isinstance(value, Number):
        return {'int': values.exact_int, 'float': values.finite_float,
                'string': lambda text: None}[kind](value)
    return value if kind == 'string' and isinstance(value, str) else None


# ---------------------------------------------------------------- CSV

def split_csv_line(line):
    """Cells of one line (bytes without its end), or NotJson."""
    try:
        text = line.decode('utf-8')
    except UnicodeDecodeError:
        return NotJson
    cells, at = [], 0
    cell = re.compile(r'"((?:[^"]|"")*)"|([^",]*)')
    while True:
        m = cell.match(text, at)
        cells.append(m.group(1).replace('""', '"') if m.group(1) is not None else m.group(2))
        at = m.end()
        if at == len(text):
            return cells
        if text[at] != ',':
            return NotJson
        at += 1


def decode_csv(app, header, line):
    """"Producers of CSV have a header row; cells are converted by the field's type, an empty cell is null"."""
    row = csv_row(header, line)
    return decode_by(app, lambda path: row.get(path) or None, lambda kind, cell: csv_kind(app, kind, cell))


def csv_row(header, line):
    cells = split_csv_line(line)
    if cells is NotJson or len(cells) != len(header):
        raise Refused('not-csv', 'cells')
    return dict(zip(header, cells))


def csv_fields(app, header, line):
    row = csv_row(header, line)
    return fields_by(app, lambda path: row.get(path) or None, lambda kind, cell: csv_kind(app, kind, cell))


def csv_kind(app, kind, cell):
    """A cell's text as the JSON value that it stands for."""
    if cell is None:
        return None
    if kind == 'bool':
        return {'true': True, '1': True, 'false': False, '0': False}.get(cell, cell)
    if kind == 'time' and app.time_format in ('unix', 'unix_ms'):
        if not values.is_number_text(cell):
            raise Refused('bad-time', app.time_path)
        return Number(cell)
    if kind in ('int', 'float') and values.is_number_text(cell):
        return Number(cell)
    return cell
