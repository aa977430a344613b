"""Expressions: lexer, parser, type check, evaluation; and the aggregates.

Grammar:  or < and < not < comparison (not associative) < + - < * / % < unary minus < primary
Types:    'int' 'float' 'bool' 'string', and 'null' for the literal null (it goes with any).
Values:   int, float, bool, str, None.
"""
import math
import re
from dataclasses import dataclass, field
from fractions import Fraction

from values import INT_MAX, INT_MIN


class ExprError(ValueError):
    pass


# ---------------------------------------------------------------- tree

@dataclass
class Node:
    type: str = field(default=None, compare=False, init=False)    # set by check()


@dataclass
class Literal(Node):
    kind: str
    value: object


@dataclass
class Name(Node):
    name: str


@dataclass
class Unary(Node):          # '-' or 'not'
    op: str
    arg: Node


@dataclass
class Binary(Node):
    op: str
    left: Node
    right: Node


@dataclass
class In(Node):
    arg: Node
    items: list


@dataclass
class IsNull(Node):
    arg: Node
    negated: bool


@dataclass
class Call(Node):           # a function, or an aggregate
    name: str
    args: list


AGGREGATES = {'count', 'count_if', 'sum', 'min', 'max', 'avg', 'stddev', 'first', 'last', 'distinct'}
COMPARISONS = {'==', '!=', '<', '<=', '>', '>='}
WORDS = {'or', 'and', 'not', 'in', 'is', 'null', 'true', 'false'}


# ---------------------------------------------------------------- lexer

TOKEN = re.compile(r'''\s*(?:
    (?P<number>[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)
  | (?P<string>'[^']*'|"[^"]*")
  | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
  | (?P<op>==|!=|<=|>=|[<>+\-*/%()\[\],])
)''', re.VERBOSE)


def tokens(text):
    out, at = [], 0
    text = text.rstrip()
    while at < len(text):
        m = TOKEN.match(text, at)
        if not m:
            raise ExprError('cannot read %r' % text[at:])
        kind = m.lastgroup
        word = m.group(kind)
        out.append(('word' if kind == 'name' and word in WORDS else kind, word))
        at = m.end()
    out.append(('end', ''))
    return out


# ---------------------------------------------------------------- parser

