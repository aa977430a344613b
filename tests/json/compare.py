#!/usr/bin/env python3
"""Belltower's reading of JSON against Python's: what is accepted, what is refused, and every value, to the last bit.

usage: compare.py DRIVER [--suite DIRECTORY] [--files DIRECTORY] [--documents N] [--seed N]

--suite: the files of scripts/json-suite: their documents (those called y_ must be accepted, n_ refused), and every prefix of them.
--files: each file is a document, such as what a fuzz target has found (fuzz_json CORPUS).
--documents: so many made of the suite's and of a few of our own, by chance (the seed decides all). An answer is as in json_driver.c."""
import argparse
import decimal
import json
import os
import random
import struct
import subprocess
import sys

DEPTH = 512  # JSON_MAX_DEPTH
TIME_MAX = 253402300799999
PREFIXES_OF = 3000  # bytes of a document whose prefixes are all read
PORTION = 2000
HEAD, TAIL = b'{"t":1,"f":', b',"z":0}'

sys.set_int_max_str_digits(0)
sys.setrecursionlimit(4 * DEPTH)


# ---- what another parser says ----

class Number:
    def __init__(self, text):
        self.text = text


class Object(list):
    """Pairs of name and value, repeated names and all."""


def no_constant(text):
    raise ValueError(text + ' is no JSON')


DECODER = json.JSONDecoder(object_pairs_hook=Object, parse_float=Number, parse_int=Number, parse_constant=no_constant)


def within_depth(value):
    level, depth = [value], 0
    while level:
        level = [v for v in level if isinstance(v, list)]
        depth += bool(level)
        level = [w for v in level for w in ((pair[1] for pair in v) if isinstance(v, Object) else v)]
    return depth <= DEPTH


def parse(document):
    """ValueError: it is no JSON (RFC 8259, in UTF-8, without halves of surrogate pairs, up to our depth)."""
    text = document.decode('utf-8')
    try:
        value, end = DECODER.raw_decode(text, len(text) - len(text.lstrip(' \t\r\n')))
    except RecursionError:
        raise ValueError('too deep')
    if text[end:].strip(' \t\r\n'):
        raise ValueError('text behind it')
    if not within_depth(value):
        raise ValueError('too deep')
    return value


def integer(text):
    """Exact; None: it has a fraction or is beyond 64 bits."""
    mantissa = text.lower().partition('e')[0]
    if not mantissa.strip('-0.'):
        return 0
    try:
        sign, digits, exponent = decimal.Decimal(text).as_tuple()
    except decimal.InvalidOperation:  # an exponent beyond all bounds
        return None
    digits = ''.join(map(str, digits)).lstrip('0')
    stripped = digits.rstrip('0')
    exponent += len(digits) - len(stripped)
    if exponent < 0 or exponent + len(stripped) > 19:
        return None
    value = int(stripped) * 10**exponent * (-1 if sign else 1)
    return value if -2**63 <= value < 2**63 else None


def double(text):
    value = float(text)
    return None if value in (float('inf'), float('-inf')) else '%016x' % struct.unpack('<Q', struct.pack('<d', value))[0]


def hexed(text):
    return '"' + text.encode('utf-8').hex()  # half of a surrogate pair: UnicodeEncodeError, a ValueError


def canonical(value):
    if value is None:
        return 'n'
    if value is True or value is False:
        return 't' if value else 'f'
    if isinstance(value, Number):
        i = integer(value.text)
        return '#%s:%s' % ('-' if i is None else i, double(value.text) or '-')
    if isinstance(value, str):
        return hexed(value)
    if isinstance(value, Object):
        return '{' + ''.join('%s:%s,' % (hexed(name), canonical(v)) for name, v in value) + '}'
    return '[' + ''.join(canonical(v) + ',' for v in value) + ']'


def document_answer(document):
    try:
        return canonical(parse(document))
    except ValueError:
        return '!'


def fits(value, kind):
    """As written; None: of the wrong type."""
    if value is None:
        return 'n'
    if kind == 'int':
        i = integer(value.text) if isinstance(value, Number) else None
        return None if i is None else '#%d' % i
    if kind == 'float':
        return double(value.text) if isinstance(value, Number) else None
    if kind == 'bool':
        return {True: 't', False: 'f'}[value] if isinstance(value, bool) else None
    return hexed(value) if isinstance(value, str) else None


def is_time(value):
    i = integer(value.text) if isinstance(value, Number) else None
    return i is not None and 0 <= i <= TIME_MAX


def field_answers(document):
    try:
        event = parse(HEAD + document + TAIL)
        canonical(event)
    except ValueError:
        return ['!'] * 5
    last = dict(event)
    if not is_time(last['t']) or fits(last['z'], 'int') is None:
        return ['-'] * 5
    return [fits(last['f'], kind) or '-' for kind in ('int', 'float', 'bool', 'string')] + ['.']


def expected(document):
    return ' '.join([document_answer(document)] + field_answers(document))


# ---- what ours says ----

