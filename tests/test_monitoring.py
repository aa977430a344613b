"""Alert rules and dashboard name only metrics that are exported, and each alert has its runbook."""
import json
import os
import re
import unittest

import yaml

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
NAME = re.compile(r'\bbelltower_[a-z0-9_]+')


def read(path):
    with open(os.path.join(ROOT, path), encoding='utf-8') as f:
        return f.read()


def exported():
    """As the docs list them, which tests hold to what is exported (docs_metrics, e2e_metrics)."""
    names = set()
    for name, kind in re.findall(r'^\| `(belltower_[a-z0-9_]+)` \| (\w+) \|', read('docs/metrics.md'), re.M):
        names.update(name + end for end in (('_bucket', '_sum', '_count') if kind == 'histogram' else ('',)))
    return names


def alerts():
    return [rule for group in yaml.safe_load(read('packaging/prometheus/belltower.rules.yml'))['groups'] for rule in group['rules']]


def expressions_of_dashboard(node):
    if isinstance(node, dict):
        if 'expr' in node:
            yield node['expr']
        for value in node.values():
            yield from expressions_of_dashboard(value)
    elif isinstance(node, list):
        for value in node:
            yield from expressions_of_dashboard(value)


class Monitoring(unittest.TestCase):
    def assert_exported(self, expression):
        names = NAME.findall(re.sub(r'"[^"]*"', '', expression))
        self.assertTrue(names or expression.startswith('up{'), expression)
        self.assertEqual([], [n for n in names if n not in exported()], expression)
        self.assertEqual(expression.count('('), expression.count(')'), expression)

    def test_alerts_name_metrics_that_exist(self):
        self.assertGreater(len(alerts()), 5)
        for alert in alerts():
            self.assert_exported(alert['expr'])

    def test_every_alert_has_a_runbook_and_every_runbook_an_alert(self):
        sections = re.findall(r'^### (Belltower\w+)$', read('docs/operations.md'), re.M)
        self.assertEqual(sections, [alert['alert'] for alert in alerts()])
        for alert in alerts():
            self.assertEqual(alert['annotations']['runbook_url'],
                             'file:///usr/share/doc/belltower/operations.md#' + alert['alert'].lower())
            self.assertIn(alert['labels']['severity'], ('critical', 'warning'))
            self.assertTrue(alert['annotations']['summary'])

    def test_the_dashboard_names_metrics_that_exist(self):
        dashboard = json.loads(read('packaging/grafana/belltower.json'))
        expressions = list(expressions_of_dashboard(dashboard['panels']))
        self.assertGreaterEqual(len(expressions), len(dashboard['panels']))
        for expression in expressions:
            self.assert_exported(expression)
        for variable in dashboard['templating']['list']:
            for name in NAME.findall(json.dumps(variable['query'])):
                self.assertIn(name, exported())

    def test_counters_are_asked_for_their_rate(self):
        expressions = [a['expr'] for a in alerts()] + list(
            expressions_of_dashboard(json.loads(read('packaging/grafana/belltower.json'))))
        for expression in expressions:
            for found in re.finditer(r'belltower_[a-z0-9_]+_(total|bucket|count)\b(\{[^}]*\})?', expression):
                self.assertTrue(expression[found.end():].startswith('['), 'no range behind %s in %s' % (found.group(), expression))


if __name__ == '__main__':
    unittest.main()
