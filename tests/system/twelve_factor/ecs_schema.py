"""The format of log lines: the ECS logging specification, and the type of each field that Barah uses.

The required fields and their order are those of `spec/spec.json` of https://github.com/elastic/ecs-logging. The types
are those of `generated/ecs/ecs_flat.yml` of https://github.com/elastic/ecs.
"""

import json
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from ipaddress import ip_address
from itertools import pairwise
from typing import Any, NoReturn

Event = dict[str, Any]
FIRST = ("@timestamp", "log.level", "message")  # in this order, to be readable
AT_TOP = ("@timestamp", "log.level", "message", "ecs.version")  # required, with a dot in the name
TYPES = {
    "@timestamp": "date",
    "log.level": "keyword",
    "message": "match_only_text",
    "ecs.version": "keyword",
    "log.logger": "keyword",
    "service.name": "keyword",
    "service.version": "keyword",
    "process.pid": "long",
    "process.name": "keyword",
    "http.request.id": "keyword",
    "http.request.method": "keyword",
    "http.response.status_code": "long",
    "http.response.body.bytes": "long",
    "url.path": "wildcard",
    "event.duration": "long",  # nanoseconds
    "source.ip": "ip",
    "user_agent.original": "keyword",
    "labels.job_id": "keyword",  # labels are keywords, and not nested
    "error.type": "keyword",
    "error.message": "match_only_text",
    "error.stack_trace": "wildcard",
}


def is_text(value: Any) -> bool:
    """Whether it is a string that is not empty and can be encoded in UTF-8."""
    return isinstance(value, str) and value != "" and not re.search(r"[\ud800-\udfff]", value)


def is_long(value: Any) -> bool:
    """Whether it is a non-negative integer of 64 bits."""
    return type(value) is int and 0 <= value < 2**63


def is_date(value: Any) -> bool:
    """Whether it is an RFC 3339 time in UTC with milliseconds."""
    shape = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
    return re.fullmatch(shape, str(value)) is not None and datetime.fromisoformat(value).tzinfo is not None


def is_ip(value: Any) -> bool:
    """Whether it is an IP address without a zone, as Elasticsearch requires."""
    return str(value) == str(ip_address(value)) and "%" not in value


IS: dict[str, Callable[[Any], bool]] = {
    "date": is_date,
    "ip": is_ip,
    "keyword": is_text,
    "long": is_long,
    "match_only_text": is_text,
    "wildcard": is_text,
}


def read(line: str) -> Event:
    """Parse a line that must be one JSON object (RFC 8259) with unique names.

    Raises:
        ValueError: The line is something else.
    """

    def unique(pairs: list[tuple[str, Any]]) -> Event:
        if len(dict(pairs)) < len(pairs):
            raise ValueError(f"duplicate name: {line}")
        return dict(pairs)

    def refuse(constant: str) -> NoReturn:
        raise ValueError(f"{constant} is not JSON: {line}")

    event = json.loads(line, object_pairs_hook=unique, parse_constant=refuse)
    if not isinstance(event, dict):
        raise ValueError(f"not an object: {line}")  # noqa: TRY004
    return event


def fields(event: Event, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The full name and value of each field, nested or dotted, as Elasticsearch reads it."""
    for name, value in event.items():
        if isinstance(value, dict):
            yield from fields(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def violations(event: Event) -> list[str]:
    """How an event violates the specification."""
    found = [f"{name} is missing or nested" for name in AT_TOP if name not in event]
    if tuple(event)[: len(FIRST)] != FIRST:
        found.append(f"does not begin with {', '.join(FIRST)}")
    given = list(fields(event))
    names = sorted(name for name, _ in given)
    found += [f"{two} contradicts {one}" for one, two in pairwise(names) if two == one or two.startswith(f"{one}.")]
    found += [f"{name} is not in ECS or not in the table" for name in names if name not in TYPES]
    found += [f"{name} is not a {TYPES[name]}: {value!r}" for name, value in given if not _fits(name, value)]
    return found


def _fits(name: str, value: Any) -> bool:
    try:
        return name not in TYPES or IS[TYPES[name]](value)
    except ValueError:
        return False
