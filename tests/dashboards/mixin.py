"""Prints what a mixin consists of as JSON, hidden fields included. Usage: mixin.py FILE"""
import sys

import rjsonnet

PARTS = ("grafanaDashboards", "prometheusRules", "prometheusAlerts")
# Added to another one, as mixins are used: its own groups stay.
code = f"local all = {{ prometheusRules+:: {{ groups+: [] }} }} + (import '{sys.argv[1]}');\n"
code += "{ " + ", ".join(f"{part}: all.{part}" for part in PARTS) + " }"
print(rjsonnet.evaluate_snippet("all.jsonnet", code))
