"""What a checkpoint a second costs with 100,000 open keys."""
import table

KEYS = 100000
RAW_ROW = 5 * 8  # two key fields, the window's start, a count, a maximum


def measure(lab):
    events = lab.count(600000)
    tenant = lab.tenant('many-keys', where=False, window='1h')
    # A key is new for most events at first; all have come after some hundred thousand events.
    tenant.fill(events, stations=KEYS // 10, datapoints=10, per_second=1000)
    with_them, without, bytes_per_key, keys = [], [], [], 0
    for _ in range(lab.runs):
        none = tenant.worker(events, checkpoint_interval='1h')
        read = tenant.worker(events, checkpoint_interval='1s')
        without.append(events / none['seconds'])
        with_them.append(events / read['seconds'])
        bytes_per_key.append(read['checkpoint_bytes'] / read['keys'])
        keys = read['keys']
    lab.remove(tenant)
    return [table.row('checkpoint a second, %s keys: rate' % format(keys, ','), with_them, 'events/s', without, 'no checkpoints', at_least=0.95),
            table.row('checkpoint: bytes per key', bytes_per_key, 'bytes', [RAW_ROW] * len(bytes_per_key), 'raw row of five numbers', at_most=1.3)]
