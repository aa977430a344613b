"""The same events in other messages: "How a log is cut into messages changes no final result".

What may legally differ is taken out first: `ahead` (it counts messages), the limits of bytes, sequences,
ticks (they name offsets), forged messages, those set aside, and values that are not JSON (one breaks a whole array) or are arrays
(alone in a message they would be its events).
"""
import json
import random
import re

import decode
from decode import NotJson
from reference import message_from


def app_for_recut(text):
    text = re.sub(r', ahead: \w+', '', text)
    text = re.sub(r'event: \d+', 'event: 65536', text)
    return re.sub(r'message: \d+', 'message: 1048576', text)


def items_of(log):
    """('event', text) and ('control', type, body, user), in order."""
    for doc in log:
        message = message_from(doc)
        kind = message.type or ''
        if message.set_aside:
            continue
        if not kind.startswith('belltower.'):
            for _, raw, value in decode.split(message.body):
                if value is not NotJson and not isinstance(value, list):
                    yield 'event', raw.decode()
        elif kind != 'belltower.tick' and message.user_id == 'belltower-api':
            yield 'control', kind, control_for_recut(kind, doc['body']), message.user_id


def control_for_recut(kind, body):
    if kind != 'belltower.version':
        return body
    try:
        doc = json.loads(body)
        doc['app'] = app_for_recut(doc['app'])
    except (ValueError, KeyError, TypeError):
        return body
    return json.dumps(doc)


def messages_of(items, group):
    """`group` makes of a run of event texts between two controls the bodies of messages."""
    log, run = [], []

    def add(body, **extra):
        log.append(dict({'offset': len(log), 'body': body}, **extra))

    for item in list(items) + [('control', None, None, None)]:
        if item[0] == 'event':
            run.append(item[1])
            continue
        for body in group(run):
            add(body)
        run = []
        if item[1]:
            add(item[2], type=item[1], user_id=item[3])
    return log


def one_by_one(run):
    return list(run)


def at_random(rnd):
    def group(run):
        bodies = []
        while run:
            size = rnd.choice([1, 2, 3, 5, 20])
            part, run = run[:size], run[size:]
            in_array = rnd.random() < 0.5
            bodies.append('[' + ','.join(part) + ']' if in_array else rnd.choice(['\n', ' ', '\r\n']).join(part))
        return bodies
    return group


def recut(seed, app, log):
    """(app, [the log one by one, the log cut at random])."""
    items = list(items_of(log))
    return app_for_recut(app), [messages_of(items, one_by_one),
                                messages_of(items, at_random(random.Random('recut %d' % seed)))]


def final_results(out):
    """(stream, key, window) -> the result of the highest revision (the last of equals)."""
    final = {}
    for result in (o for o in out if o['kind'] == 'result'):
        place = result['message_id'].rsplit(':', 1)[0]
        if place not in final or result['body']['revision'] >= final[place]['revision']:
            final[place] = result['body']
    return final


def dead_letters(out):
    return sorted((o['reason'], o.get('body') or o.get('body_base64') or '') for o in out if o['kind'] == 'dead')