class Parser:
    def __init__(self, text):
        self.tokens, self.at = tokens(text), 0

    def peek(self, *words):
        kind, word = self.tokens[self.at]
        return kind in ('op', 'word') and word in words

    def take(self):
        token = self.tokens[self.at]
        self.at += 1
        return token

    def accept(self, *words):
        return self.take()[1] if self.peek(*words) else None

    def expect(self, word):
        if not self.accept(word):
            raise ExprError('expected %r, found %r' % (word, self.tokens[self.at][1]))

    def whole(self):
        node = self.disjunction()
        if self.tokens[self.at][0] != 'end':
            raise ExprError('unexpected %r' % self.tokens[self.at][1])
        return node

    def disjunction(self):
        node = self.conjunction()
        while self.accept('or'):
            node = Binary('or', node, self.conjunction())
        return node

    def conjunction(self):
        node = self.negation()
        while self.accept('and'):
            node = Binary('and', node, self.negation())
        return node

    def negation(self):
        return Unary('not', self.negation()) if self.accept('not') else self.comparison()

    def comparison(self):
        node = self.sum()
        if self.peek(*COMPARISONS):
            op = self.take()[1]
            node = Binary(op, node, self.sum())
        elif self.accept('in'):
            node = In(node, self.literals())
        elif self.accept('is'):
            negated = bool(self.accept('not'))
            self.expect('null')
            node = IsNull(node, negated)
        return node                         # a second comparison is then an unexpected token

    def literals(self):
        self.expect('[')
        items = [self.signed_literal()]
        while self.accept(','):
            items.append(self.signed_literal())
        self.expect(']')
        return items

    def signed_literal(self):
        minus = self.accept('-')
        node = self.primary()
        if not isinstance(node, Literal) or node.kind == 'null':
            raise ExprError('a list holds literals')
        if minus:
            if node.kind not in ('int', 'float'):
                raise ExprError('minus wants a number')
            node = Literal(node.kind, -node.value)
        return node

    def sum(self):
        node = self.product()
        while self.peek('+', '-'):
            op = self.take()[1]
            node = Binary(op, node, self.product())
        return node

    def product(self):
        node = self.unary()
        while self.peek('*', '/', '%'):
            op = self.take()[1]
            node = Binary(op, node, self.unary())
        return node

    def unary(self):
        return Unary('-', self.unary()) if self.accept('-') else self.primary()

    def primary(self):
        kind, word = self.take()
        if kind == 'number':
            return self.number(word)
        if kind == 'string':
            return Literal('string', word[1:-1])
        if kind == 'word' and word in ('true', 'false'):
            return Literal('bool', word == 'true')
        if kind == 'word' and word == 'null':
            return Literal('null', None)
        if kind == 'op' and word == '(':
            node = self.disjunction()
            self.expect(')')
            return node
        if kind == 'name':
            return self.call(word) if self.accept('(') else Name(word)
        raise ExprError('unexpected %r' % word)

    @staticmethod
    def number(word):
        if re.fullmatch('[0-9]+', word):
            if int(word) > INT_MAX:
                raise ExprError('%s does not fit 64 bits' % word)
            return Literal('int', int(word))
        if not math.isfinite(float(word)):
            raise ExprError('%s is not finite' % word)
        return Literal('float', float(word))

    def call(self, name):
        args = []
        if not self.accept(')'):
            args.append(self.disjunction())
            while self.accept(','):
                args.append(self.disjunction())
            self.expect(')')
        return Call(name, args)


def parse(text):
    return Parser(text).whole()


# ---------------------------------------------------------------- walking

def children(node):
    if isinstance(node, (Unary, IsNull, In)):
        return [node.arg]
    if isinstance(node, Binary):
        return [node.left, node.right]
    if isinstance(node, Call):
        return node.args
    return []


def names_in(node):
    found = {node.name} if isinstance(node, Name) else set()
    return found.union(*(names_in(c) for c in children(node)))


def calls_in(node):
    found = {node.name} if isinstance(node, Call) else set()
    return found.union(*(calls_in(c) for c in children(node)))


# ---------------------------------------------------------------- types

NUMERIC = ('int', 'float', 'null')


def want(condition, message):
    if not condition:
        raise ExprError(message)


def common_number(types):
    """"int with float is float"."""
    if 'float' in types:
        return 'float'
    return 'int' if 'int' in types else 'null'


def alike(a, b):
    """May the two be compared? "mixing string with number is a type error"."""
    return a == 'null' or b == 'null' or a == b or (a in NUMERIC and b in NUMERIC)


def check(node, names, inside='event'):
    """Sets and returns the type. `inside`: 'event' (names are fields, no aggregates), or
    'select' (aggregates whose arguments are over the names; no bare names)."""
    node.type = type_of(node, names, inside)
    return node.type


def type_of(node, names, inside):
    if isinstance(node, Literal):
        return node.kind
    if isinstance(node, Name):
        want(node.name in names, 'unknown name %r' % node.name)
        want(inside == 'event', '%r outside of an aggregate' % node.name)
        return names[node.name]
    if isinstance(node, Call) and node.name in AGGREGATES:
        want(inside == 'select', 'no aggregate here')
        return aggregate_type(node.name, [check(a, names, 'event') for a in node.args])
    if isinstance(node, Call):
        return function_type(node.name, [check(a, names, inside) for a in node.args])
    types = [check(c, names, inside) for c in children(node)]
    if isinstance(node, Unary) and node.op == 'not':
        want(types[0] in ('bool', 'null'), 'not wants a bool')
        return 'bool'
    if isinstance(node, Unary):
        want(types[0] in NUMERIC, 'minus wants a number')
        return types[0]
    if isinstance(node, IsNull):
        return 'bool'
    if isinstance(node, In):
        want(all(alike(types[0], check(i, names, inside)) for i in node.items), 'in: mixed types')
        return 'bool'
    return binary_type(node.op, *types)


