"""Reads a dashboard by the models that Grafana Labs generate from Grafana's own schemas (grafana-foundation-sdk), and prints a
JSON list of what is wrong: what the models do not know, and values of other types than theirs. Usage: grafana.py FILE"""
import enum
import json
import sys
import types
import typing

from grafana_foundation_sdk.cog import plugins
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard

wrong = []


def missing(ours, theirs, path):
    """What of ours did not survive: the models drop what they do not know."""
    if isinstance(ours, dict):
        for key, value in ours.items():
            if not isinstance(theirs, dict) or key not in theirs:
                # What is null or empty may be left out.
                if value not in (None, "", [], {}):
                    wrong.append(f"{path}.{key}: the model has no such field")
            else:
                missing(value, theirs[key], f"{path}.{key}")
    elif isinstance(ours, list):
        if not isinstance(theirs, list) or len(ours) != len(theirs):
            wrong.append(f"{path}: {len(ours)} items become {theirs!r}")
        else:
            for i, (a, b) in enumerate(zip(ours, theirs)):
                missing(a, b, f"{path}[{i}]")
    elif ours != theirs:
        wrong.append(f"{path}: {ours!r} becomes {theirs!r}")


def fits(value, hint):
    """Whether a value has the type that is written at its field."""
    origin = typing.get_origin(hint)
    if hint is typing.Any or hint is object:
        return True
    if origin in (typing.Union, types.UnionType):
        return any(fits(value, one) for one in typing.get_args(hint))
    if origin is typing.Literal:
        return value in typing.get_args(hint)
    if origin in (list, dict):
        return isinstance(value, origin)
    if hint is type(None):
        return value is None
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return value in [one.value for one in hint] and not isinstance(value, bool)
    if hint is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, hint) if isinstance(hint, type) and not hasattr(hint, "__protocol_attrs__") else True


def types_of(thing, path):
    """Goes through objects of the models."""
    if isinstance(thing, list):
        for i, one in enumerate(thing):
            types_of(one, f"{path}[{i}]")
    elif isinstance(thing, dict):
        for key, one in thing.items():
            types_of(one, f"{path}.{key}")
    elif hasattr(thing, "to_json") and not isinstance(thing, enum.Enum):
        hints = typing.get_type_hints(type(thing), vars(sys.modules[type(thing).__module__]))
        for name, value in vars(thing).items():
            if value is not None and name in hints and not fits(value, hints[name]):
                wrong.append(f"{path}.{name}: {value!r} is no {hints[name]}")
            types_of(value, f"{path}.{name}")


plugins.register_default_plugins()
with open(sys.argv[1], encoding="utf-8") as file:
    ours = json.load(file)
model = dashboard.Dashboard.from_json(ours)
missing(ours, json.loads(json.dumps(model, cls=JSONEncoder)), "dashboard")
types_of(model, "dashboard")
print(json.dumps(wrong))
