#!/usr/bin/env python3
"""Publishes a device's readings to a tenant, each once, over restarts and broken connections.

    producer.py CREDENTIALS PRODUCER FILE
    producer.py build/demo/data/clients/acme.json site-7 readings.ndjson

CREDENTIALS: the JSON file that `belltower tenant add` kept. PRODUCER: a name of its own for each source that counts by itself (letters, digits,
`.`, `_`, `-`). FILE: one JSON object a line, the same lines in the same order each time. Needs Debian's python3-pika.
A message's id is PRODUCER:SEQUENCE. The worker drops what bears a sequence that it has seen, so whoever is not sure sends again: the same messages,
the same sequences."""
import json
import sys
import time

import pika

LINES_A_MESSAGE = 100       # fewer, larger messages are cheaper; a message holds 1 MiB at most unless the app's limits.message says else


def messages(path):
    """(sequence, body): the file cut always in the same way."""
    with open(path, 'rb') as f:
        lines, sequence = [], 0
        for line in f:
            lines.append(line)
            if len(lines) == LINES_A_MESSAGE:
                yield sequence, b''.join(lines)
                lines, sequence = [], sequence + 1
        if lines:
            yield sequence, b''.join(lines)


def connect(broker):
    url = pika.URLParameters(broker.get('address', 'amqp://127.0.0.1:5672'))
    connection = pika.BlockingConnection(pika.ConnectionParameters(
        host=url.host, port=url.port, virtual_host=broker['vhost'], heartbeat=30,
        credentials=pika.PlainCredentials(broker['user'], broker['password'])))
    channel = connection.channel()
    channel.confirm_delivery()                                  # basic_publish returns when the broker has it, or raises
    return connection, channel


def publish(channel, broker, tenant, producer, sequence, body):
    channel.basic_publish(
        exchange='belltower.in.' + tenant, routing_key=tenant,  # any key: the exchange takes all
        body=body, mandatory=True,
        properties=pika.BasicProperties(message_id='%s:%d' % (producer, sequence), user_id=broker['user'],
                                        content_type='application/x-ndjson', delivery_mode=2))


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    credentials, producer, path = sys.argv[1:]
    with open(credentials) as f:
        kept = json.load(f)
    broker, tenant = kept['broker'], kept['tenant']
    connection = channel = None
    count = 0
    for sequence, body in messages(path):
        while True:
            try:
                if channel is None:
                    connection, channel = connect(broker)
                publish(channel, broker, tenant, producer, sequence, body)
                count += 1
                break
            except pika.exceptions.UnroutableError:
                sys.exit('no queue takes messages of %s: is the tenant still there?' % tenant)
            except (pika.exceptions.ProbableAuthenticationError, pika.exceptions.ProbableAccessDeniedError) as e:
                sys.exit('the broker refuses these credentials: %r' % e)
            except pika.exceptions.AMQPError as e:              # not confirmed: it may be there or not, so it is sent again
                print('%r; again in a second' % e, file=sys.stderr)
                connection = channel = None
                time.sleep(1)
    if connection:
        connection.close()
    print('%d messages confirmed' % count, file=sys.stderr)


if __name__ == '__main__':
    main()