def binary_type(op, a, b):
    if op in ('and', 'or'):
        want(a in ('bool', 'null') and b in ('bool', 'null'), op + ' wants bools')
        return 'bool'
    if op in COMPARISONS:
        want(alike(a, b), 'cannot compare %s with %s' % (a, b))
        want(op in ('==', '!=') or 'bool' not in (a, b), 'bools have no order')
        return 'bool'
    want(a in NUMERIC and b in NUMERIC, op + ' wants numbers')
    return 'float' if op == '/' else common_number((a, b))


def function_type(name, types):
    number = len(types) == 1 and types[0] in NUMERIC
    strings = all(t in ('string', 'null') for t in types)
    if name in ('abs', 'floor', 'ceil', 'round'):
        want(number, name + ' wants one number')
        return types[0]
    if name == 'length':
        want(len(types) == 1 and strings, 'length wants one string')
        return 'int'
    if name in ('lower', 'upper'):
        want(len(types) == 1 and strings, name + ' wants one string')
        return 'string'
    if name in ('starts_with', 'ends_with', 'contains'):
        want(len(types) == 2 and strings, name + ' wants two strings')
        return 'bool'
    if name == 'coalesce':
        want(types and all(alike(a, b) for a in types for b in types), 'coalesce wants one type')
        others = [t for t in types if t != 'null']
        if others and others[0] in NUMERIC:
            return common_number(others)
        return others[0] if others else 'null'
    raise ExprError('unknown function %r' % name)


def aggregate_type(name, types):
    if name == 'count':
        want(len(types) <= 1, 'count takes at most one argument')
        return 'int'
    want(len(types) == 1, name + ' takes one argument')
    t = types[0]
    if name == 'count_if':
        want(t in ('bool', 'null'), 'count_if wants a bool')
    elif name in ('sum', 'avg', 'stddev'):
        want(t in ('int', 'float'), name + ' wants a number')
    elif name in ('min', 'max'):
        want(t in ('int', 'float', 'string'), name + ' wants a number or a string')
    if name in ('count_if', 'distinct'):
        return 'int'
    return 'float' if name in ('avg', 'stddev') else t


# ---------------------------------------------------------------- evaluation

def fit(value):
    """"Overflow of int ... and a result that is not finite give null"."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if INT_MIN <= value <= INT_MAX else None


def evaluate(node, env, aggregate=None):
    """`env`: name -> value. `aggregate`: gives the value of an aggregate's Call node."""
    def value_of(child):
        return evaluate(child, env, aggregate)

    if isinstance(node, Literal):
        return node.value
    if isinstance(node, Name):
        return env[node.name]
    if isinstance(node, Call) and node.name in AGGREGATES:
        return aggregate(node)
    if isinstance(node, Call):
        return function(node, [value_of(a) for a in node.args])
    if isinstance(node, IsNull):
        return (value_of(node.arg) is None) != node.negated
    if isinstance(node, In):
        value = value_of(node.arg)
        return any(compare('==', value, value_of(item)) for item in node.items)
    if isinstance(node, Unary):
        value = value_of(node.arg)
        if node.op == 'not':
            return not truth(value)
        return None if value is None else fit(-value)
    left, right = value_of(node.left), value_of(node.right)
    if node.op == 'and':
        return truth(left) and truth(right)
    if node.op == 'or':
        return truth(left) or truth(right)
    if node.op in COMPARISONS:
        return compare(node.op, left, right)
    return arithmetic(node.op, left, right)


