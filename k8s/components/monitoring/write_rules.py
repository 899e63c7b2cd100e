"""Write prometheus-rule.yaml: the groups of infra/prometheus/rules as the PrometheusRule that prometheus-operator reads.

Run it after a change of the rules: .venv/bin/python k8s/components/monitoring/write_rules.py. A test holds the two together.
"""

from pathlib import Path

import yaml

RULES = Path(__file__).parents[3] / "infra" / "prometheus" / "rules"
WRITTEN = Path(__file__).with_name("prometheus-rule.yaml")
HEAD = "# Made from infra/prometheus/rules by write_rules.py; edit those.\n"


class Dumper(yaml.SafeDumper):
    """Lists indented under their key, and text of several lines as a block."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


Dumper.add_representer(str, _text)


def prometheus_rule() -> str:
    """The manifest's text, made from the rule files in the order of their names."""
    groups = [group for path in sorted(RULES.glob("*.yaml")) for group in yaml.safe_load(path.read_text())["groups"]]
    manifest = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "event-tracker", "annotations": {"argocd.argoproj.io/sync-wave": "1"}},
        "spec": {"groups": groups},
    }
    return HEAD + yaml.dump(manifest, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=10_000)


if __name__ == "__main__":
    WRITTEN.write_text(prometheus_rule())
