"""The stream engine: messages in, results, dead letters and triggers out.

Slow on purpose: a window keeps all its events and every result is computed from them anew. Rules
quoted are those of "Time and windows, exactly" (by number) and "Decoding, exactly" (D and number).
"""
import base64
import json
from collections import OrderedDict
from dataclasses import dataclass, field
import re

import decode
import expr
import values
from app import AppError, load_app
from decode import NotJson, Refused

WINDOW_OF_SEQUENCES = 1024
HELD_MESSAGES = 10
HELD_EVENTS = 1000
OLD_VERSIONS = 16
ALWAYS, NEVER = -(1 << 70), 1 << 70    # before and after all times


@dataclass
class Message:
    offset: int
    body: bytes
    message_id: str = None
    type: str = None
    user_id: str = None
    csv_header: list = None            # the body is one line of CSV with this header
    set_aside: bool = False            # it is not to be read


@dataclass
class Source:
    """One value, or one line of CSV, that versions of the app read, each in its way."""
    value: object
    csv_header: list = None

    def decode(self, app):
        if self.csv_header is None:
            return decode.decode(app, self.value)
        return decode.decode_csv(app, self.csv_header, self.value)

    def fields(self, app):
        if self.csv_header is None:
            return decode.fields(app, self.value)
        return decode.csv_fields(app, self.csv_header, self.value)


@dataclass
class Event:
    t: int
    fields: dict
    device: tuple                      # () without watermark_per
    offset: int
    index: int
    raw: bytes
    source: object = None              # what other versions read, too


@dataclass
class Clock:
    """The watermark of the log, or with watermark_per of one device."""
    highest: int = None                # highest event time
    watermark: int = None
    last_offset: int = None            # of the last message with an event of this device

    def has_passed(self, end):
        return self.watermark is not None and end <= self.watermark

    def advance_to(self, watermark):
        """1: "it never falls"."""
        if self.watermark is None or watermark > self.watermark:
            self.watermark = watermark

    def see(self, t, out_of_orderness):
        """1: "W = the highest t so far less out_of_orderness"."""
        if self.highest is None or t > self.highest:
            self.highest = t
        self.advance_to(self.highest - out_of_orderness)


@dataclass
class Window:
    """One window of one key of one stream, from its first counted event until it goes."""
    stream: str
    key: tuple
    device: tuple
    start: int
    end: int
    version: object                    # whose window it is
    closed: bool = False
    revision: int = 0                  # number of late events in it
    changed: bool = False              # counted a late event since it was last published
    events: list = field(default_factory=list)
    fired: set = field(default_factory=set)


@dataclass
class Reach:
    """Which windows are one version's of one stream on one device."""
    ended: int = ALWAYS                # those that end after this,
    begin: int = ALWAYS                # that start at or after this,
    until: int = NEVER                 # and end by then at the latest

    def holds(self, start, end):
        return end > self.ended and start >= self.begin and end <= self.until


class Version:
    """A version of the app, in force or not."""

    def __init__(self, number, app):
        self.number, self.app = number, app
        self.reaches = {}              # (stream, device) -> Reach
        self.on_all = {}               # stream -> Reach on all devices
        self.in_force = True
        self.stopped = set()           # triggers that a later version has no more

    def reach(self, stream, device):
        return self.reaches.setdefault((stream, device), Reach(until=NEVER if self.in_force else ALWAYS))

    def owns(self, stream, device, start, end):
        return (self.reach(stream, device).holds(start, end)
                and self.on_all.get(stream, Reach()).holds(start, end))


@dataclass
class Producer:
    highest: int
    seen: set

    def is_repeat(self, sequence):
        """D4: "the highest and a bitmap of the 1,024 below it are kept; lower ones count as seen"."""
        return sequence in self.seen or sequence < self.highest - WINDOW_OF_SEQUENCES

    def remember(self, sequence):
        self.highest = max(self.highest, sequence)
        self.seen.add(sequence)
        self.seen = {s for s in self.seen if s >= self.highest - WINDOW_OF_SEQUENCES}


API = 'belltower-api'


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


def control_sum(kind, body):
    """docs/formats.md: the message_id of a control message, "the CRC-32C of its type, a NUL and its body"."""
    return 'crc32c=%08x' % crc32c(kind.encode() + b'\0' + body)


