#!/usr/bin/env python3
"""The reference of Belltower's stream engine.

    reference.py APP LOG                     LOG: ndjson of messages
    reference.py APP --lines DATA [--no-end] each line of DATA (ndjson, or .csv) is a message, as in `try`
    reference.py --cases DIR...              DIR/app.yaml, DIR/log.ndjson -> DIR/out.jsonl
With --snapshot-every N the engine is pickled and restored after every Nth message.
"""
import argparse
import base64
import json
import os
import pickle
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import decode
from engine import Engine, Message, json_line


def read_log(text):
    for line in text.split('\n'):
        if line.strip():
            yield message_from(json.loads(line))


def message_from(doc):
    body = base64.b64decode(doc['body_base64']) if 'body_base64' in doc else doc['body'].encode()
    return Message(doc['offset'], body, doc.get('message_id'), doc.get('type'), doc.get('user_id'),
                   set_aside=doc.get('set_aside', False))


def read_lines(data, is_csv, with_end):
    """"In `try` each line of a file is one message"; "the end of a file in `try`" is an end tick."""
    lines = data.split(b'\n')
    if lines[-1] == b'':
        lines.pop()
    header = None
    if is_csv:
        lines = [line.removesuffix(b'\r') for line in lines]
        header = decode.split_csv_line(lines.pop(0))
    for offset, line in enumerate(lines):
        yield Message(offset, line, csv_header=header)
    if with_end:
        yield Message(len(lines), b'{}', type='belltower.end', user_id='belltower-api')


def run(app_text, messages, snapshot_every=0):
    """All outputs, as dictionaries, in order."""
    engine, out = Engine(app_text), []
    for count, message in enumerate(messages, 1):
        out += engine.message(message)
        if snapshot_every and count % snapshot_every == 0:
            engine = pickle.loads(pickle.dumps(engine))
    return out


def read(path):
    with open(path, 'rb') as file:
        return file.read()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('app', nargs='?')
    parser.add_argument('log', nargs='?')
    parser.add_argument('--lines')
    parser.add_argument('--no-end', action='store_true')
    parser.add_argument('--snapshot-every', type=int, default=0)
    parser.add_argument('--cases', nargs='+')
    args = parser.parse_args()
    for case in args.cases or []:
        out = run(read(case + '/app.yaml').decode(), read_log(read(case + '/log.ndjson').decode()),
                  args.snapshot_every)
        with open(case + '/out.jsonl', 'w', encoding='utf-8') as file:
            file.writelines(json_line(o) + '\n' for o in out)
    if args.cases:
        return
    if not args.app or bool(args.log) == bool(args.lines):
        parser.error('APP LOG, or APP --lines DATA')
    messages = read_log(read(args.log).decode()) if args.log else \
        read_lines(read(args.lines), args.lines.endswith('.csv'), not args.no_end)
    for output in run(read(args.app).decode(), messages, args.snapshot_every):
        sys.stdout.buffer.write(json_line(output).encode() + b'\n')


if __name__ == '__main__':
    main()
