"""Plain values: numbers as they are written, times, durations, keys and their hash.

Rules quoted are those of the design page; decisions are those of DECISIONS.md.
"""
import json
import math
import re
import sys

sys.set_int_max_str_digits(0)          # a number may be as long as an event

INT_MIN, INT_MAX = -2**63, 2**63 - 1
LAST_MS = 253402300799999              # 9999-12-31T23:59:59.999Z: "Times run from 1970 to 9999"


# ---------------------------------------------------------------- numbers

class Number(str):
    """A JSON number as it was written; its type is decided by the field that takes it."""


NUMBER = re.compile(r'(-?)(0|[1-9][0-9]*)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]+))?')


def is_number_text(text):
    return NUMBER.fullmatch(text) is not None


def number_parts(text):
    """sign, coefficient, exponent: the exact value is sign * coefficient * 10^exponent."""
    minus, whole, fraction, exponent = NUMBER.fullmatch(text).groups()
    fraction = fraction or ''
    digits = (whole + fraction).lstrip('0')
    stripped = digits.rstrip('0')
    if not stripped:
        return 1, 0, 0
    power = int(exponent or '0') - len(fraction) + len(digits) - len(stripped)
    return (-1 if minus else 1), int(stripped), power


def exact_int(text):
    """"int takes a number whose value is integral and fits 64 bits (121, 121.0, 1e3), without loss"."""
    sign, coefficient, power = number_parts(text)
    if power < 0 or power > 19:
        return None
    value = sign * coefficient * 10**power
    return value if INT_MIN <= value <= INT_MAX else None


def finite_float(text):
    """"float a finite number"."""
    value = float(text)
    return value if math.isfinite(value) else None


def floor_scaled(text, decimal_shift):
    """floor(value * 10^decimal_shift) of a number that is not negative; None if negative or huge."""
    sign, coefficient, power = number_parts(text)
    if sign < 0:
        return None
    power += decimal_shift
    if power > 20:
        return None
    if power >= 0:
        return coefficient * 10**power
    if -power > len(str(coefficient)):
        return 0
    return coefficient // 10**-power


# ---------------------------------------------------------------- calendar

def is_leap(year):
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def days_in_month(year, month):
    return [31, 29 if is_leap(year) else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1]


def days_before_year(year):
    """Days from 0000-01-01 to the first day of that year (proleptic Gregorian)."""
    past = year - 1
    return 0 if year <= 0 else 366 + past * 365 + past // 4 - past // 100 + past // 400


EPOCH_DAYS = days_before_year(1970)


def ms_from_civil(year, month, day, hour, minute, second, ms=0):
    """Unix ms, or None: "calendar dates must exist" (and no 24:00, no second 60)."""
    if not (1 <= month <= 12 and 1 <= day <= days_in_month(year, month)):
        return None
    if hour > 23 or minute > 59 or second > 59:
        return None
    days = days_before_year(year) - EPOCH_DAYS
    days += sum(days_in_month(year, m) for m in range(1, month)) + day - 1
    return ((days * 24 + hour) * 60 + minute) * 60000 + second * 1000 + ms


