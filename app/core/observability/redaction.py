"""Masks secrets in log output."""

import re
from typing import Any

REDACTIONS = (
    (re.compile(r"(://[^\s:/@]*:)[^\s/?#]+@"), r"\1***@"),  # the password of a URL
    (re.compile(r"(?<![\w-])eyJ[\w-]+\.[\w-]+\.[\w-]*"), "***"),  # a JSON Web Token
    (re.compile(r"\$argon2\w*\$[^\s\"']+"), "***"),  # a password hash
    (re.compile(r"(?m)(\bDETAIL: +|Duplicate entry ').+?(?=' for key|$)"), r"\1***"),  # rows quoted by a database
    (
        re.compile(r"(?m)((?:[Ii]ncorrect|[Ii]nvalid) [^:'\"\n]{1,60}: |to use near )['\"].*['\"]"),
        r"\1***",
    ),  # its values
    (re.compile(r"(?i)(authorization\W{1,6}(?:basic |bearer )?)[^\s\"'\\,]+"), r"\1***"),
    (
        re.compile(
            r"""(?ix) ( (?:password|passwd|secret|token|api[_-]?key) (?:[_-]\w{1,40})? \\?["']? \s*[=:]\s* \\?["']? )
            (?: (?<=\\") (?:(?!\\").)+ | (?<=") (?:\\.|[^"\\])+ | (?<=') (?:\\.|[^'\\])+ | [^\s"'\\,;&}]+ )"""
        ),
        r"\1***",
    ),
)


def redact(text: str) -> str:
    """Mask everything that looks like a password or a token."""
    for pattern, replacement in REDACTIONS:
        text = pattern.sub(replacement, text)
    return text


def redact_fields(value: Any) -> Any:
    """Mask secrets in every string of a nested dict."""
    if isinstance(value, dict):
        return {name: redact_fields(field) for name, field in value.items()}
    return redact(value) if isinstance(value, str) else value