def answers(driver, documents):
    data = b''.join(struct.pack('<I', len(d)) + d for d in documents)
    done = subprocess.run([driver], input=data, stdout=subprocess.PIPE)
    lines = done.stdout.decode().splitlines()
    if done.returncode != 0 or len(lines) != len(documents):
        sys.exit('json_driver ended with %d at %r' % (done.returncode, documents[min(len(lines), len(documents) - 1)][:2000]))
    return lines


def check(driver, documents):
    """How many were accepted."""
    accepted = 0
    for document, line in zip(documents, answers(driver, documents)):
        want = expected(document)
        if line != want:
            sys.exit('%r\n  ours:  %s\n  other: %s' % (document[:2000], line[:2000], want[:2000]))
        accepted += line[0] != '!'
    return accepted


# ---- documents ----

OWN = [b'{"a":1,"b":[true,false,null],"c":{"d":-0.5e-3,"":"\\u00e9\\ud83d\\ude00 \xf0\x9f\x98\x80"}}', b'[1,2.5,-0,1e3,9223372036854775807]',
       b'"text that is longer than what is looked at together, with \\"quotes\\", \\\\ and \xc3\xa4"', b'-123456789012345678.25', b'121.0', b'true',
       b'null', b'"2026-01-01 00:00:00 UTC"', b' [ { "x" : [ ] } , { } ] ']
PARTS = [b'"', b'\\', b'\\u', b'\\ud83d', b'\\ude00', b'{', b'}', b'[', b']', b',', b':', b'0', b'1', b'9', b'-', b'+', b'.', b'e', b'E', b' ', b'\t', b'\n', b'\x00',
         b'\x1f', b'\x7f', b'\xc3', b'\xa4', b'\xed\xa0\x80', b'\xf4\x90\x80\x80', b'\xef\xbb\xbf', b'\xe2\x82\xac', b'true', b'false', b'null', b'NaN', b'1e400', b'"f":',
         b'12345678', b'abcdefghijklmnopqrstuvwxyz']


def suite(directory):
    documents = []
    for name in ('parsing', 'transform'):
        with open(os.path.join(directory, name + '.js'), encoding='utf-8') as f:
            text = f.read()
        documents += [(d['name'], d['input'].encode('utf-8', 'surrogatepass')) for d in json.loads(text[text.index('['):text.rindex(']') + 1])]
    return documents


def check_suite(driver, documents):
    for (name, document), line in zip(documents, answers(driver, [d for _, d in documents])):
        if name[:2] in ('y_', 'n_') and (name[0] == 'y') != (line[0] != '!'):
            sys.exit('%s: %s' % (name, line))
        if line != expected(document):
            sys.exit('%s\n  ours:  %s\n  other: %s' % (name, line[:2000], expected(document)[:2000]))
    prefixes = [document[:n] for _, document in documents if len(document) <= PREFIXES_OF for n in range(len(document))]
    for at in range(0, len(prefixes), PORTION):
        check(driver, prefixes[at:at + PORTION])
    print('%d documents of the suite and %d prefixes: all as another parser reads them' % (len(documents), len(prefixes)))


def check_files(driver, directory):
    documents = []
    for name in sorted(os.listdir(directory)):
        with open(os.path.join(directory, name), 'rb') as f:
            documents.append(f.read())
    accepted = sum(check(driver, documents[at:at + PORTION]) for at in range(0, len(documents), PORTION))
    print('%d files, %d of them accepted: all as another parser reads them' % (len(documents), accepted))


def changed(chance, documents):
    document = bytearray(chance.choice(documents))
    for _ in range(chance.choice((1, 1, 1, 2, 3, 6))):
        at, way = chance.randrange(len(document) + 1), chance.randrange(6)
        if way == 0:
            document[at:at] = chance.choice(PARTS)
        elif way == 1:
            del document[at:at + chance.choice((1, 1, 2, 8))]
        elif way == 2:
            document[at:at + 1] = bytes([chance.randrange(256)])
        elif way == 3:
            document[at:at] = document[at:at + chance.randrange(1, 40)]
        elif way == 4:
            document[at:at + 1] = chance.choice(PARTS)
        else:
            document[at:at] = b' ' * chance.randrange(1, 40) if chance.random() < 0.3 else b'7' * chance.randrange(1, 24)
    return bytes(document)


def check_changed(driver, sources, count, seed):
    chance = random.Random(seed)
    accepted = 0
    if not count:
        return
    for at in range(0, count, PORTION):
        accepted += check(driver, [changed(chance, sources) for _ in range(min(PORTION, count - at))])
    print('%d documents by chance (seed %d), %d of them accepted: all as another parser reads them' % (count, seed, accepted))
    if not accepted:
        sys.exit('none was accepted: that shows little')


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument('driver')
    parser.add_argument('--suite')
    parser.add_argument('--files')
    parser.add_argument('--documents', type=int, default=0)
    parser.add_argument('--seed', type=int, default=1)
    options = parser.parse_args()
    documents = suite(options.suite) if options.suite else []
    if options.suite:
        check_suite(options.driver, documents)
    if options.files:
        check_files(options.driver, options.files)
    check_changed(options.driver, OWN + [d for _, d in documents if len(d) <= PREFIXES_OF], options.documents, options.seed)


if __name__ == '__main__':
    main()
