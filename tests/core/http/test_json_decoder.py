"""The decoder of JSON bodies, and what the encoder makes of its results."""

import json
from typing import Any

import pytest

from app.core.http.json import MAX_DEPTH, dumps, loads

ACCEPTED = [
    b"{}",
    b' \t\r\n[1, -0.5e3, -9223372036854775808, 18446744073709551615, "a"] \n',
    b'{"a": {"a": {"b": [true, false, null]}}, "b": ""}',
    rb'"\u00e9\ud83d\ude00 \\ud800 \u0000"',
    '{"é": "😀"}'.encode(),
]
REFUSED = {
    "a byte order mark": b"\xef\xbb\xbf{}",
    "a lone surrogate": rb'"\ud800"',
    "a lone surrogate in a list": rb'[["a", "\udc00"]]',
    "a pair of surrogates in the wrong order": rb'"\ude00\ud83d"',
    "a lone surrogate in a nested key": rb'{"a": [{"\ud800": 1}]}',
    "an encoded surrogate": b'"\xed\xa0\x80"',
    "an infinite float": b"[1e309]",
    "an integer above 64 bits": b"[18446744073709551616]",
    "an integer below 64 bits": b"[-9223372036854775809]",
    "5,000 digits": b"[" + b"9" * 5_000 + b"]",
    "NaN": b"[NaN]",
    "a leading zero": b"[01]",
    "a leading plus": b"[+1]",
    "Unicode digits": "[\N{ARABIC-INDIC DIGIT ONE}]".encode(),
    "a trailing comma": b"[1,]",
    "a tab in a text": b'"\t"',
    "a repeated key with an escape": rb'{"a": 1, "\u0061": 2}',
}


@pytest.mark.parametrize("body", ACCEPTED)
def test_what_is_decoded_can_be_encoded(body: bytes) -> None:
    value: Any = loads(body)
    assert json.loads(dumps(value)) == value


def nested(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


@pytest.mark.parametrize("body", ACCEPTED)
def test_json_is_decoded(body: bytes) -> None:
    assert loads(body) == json.loads(body)


@pytest.mark.parametrize("body", REFUSED.values(), ids=REFUSED)
def test_ambiguous_json_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        loads(body)


@pytest.mark.parametrize("depth", [MAX_DEPTH + 2, 2_000, 100_000])
def test_deeply_nested_json_is_refused(depth: int) -> None:
    with pytest.raises(RecursionError):
        loads(nested(depth))


@pytest.mark.parametrize("body", [nested(MAX_DEPTH), b'{"a":' * MAX_DEPTH + b"1" + b"}" * MAX_DEPTH])
def test_the_deepest_json_that_is_decoded_can_be_encoded(body: bytes) -> None:
    value: Any = loads(body)
    assert json.loads(dumps({"items": [value]})) == {"items": [value]}