def parse_message_id(text):
    """D: `<producer>:<sequence>`, or None: "any other message_id is no sequence"."""
    m = re.fullmatch(r'([A-Za-z0-9._-]{1,64}):(0|[1-9][0-9]*)', text or '', re.ASCII)
    if not m or int(m.group(2)) >= 2**63:
        return None
    return m.group(1), int(m.group(2))


class BadControl(ValueError):
    pass


class Engine:
    def __init__(self, app_text, generation=1):
        self.version = Version(1, load_app(app_text))     # 12: "A log begins under version 1"
        self.old = []                          # versions that still have windows, oldest first
        self.generation = generation
        self.producers = OrderedDict()         # name -> Producer, longest unheard of first
        self.last_offset = None                # of the last message that is no tick
        self.last_control_offset = None        # of the last believed control that is no tick
        self.highest = None                    # highest t of all events (7: "`ahead` stays common")
        self.clocks = {}                       # device -> Clock
        self.windows = {}                      # (version, stream, key, start) -> Window
        self.idle = OrderedDict()              # devices without windows, the longest first
        self.held = []                         # events held back as ahead
        self.cooldowns = {}                    # (trigger, cooldown, key, device) -> highest end at which it fired
        self.number = 0                        # of the last result
        self.counts = {'repeat': 0, 'filtered': 0, 'counted': 0}
        self.out = []
        self.decided_ticks = []                # for tests: (offset, did it count)

    @property
    def app(self):
        return self.version.app

    # ------------------------------------------------------------ messages

    def message(self, message):
        """Takes one message; gives what is published because of it, in order."""
        self.out = []
        kind = message.type or ''
        if message.set_aside:
            self.dead('poison', message.offset, 0, message.body)
        elif kind.startswith('belltower.') or self.bears_a_sum(message) and message.user_id in (API, self.worker()):
            self.control(message, kind[len('belltower.'):] if kind.startswith('belltower.') else 'none')
        else:
            self.event_message(message)
        self.publish_corrections()
        self.forget_versions()
        if kind != 'belltower.tick':
            self.last_offset = message.offset
        return self.out

    def event_message(self, message):
        if self.is_repeat(message):
            self.counts['repeat'] += 1         # D4: "dropped whole and counted"
        elif len(message.body) > self.app.limits['message']:
            self.dead('too-large', message.offset, 0, message.body)
        elif message.csv_header is not None:
            self.csv_line(message)
        else:
            for index, raw, value in decode.split(message.body):
                self.value(message.offset, index, raw, value)

    def is_repeat(self, message):
        """D4. Remembers the sequence; the producer longest unheard of is forgotten (D5)."""
        parsed = parse_message_id(message.message_id)
        if parsed is None:
            return False
        name, sequence = parsed
        producer = self.producers.get(name)
        if producer is None:
            self.producers[name] = Producer(sequence, {sequence})
            self.forget_producers()
            return False
        self.producers.move_to_end(name)       # heard of, "repeats included"
        if producer.is_repeat(sequence):
            return True
        producer.remember(sequence)
        return False

    def forget_producers(self):
        while len(self.producers) > self.app.limits['producers']:
            self.producers.popitem(last=False)

    def csv_line(self, message):
        if not message.body.strip():
            return
        self.one_event(message.offset, 0, message.body, Source(message.body, message.csv_header))

    def value(self, offset, index, raw, value):
        if value is NotJson:
            self.dead('not-json', offset, index, raw)
        else:
            self.one_event(offset, index, raw, Source(value))

    def one_event(self, offset, index, raw, source):
        if len(raw) > self.app.limits['event']:
            self.dead('too-large', offset, index, raw)
            return
        try:
            t, fields = source.decode(self.app)
        except Refused as refused:
            self.dead(refused.reason, offset, index, raw)
            return
        device = tuple(fields[name] for name in self.app.watermark_per)
        event = Event(t, fields, device, offset, index, raw, source)
        if self.hear(device):
            self.clocks[device].last_offset = offset
            self.judge_ahead(event)
        else:
            self.dead_event('too-many-keys', event)

    # ------------------------------------------------------------ devices

    def hear(self, device):
        """D5: with `watermark_per`, no more than `limits.devices`: for one more, the one longest without a window is
        forgotten; False if all have some."""
        if not self.app.watermark_per:
            self.clocks.setdefault(device, Clock())
            return True
        self.idle.pop(device, None)
        if device not in self.clocks:
            while len(self.clocks) >= self.app.limits['devices'] and self.idle:
                self.forget_device(next(iter(self.idle)))
            if len(self.clocks) >= self.app.limits['devices']:
                return False
            self.clocks[device] = Clock()
        return True

    def forget_device(self, device):
        del self.idle[device], self.clocks[device]
        self.forget_cooldowns(lambda trigger, cooldown, of_device: of_device == device)
        for version in self.old + [self.version]:
            version.reaches = {place: reach for place, reach in version.reaches.items() if place[1] != device}

    def settle(self, devices):
        """Takes note of who has windows."""
        if not self.app.watermark_per:
            return
        with_windows = {w.device for w in self.windows.values()}
        for device in sorted(devices, key=values.order_of_key):
            if device in with_windows:
                self.idle.pop(device, None)
            else:
                self.idle.setdefault(device)

    # ------------------------------------------------------------ events

    def judge_ahead(self, event):
        """7: an event too far in front of the highest t of all events is held back."""
        if self.is_ahead(event):
            self.settle([event.device])
            self.hold(event)
        else:
            self.drop_held()                   # "If an ordinary event ... comes first"
            self.let_in(event)

    def is_ahead(self, event):
        return (self.app.ahead is not None and self.highest is not None
                and event.t > self.highest + self.app.ahead)

    def hold(self, event):
        self.held.append(event)
        if len(self.held) > HELD_EVENTS:       # "so is the oldest beyond 1,000"
            self.dead_event('ahead', self.held.pop(0))
        if len({e.offset for e in self.held}) >= HELD_MESSAGES:
            held, self.held = self.held, []    # "time has really jumped, and they are let in, in order"
            for each in held:
                if self.hear(each.device):
                    self.let_in(each)
                else:
                    self.dead_event('too-many-keys', each)

    def drop_held(self):
        for event in self.held:
            self.dead_event('ahead', event)
        self.held = []

    def let_in(self, event):
        """3: "An event first advances W, then windows with end <= W close, then the event is counted"."""
        self.see(event.device, event.t)
        self.close_windows()
        self.count(event)
        self.settle([event.device])

    def see(self, device, t):
        self.highest = t if self.highest is None else max(self.highest, t)
        self.clocks.setdefault(device, Clock()).see(t, self.app.out_of_orderness)

    def count(self, event):
        """5: "Each stream judges alone"; for each name the one version whose window holds the event."""
        verdicts, judged = [], set()
        for version in self.old:
            for stream in version.app.streams:
                if self.windows_left(version, stream, event) and self.can_read(version, event):
                    judged.add(stream.name)
                    verdicts.append(self.judge(version, stream, event, event.source.fields(version.app)))
        verdicts += [self.judge(self.version, stream, event, event.fields)
                     for stream in self.app.streams if stream.name not in judged]
        verdicts = [v for v in verdicts if v != 'rejected']
        if not verdicts:
            self.counts['filtered'] += 1       # 3: "counted as filtered, never as late"
        elif 'counted' in verdicts:
            self.counts['counted'] += 1
        if verdicts and all(v == 'late' for v in verdicts):
            self.dead_event('late', event)
        if 'too-many-keys' in verdicts:        # "and also, once"
            self.dead_event('too-many-keys', event)

    @staticmethod
    def can_read(version, event):
        try:
            event.source.fields(version.app)
            return True
        except Refused:
            return False

    def judge(self, version, stream, event, fields):
        if stream.where is not None and expr.evaluate(stream.where, fields) is not True:
            return 'rejected'
        return self.count_in(version, stream, event, fields)

    def windows_left(self, version, stream, event):
        """Starts of the windows of the event that are this version's and not gone."""
        return [s for s in stream.windows_of(event.t)
                if not self.is_gone(version, stream, event.device, s, s + stream.size)]

    def count_in(self, version, stream, event, fields):
        clock = self.clocks[event.device]
        starts = self.windows_left(version, stream, event)
        if not starts:
            return 'late'
        key = tuple(fields[name] for name in stream.key)
        if self.is_one_key_more(version, stream, key):
            return 'too-many-keys'
        for start in starts:
            place = version.number, stream.name, key, start
            window = self.windows.get(place)
            if window is None:
                end = start + stream.size
                window = Window(stream.name, key, event.device, start, end, version, clock.has_passed(end))
                self.windows[place] = window
            window.events.append((event.offset, fields))
            if window.closed:                  # "`revision` is the number of late events in that result"
                window.revision += 1
                window.changed = True
        return 'counted'

    def windows_of(self, version, stream_name):
        return [w for w in self.windows.values() if w.version is version and w.stream == stream_name]

    def is_one_key_more(self, version, stream, key):
        """D5: "A key counts while it has a window, open or kept for lateness"."""
        keys = {w.key for w in self.windows_of(version, stream.name)}
        return key not in keys and len(keys) >= self.app.limits['keys']

    def is_gone(self, version, stream, device, start, end):
        """5: W has reached end + allowed_lateness; or it is another version's."""
        return (self.clocks[device].has_passed(end + stream.lateness)
                or not version.owns(stream.name, device, start, end))

    # ------------------------------------------------------------ closing and publishing

    def order(self, window):
        """4: "by window end, then stream (as in the app), then key"; older versions of a stream before newer ones,
        streams that were removed last, as their versions had them."""
        if self.app.stream(window.stream):
            stream = 0, self.app.index_of(window.stream), window.version.number
        else:
            stream = 1, window.version.number, window.version.app.index_of(window.stream)
        return window.end, stream, values.order_of_key(window.key)

    def close_windows(self):
        """Closes what W has reached; publishes corrections of what goes; forgets what is gone."""
        due, gone = [], []
        for window in self.windows.values():
            stream = window.version.app.stream(window.stream)
            going = self.is_gone(window.version, stream, window.device, window.start, window.end)
            closing = not window.closed and self.clocks[window.device].has_passed(window.end)
            if closing or (going and window.changed):
                due.append(window)
            if going:
                gone.append(window)
        self.close(due)
        self.forget_windows(gone)

    def close(self, windows):
        for window in sorted(windows, key=self.order):
            window.closed = True
            self.publish(window)

    def forget_windows(self, windows):
        for window in windows:
            del self.windows[window.version.number, window.stream, window.key, window.start]

    def publish_corrections(self):
        """5: "the corrected result is published once more after each message that changed it"."""
        for window in sorted((w for w in self.windows.values() if w.changed), key=self.order):
            self.publish(window)

    def publish(self, window):
        app = window.version.app
        stream = app.stream(window.stream)
        window.changed = False
        columns = dict(zip(stream.key, window.key))
        for name, node in stream.select:
            columns[name] = expr.evaluate(node, {}, lambda call: expr.aggregate_value(
                call, [fields for _, fields in window.events], app.limits['distinct']))
        body = dict(columns)
        body.update(tenant_id=self.app.tenant, stream=stream.name,
                    window_start=values.format_time(window.start),
                    window_end=values.format_time(window.end), revision=window.revision)
        self.number += 1
        fired = [t for t in app.triggers if t.on == stream.name and self.fires(t, window, columns)]
        key_hash = values.key_hash(window.key)
        for trigger in fired:                  # triggers before the result that fired them
            self.out.append({
                'kind': 'trigger', 'id': '%s:%s:%d' % (trigger.name, key_hash, window.start),
                'tenant_id': self.app.tenant, 'trigger': trigger.name, 'job': trigger.run,
                'number': self.number, 'result': body})
        self.out.append({
            'kind': 'result', 'message_id': '%s:%s:%d:%d.%d' % (
                stream.name, key_hash, window.start, self.generation, window.revision),
            'number': self.number, 'first_offset': min(offset for offset, _ in window.events),
            'last_offset': max(offset for offset, _ in window.events), 'fired': [t.name for t in fired], 'body': body})

    def fires(self, trigger, window, columns):
        """9: "at most once per (trigger, key, window), and with `cooldown` > 0 not for a window end below
        (the highest end at which it fired for that key) + cooldown"."""
        if (trigger.name in window.version.stopped or trigger.name in window.fired
                or expr.evaluate(trigger.when, columns) is not True):
            return False
        memory = trigger.name, trigger.cooldown, window.key, window.device
        highest = self.cooldowns.get(memory, ALWAYS)
        if trigger.cooldown > 0 and window.end < highest + trigger.cooldown:
            return False
        window.fired.add(trigger.name)
        self.cooldowns[memory] = max(highest, window.end)
        return True

    # ------------------------------------------------------------ dead letters

    def dead(self, reason, offset, index, raw):
        letter = {'kind': 'dead', 'offset': offset, 'index': index, 'reason': reason}
        try:
            letter['body'] = raw.decode('utf-8')
        except UnicodeDecodeError:
            letter['body_base64'] = base64.b64encode(raw).decode()
        self.out.append(letter)

    def dead_event(self, reason, event):
        self.dead(reason, event.offset, event.index, event.raw)

    # ------------------------------------------------------------ control messages

    def control(self, message, name):
        """"Ticks are believed from that tenant's worker, the others from the API, else dead-lettered as
        `forged`, never decoded. They have no sequence."."""
        trusted = self.worker() if name == 'tick' else API
        if message.user_id != trusted:
            self.dead('forged', message.offset, 0, message.body)
            return
        try:
            if self.bears_a_sum(message) and message.message_id != control_sum(message.type or '', message.body):
                raise BadControl('its sum')
            if name == 'tick':
                self.tick(message.offset, self.control_body(message))
            elif name == 'end':
                self.end_tick()
            elif name == 'time':
                self.time(self.time_in(self.control_body(message)))
            elif name == 'rewind':
                self.rewind(self.int_in(self.control_body(message), 'generation'))
            elif name == 'version':
                self.new_version(self.control_body(message))
            else:
                raise BadControl('unknown')
        except BadControl:
            self.dead('bad-control', message.offset, 0, message.body)
        if name != 'tick':
            self.last_control_offset = message.offset

    def worker(self):
        return 'belltower-worker-' + self.app.tenant

    @staticmethod
    def bears_a_sum(message):
        return (message.message_id or '').startswith('crc32c=')

    @staticmethod
    def control_body(message):
        pieces = list(decode.split(message.body))
        if len(pieces) != 1 or not isinstance(pieces[0][2], dict):
            raise BadControl('not one object')
        return pieces[0][2]

    @staticmethod
    def int_in(body, name):
        number = body.get(name)
        value = values.exact_int(number) if isinstance(number, values.Number) else None
        if value is None or value < 0:
            raise BadControl(name)
        return value

    def time_in(self, body):
        t = self.int_in(body, 'highest')
        if t > values.LAST_MS:
            raise BadControl('highest')
        return t

    # -- ticks

    def tick(self, offset, body):
        """6: "A tick counts only if the last message before it that is no tick has the offset it names ...
        else it does nothing at all"; 8: per device with watermark_per."""
        if self.app.watermark_per:
            counting = [(device, t) for device, named, t in self.devices_in(body)
                        if named == self.last_offset_of(device)]
        else:
            named, t = self.int_in(body, 'offset'), self.time_in(body)
            counting = [((), t)] if named == self.last_offset else []
        self.decided_ticks.append((offset, bool(counting)))
        if not counting:
            return
        self.drop_held()                       # 7: "or a tick that counts comes first"
        for device, t in counting:
            self.see(device, t)
        self.close_windows()
        self.settle([device for device, _ in counting])

    def devices_in(self, body):
        devices = body.get('devices')
        if not isinstance(devices, list):
            raise BadControl('devices')
        return [self.device_in(d) for d in devices]

    def device_in(self, body):
        if not isinstance(body, dict) or not isinstance(body.get('key'), list):
            raise BadControl('key')
        types = {f.name: f.type for f in self.app.fields}
        names, given = self.app.watermark_per, body['key']
        if len(given) != len(names):
            raise BadControl('key')
        key = tuple(None if v is None else decode.convert(types[n], v) for n, v in zip(names, given))
        if any(k is None and v is not None for k, v in zip(key, given)):
            raise BadControl('key')
        return key, self.int_in(body, 'offset'), self.time_in(body)

    def last_offset_of(self, device):
        """The last message with a decoded event of the device, or the last control if that is later."""
        clock = self.clocks.get(device)
        if clock is None:
            return None
        return max(o for o in (clock.last_offset, self.last_control_offset) if o is not None)

    def end_tick(self):
        """6: "names no offset, always counts, and moves W to the latest open window's end"."""
        self.drop_held()
        for device, clock in self.clocks.items():
            ends = [w.end for w in self.windows.values() if w.device == device and not w.closed]
            if ends:
                clock.advance_to(max(ends))
        self.close_windows()
        self.settle(self.clocks)

    # -- time

    def time(self, highest):
        """7: "drops every watermark to T - out_of_orderness; it is the only way in which W falls"."""
        limit = highest - self.app.out_of_orderness
        if self.highest is not None:
            self.highest = min(self.highest, highest)
        for device, clock in self.clocks.items():
            if clock.highest is not None:
                clock.highest = min(clock.highest, highest)
            if clock.watermark is not None and clock.watermark > limit:
                clock.watermark = limit
                self.forget_cooldowns(lambda trigger, cooldown, of_device: of_device == device)
            self.older_versions_fall(device, highest)
            for version in self.old + [self.version]:
                self.reaches_fall(version, device, limit)
        for version in self.old + [self.version]:
            for reach in version.on_all.values():
                reach.ended, reach.begin = min(reach.ended, limit), min(reach.begin, limit)
        self.settle(self.clocks)

    def older_versions_fall(self, device, highest):
        """An older version keeps the windows that start up to T; the rest is of a time that never was."""
        for version in self.old:
            for stream in version.app.streams:
                here = [w for w in self.windows_of(version, stream.name) if w.device == device]
                version.reach(stream.name, device).until = max((w.end for w in here if w.start <= highest),
                                                               default=ALWAYS)
                self.forget_windows([w for w in here if w.start > highest])

    def reaches_fall(self, version, device, limit):
        """What versions set falls as W does, but not below what older versions still have."""
        for stream in version.app.streams:
            reach = version.reach(stream.name, device)
            reach.ended = min(reach.ended, limit)
            if reach.begin > limit:
                older = [v.reach(stream.name, device).until for v in self.old
                         if v is not version and v.number < version.number and v.app.stream(stream.name)]
                reach.begin = min(reach.begin, max([limit] + older))

    def forget_cooldowns(self, which):
        self.cooldowns = {memory: end for memory, end in self.cooldowns.items()
                          if not which(memory[0], memory[1], memory[3])}

    # -- rewinds

    def rewind(self, generation):
        """Of this generation, it takes the next number; of another it does nothing."""
        if generation == self.generation:
            self.number += 1
            self.out.append({'kind': 'rewound', 'number': self.number})

    # -- versions

    def new_version(self, body):
        """12: "a later version takes effect at its control message (one not above the present is ignored)"."""
        version = self.int_in(body, 'version')
        if version <= self.version.number:
            return
        text = body.get('app')
        if not isinstance(text, str) or isinstance(text, values.Number):
            raise BadControl('app')
        try:
            new = load_app(text)
        except AppError as e:
            raise BadControl(str(e)) from None
        if new.tenant != self.app.tenant:
            raise BadControl('tenant')
        self.drop_held()
        if not self.same_devices(new):
            self.end_all(new)
        going_on = {s.name for s in self.app.streams if new.stream(s.name) == s}
        self.make_room(going_on)
        self.take_app(Version(version, new), going_on)
        self.begin_only_clock()
        for clock in self.clocks.values():
            if clock.highest is not None:
                clock.advance_to(clock.highest - self.app.out_of_orderness)
        self.close_windows()
        self.settle(self.clocks)

    def same_devices(self, new):
        old = {f.name: f for f in self.app.fields}
        fields = {f.name: f for f in new.fields}
        return (new.watermark_per == self.app.watermark_per
                and all(old[name] == fields[name] for name in new.watermark_per))

    def replaced(self, going_on):
        """Windows of the version in force that will be an older version's."""
        return [w for w in self.windows.values() if w.version is self.version and w.stream not in going_on]

    def make_room(self, going_on):
        """At most 16 older versions are kept: the oldest one ends, its open windows are published at once."""
        if len(self.old) == OLD_VERSIONS and self.replaced(going_on):
            windows = [w for w in self.windows.values() if w.version is self.old[0]]
            self.close([w for w in windows if not w.closed])
            self.forget_windows(windows)
            self.forget_versions()

    def take_app(self, new, going_on):
        """Streams unchanged go on with their windows; of the others the old version keeps them."""
        old, replaced = self.version, self.replaced(going_on)
        for stream in old.app.streams:
            for device in self.clocks:
                reach = old.reach(stream.name, device)
                if stream.name in going_on:
                    new.reaches[stream.name, device] = Reach(reach.ended, reach.begin)
                else:
                    reach.until = max((w.end for w in replaced if (w.stream, w.device) == (stream.name, device)),
                                      default=ALWAYS)
        old.in_force = False
        self.version = new
        if replaced:
            self.old.append(old)
        for stream in new.app.streams:
            if stream.name in old.on_all:
                new.on_all[stream.name] = Reach(**vars(old.on_all[stream.name]))
            if stream.name not in going_on:
                self.begin_stream(new, stream.name, old)
        self.move_windows(old, new, going_on)
        self.stop_triggers()
        self.forget_producers()

    def begin_stream(self, new, name, before):
        """It opens windows that have not ended, and start when no older version of the name has any more."""
        for device, clock in self.clocks.items():
            older = [v.reach(name, device).until for v in self.old if v.app.stream(name)]
            older += [before.reach(name, device).begin] if before.app.stream(name) else []
            new.reaches[name, device] = Reach(ALWAYS if clock.watermark is None else clock.watermark,
                                              max(older, default=ALWAYS))

    def move_windows(self, old, new, going_on):
        names = {t.name for t in new.app.triggers}
        for place, window in list(self.windows.items()):
            if window.version is old and window.stream in going_on:
                del self.windows[place]
                window.version = new
                window.fired = {f for f in window.fired if f in names and self.trigger(f).on == window.stream}
                self.windows[(new.number,) + place[1:]] = window

    def trigger(self, name):
        return next(t for t in self.app.triggers if t.name == name)

    def stop_triggers(self):
        """Older versions' triggers go on while the app has one of that name and job."""
        present = {(t.name, t.run) for t in self.app.triggers}
        for version in self.old:
            version.stopped |= {t.name for t in version.app.triggers if (t.name, t.run) not in present}
        living = {(t.name, t.cooldown) for t in self.app.triggers}
        for version in self.old:
            streams = {w.stream for w in self.windows.values() if w.version is version}
            living |= {(t.name, t.cooldown) for t in version.app.triggers
                       if t.name not in version.stopped and t.on in streams}
        self.forget_cooldowns(lambda trigger, cooldown, device: (trigger, cooldown) not in living)

    def forget_versions(self):
        """They go when their last window is gone; a stream of theirs, too."""
        self.old = [v for v in self.old if any(w.version is v for w in self.windows.values())]
        for version in self.old:
            for stream in version.app.streams:
                if not self.windows_of(version, stream.name):
                    for device in self.clocks:
                        version.reach(stream.name, device).until = ALWAYS

    # -- other devices than before: no stream goes on

    def end_all(self, new):
        """What had ended for one of the devices, or was open, has ended for all."""
        self.close([w for w in self.windows.values() if not w.closed])
        reaches = {}
        for stream in self.app.streams:
            here = [self.version.reach(stream.name, d) for d in self.clocks]
            before = self.version.on_all.get(stream.name, Reach())
            reaches[stream.name] = Reach(
                max([before.ended] + [c.watermark for c in self.clocks.values() if c.watermark is not None]),
                max([before.begin] + [r.begin for r in here] +
                    [w.end for w in self.windows.values() if w.stream == stream.name]))
        self.version.on_all = reaches
        self.version.reaches = {}
        self.windows, self.old, self.cooldowns, self.clocks, self.idle = {}, [], {}, {}, OrderedDict()

    def begin_only_clock(self):
        if not self.app.watermark_per and self.highest is not None and not self.clocks:
            self.clocks[()] = Clock(self.highest)


def json_line(output):
    return json.dumps(output, ensure_ascii=False, separators=(',', ':'))