def format_time(ms):
    """RFC 3339 in UTC; `.mmm` only if the milliseconds are not 0."""
    days, rest = divmod(ms, 86400000)
    days += EPOCH_DAYS
    year = days * 400 // 146097 + 1
    while days_before_year(year) > days:
        year -= 1
    day, month = days - days_before_year(year), 1
    while day >= days_in_month(year, month):
        day -= days_in_month(year, month)
        month += 1
    seconds, ms = divmod(rest, 1000)
    text = '%04d-%02d-%02dT%02d:%02d:%02d' % (
        year, month, day + 1, seconds // 3600, seconds // 60 % 60, seconds % 60)
    return text + ('.%03d' % ms if ms else '') + 'Z'


# ---------------------------------------------------------------- reading times

RFC3339 = re.compile(r'([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt]([0-9]{2}):([0-9]{2}):([0-9]{2})'
                     r'(?:\.([0-9]+))?(?:[Zz]|([+-])([0-9]{2}):([0-9]{2}))')

PATTERN_PARTS = {
    'Y': r'(?P<Y>[0-9]{4})', 'm': r'(?P<m>[0-9]{1,2})', 'd': r'(?P<d>[0-9]{1,2})',
    'H': r'(?P<H>[0-9]{1,2})', 'M': r'(?P<M>[0-9]{1,2})', 'S': r'(?P<S>[0-9]{1,2})',
    'f': r'(?P<f>[0-9]{1,9})', 'z': r'(?P<z>[Zz]|[+-][0-9]{2}:?[0-9]{2})', '%': '%',
}


def pattern_regex(pattern):
    """The strptime-like pattern as a regular expression; ValueError if it is wrong."""
    out, i = '', 0
    while i < len(pattern):
        if pattern[i] == '%':
            if i + 1 >= len(pattern) or pattern[i + 1] not in PATTERN_PARTS:
                raise ValueError('unknown part in time format: ' + pattern[i:i + 2])
            out += PATTERN_PARTS[pattern[i + 1]]
            i += 2
        else:
            out += re.escape(pattern[i])
            i += 1
    return re.compile(out, re.DOTALL)


def fraction_ms(digits):
    """Milliseconds of a decimal fraction; what is beyond them is cut off."""
    return int(((digits or '') + '000')[:3])


def offset_ms(sign, hours, minutes):
    if int(hours) > 23 or int(minutes) > 59:
        return None
    return (int(hours) * 60 + int(minutes)) * 60000 * (-1 if sign == '-' else 1)


def parse_rfc3339(text):
    m = RFC3339.fullmatch(text)
    if not m:
        return None
    local = ms_from_civil(*(int(x) for x in m.group(1, 2, 3, 4, 5, 6)), fraction_ms(m.group(7)))
    east = offset_ms(m.group(8), m.group(9), m.group(10)) if m.group(8) else 0
    return None if local is None or east is None else local - east


def parse_pattern(regex, text):
    """"A pattern must match the whole text, calendar dates must exist"."""
    m = regex.fullmatch(text)
    if not m:
        return None
    got = m.groupdict()
    local = ms_from_civil(int(got['Y']), int(got.get('m') or 1), int(got.get('d') or 1),
                          int(got.get('H') or 0), int(got.get('M') or 0), int(got.get('S') or 0),
                          fraction_ms(got.get('f')))
    zone, east = got.get('z') or 'Z', 0
    if zone not in 'Zz':
        east = offset_ms(zone[0], zone[1:3], zone[-2:])
    return None if local is None or east is None else local - east


def in_range(ms):
    return ms if ms is not None and 0 <= ms <= LAST_MS else None


# ---------------------------------------------------------------- durations

UNITS = {'ms': 1, 's': 1000, 'm': 60000, 'h': 3600000, 'd': 86400000, 'w': 604800000}


def parse_duration(text):
    m = re.fullmatch(r'(?:[0-9]+(?:ms|[smhdw]))+', text)
    if not m:
        raise ValueError('not a duration: %r' % text)
    return sum(int(n) * UNITS[u] for n, u in re.findall(r'([0-9]+)(ms|[smhdw])', text))


# ---------------------------------------------------------------- keys

def key_text(key):
    """The JSON array of the key's values without spaces; non-ASCII as it is."""
    return json.dumps(list(key), ensure_ascii=False, separators=(',', ':'))


def key_hash(key):
    """FNV-1a 128 bit of the key text, 32 hex digits."""
    h = 0x6c62272e07bb014262b821756295c58d
    for byte in key_text(key).encode():
        h = (h ^ byte) * 0x0000000001000000000000000000013B % 2**128
    return '%032x' % h


def order_of_value(value):
    """"numbers by value, strings by bytes, false before true"; null before all."""
    if value is None:
        return (0,)
    return (1, value.encode() if isinstance(value, str) else value)


def order_of_key(key):
    return [order_of_value(v) for v in key]
