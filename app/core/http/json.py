"""JSON: the encoder of responses, problems and fingerprints, and a strict decoder of requests."""

import json
from base64 import b64encode
from datetime import timedelta
from decimal import Decimal
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface
from math import isinf
from typing import Any, NoReturn

import orjson

MAX_DEPTH = 200  # levels of lists and objects; orjson encodes 254
MAX_EXPONENT = 100  # of decimals that are written without one
INTEGERS = range(-(2**63), 2**64)  # those that orjson encodes


def dumps(value: Any) -> bytes:
    """Encode a value as JSON. Times in UTC end with Z."""
    return orjson.dumps(value, default=encode, option=orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS)


def encode(value: Any) -> Any:
    """Convert a value of a type that orjson does not know. It knows dates, times, UUIDs, enums and dataclasses.

    Raises:
        TypeError: The type is unknown.
    """
    match value:
        case Decimal():
            # A string: many clients parse JSON numbers as binary floats. Without an exponent, 1E+99999999 takes 100 MB.
            return format(value, "f") if abs(value.adjusted()) < MAX_EXPONENT else str(value)
        case timedelta():
            return value.total_seconds()
        case set() | frozenset():
            return sorted(value, key=repr)
        case bytes() | bytearray() | memoryview():
            return b64encode(value).decode()
        case IPv4Address() | IPv6Address() | IPv4Interface() | IPv6Interface():
            return str(value)
    raise TypeError  # orjson adds the name of the type


def loads(body: bytes) -> Any:
    """Decode JSON as RFC 8259 defines it, and refuse what parsers disagree on.

    Raises:
        ValueError: The body is not UTF-8 or not JSON, contains NaN, a lone surrogate or a repeated key, or a number
            that is beyond the range of a double, or an integer that orjson could not encode.
        RecursionError: The body is nested too deeply.
    """
    value = _DECODER.decode(body.decode())
    _check(value)
    return value


def _check(value: Any, depth: int = 0) -> None:
    """Refuse deep nesting, and lone surrogates: `str.encode` raises an error for them."""
    if depth > MAX_DEPTH:
        raise RecursionError
    if isinstance(value, str):
        value.encode()
    elif isinstance(value, list):
        for item in value:
            _check(item, depth + 1)
    elif isinstance(value, dict):
        for name, item in value.items():
            name.encode()
            _check(item, depth + 1)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    mapping = dict(pairs)
    if len(mapping) < len(pairs):
        raise ValueError("a key is repeated")
    return mapping


def _float(text: str) -> float:
    number = float(text)
    if isinf(number):
        raise ValueError("a number is too large")
    return number


def _int(text: str) -> int:
    number = int(text)
    if number not in INTEGERS:
        raise ValueError("an integer is too large")
    return number


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=_float, parse_int=_int, parse_constant=_refuse_constant
)