def truth(value):
    """"and, or, not take bools, null counts as false"."""
    return value is True


def same_kind(a, b):
    """"int with float is float"; "strings compare by bytes"."""
    if isinstance(a, str):
        return a.encode(), b.encode()
    if isinstance(a, float) or isinstance(b, float):
        return float(a), float(b)
    return a, b


def compare(op, a, b):
    """"null ... in a comparison false"."""
    if a is None or b is None:
        return False
    a, b = same_kind(a, b)
    return {'==': a == b, '!=': a != b, '<': a < b, '<=': a <= b, '>': a > b, '>=': a >= b}[op]


def arithmetic(op, a, b):
    """"null in arithmetic gives null"."""
    if a is None or b is None:
        return None
    if op == '/':                                   # "`/` is always float"
        return None if b == 0 else fit(float(a) / float(b))
    a, b = same_kind(a, b)
    if op == '%':                                   # "`%` takes the sign of the dividend"
        if b == 0:
            return None
        if isinstance(a, float):
            return fit(math.fmod(a, b))
        rest = abs(a) % abs(b)
        return -rest if a < 0 else rest
    return fit(a + b if op == '+' else a - b if op == '-' else a * b)


def round_half_away(x):
    whole = float(math.trunc(x))
    return whole + math.copysign(1.0, x) if abs(x - whole) >= 0.5 else whole


def ascii_case(text, upper):
    return ''.join((c.upper() if upper else c.lower()) if c.isascii() else c for c in text)


def function(node, args):
    name = node.name
    if name == 'coalesce':
        value = next((a for a in args if a is not None), None)
        return float(value) if node.type == 'float' and value is not None else value
    if any(a is None for a in args):
        return None
    a = args[0]
    if name == 'abs':
        return fit(abs(a))
    if name in ('floor', 'ceil', 'round'):
        if isinstance(a, int):
            return a
        return {'floor': lambda x: float(math.floor(x)), 'ceil': lambda x: float(math.ceil(x)),
                'round': round_half_away}[name](a)
    if name == 'length':
        return len(a)
    if name in ('lower', 'upper'):
        return ascii_case(a, name == 'upper')
    return {'starts_with': a.startswith, 'ends_with': a.endswith,
            'contains': a.__contains__}[name](args[1])


# ---------------------------------------------------------------- aggregates

def aggregate_value(node, events, distinct_limit):
    """One aggregate over the events (name -> value) of a window, in log order."""
    if node.name == 'count' and not node.args:
        return len(events)
    every = [evaluate(node.args[0], e) for e in events]
    if node.name == 'count_if':
        return sum(1 for v in every if v is True)
    values = [v for v in every if v is not None]
    if node.name == 'count':
        return len(values)
    if node.name == 'sum':
        return total(values)
    if node.name == 'distinct':
        return min(len(set(values)), distinct_limit)
    if not values:
        return None
    if node.name == 'first':
        return values[0]
    if node.name == 'last':
        return values[-1]
    if node.name in ('min', 'max'):
        best = min if node.name == 'min' else max
        return best(values, key=lambda v: v.encode() if isinstance(v, str) else v)
    if node.name == 'avg':
        return fit_fraction(mean(values))
    return stddev(values)


def total(values):
    """"int stays int (overflow: null), else float": overflow is judged of the exact total."""
    if all(isinstance(v, int) for v in values):
        return fit(sum(values))
    return fit_fraction(sum(Fraction(v) for v in values))


def mean(values):
    return sum(Fraction(v) for v in values) / len(values)


def stddev(values):
    """"of the population", in two passes, exactly but for the last root."""
    middle = mean(values)
    variance = sum((Fraction(v) - middle)**2 for v in values) / len(values)
    try:
        return math.sqrt(float(variance))
    except OverflowError:
        return None


def fit_fraction(x):
    try:
        return float(x)
    except OverflowError:
        return None
