"""Factor XI, logs: `docs/logs.md` agrees with the format that the tests check.

Seen failing: with a field renamed in the page's table, and with a comma removed from its example.
"""

import tomllib

from tests.system.twelve_factor import logs_page
from tests.system.twelve_factor.ecs_schema import TYPES, read, violations


def test_the_page_lists_every_field_and_its_type() -> None:
    assert logs_page.table() == TYPES


def test_the_example_line_is_a_valid_event() -> None:
    assert violations(read(logs_page.block("json", "@timestamp"))) == []


def test_the_configuration_of_vector_is_valid_toml_and_consistent() -> None:
    config = tomllib.loads(logs_page.block("toml", "heroku_logs"))
    assert set(config["sinks"]["logstash"]["inputs"]) == set(config["sources"])
