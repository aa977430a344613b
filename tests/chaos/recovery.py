"""How long it took until all was well again, by kind of fault."""
import math


class Recoveries:
    def __init__(self):
        self.of = {}

    def add(self, fault, seconds):
        """seconds: of each tenant that it befell."""
        self.of.setdefault(fault, []).append(seconds)

    def faults(self):
        return sum(len(times) for times in self.of.values())

    def table(self):
        """Lines: fault, how often survived, median and p99 over tenants and times."""
        lines = ['%-18s %6s %9s %9s' % ('fault', 'times', 'median s', 'p99 s')]
        for fault, times in sorted(self.of.items()) + [('all', sum(self.of.values(), []))]:
            each = sorted(s for seconds in times for s in seconds)
            count = len(times)
            lines.append('%-18s %6d %9.2f %9.2f' % (fault, count, rank(each, 0.5), rank(each, 0.99)))
        return lines


def rank(ordered, share):
    """The nearest rank: a value that was measured."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else 0.0
