#!/usr/bin/env python3
"""Reads a tenant's results (or reports, or dead letters) from their stream queue, each once, over restarts.

    consumer.py CREDENTIALS QUEUE OFFSET_FILE [--until-quiet SECONDS]
    consumer.py build/demo/data/clients/acme.json belltower.results.acme acme.offset

CREDENTIALS: the JSON file that `belltower tenant add` kept. QUEUE: belltower.results.TENANT. Needs Debian's python3-pika.
A stream queue is a log: nothing is removed by reading. The reader keeps its place itself: the offset of the last message dealt with, written
*after* it was dealt with. Message ids are stable, so whoever may see a message twice (a crash between the two) drops it by its id."""
import json
import os
import sys
import time

import pika


def last_offset(path):
    try:
        with open(path) as f:
            return int(f.read())
    except FileNotFoundError:
        return None


def keep_offset(path, offset):
    with open(path + '.part', 'w') as f:
        f.write(str(offset))
    os.replace(path + '.part', path)


def connect(broker, queue, offset):
    login = pika.PlainCredentials(broker['user'], broker['password'])
    url = pika.URLParameters(broker.get('address', 'amqp://127.0.0.1:5672'))
    connection = pika.BlockingConnection(pika.ConnectionParameters(
        host=url.host, port=url.port, virtual_host=broker['vhost'], credentials=login, heartbeat=30))
    channel = connection.channel()
    channel.basic_qos(prefetch_count=200)                       # a stream demands a prefetch ...
    where = 'first' if offset is None else offset + 1
    return connection, channel.consume(queue, arguments={'x-stream-offset': where}, inactivity_timeout=1), channel


def main():
    if len(sys.argv) not in (4, 6) or len(sys.argv) == 6 and sys.argv[4] != '--until-quiet':
        sys.exit(__doc__)
    credentials, queue, offset_file = sys.argv[1:4]
    until_quiet = float(sys.argv[5]) if len(sys.argv) == 6 else None
    with open(credentials) as f:
        kept = json.load(f)
    broker = kept.get('broker', kept)
    quiet_since = time.monotonic()
    connection, messages, channel = connect(broker, queue, last_offset(offset_file))
    for method, properties, body in messages:
        if method is None:                                      # nothing for a second
            if until_quiet is not None and time.monotonic() - quiet_since > until_quiet:
                break
            continue
        quiet_since = time.monotonic()
        ours = properties.user_id == broker['worker']           # anybody else's is a forgery
        if ours and not (properties.type or '').startswith('belltower.'):  # a worker's marker is not for us
            print(body.decode(), flush=True)                    # deal with it ...
        keep_offset(offset_file, properties.headers['x-stream-offset'])  # ... then keep its place
        channel.basic_ack(method.delivery_tag)                  # ... and acknowledgements: they are credit, no more
    connection.close()


if __name__ == '__main__':
    main()
