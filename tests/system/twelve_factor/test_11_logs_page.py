"""Factor XI, logs: the page says what the tests know.

Seen failing: a field renamed in the page's table, and a comma taken out of its example.
"""

import tomllib

from tests.system.twelve_factor import page
from tests.system.twelve_factor.ecs import TYPES, faults, read


def test_the_page_lists_every_field_with_its_type() -> None:
    assert page.table() == TYPES


def test_the_line_that_the_page_shows_is_a_valid_event() -> None:
    assert faults(read(page.block("json", "@timestamp"))) == []


def test_the_configuration_of_vector_is_toml_and_names_its_own_parts() -> None:
    config = tomllib.loads(page.block("toml", "heroku_logs"))
    assert set(config["sinks"]["logstash"]["inputs"]) == set(config["sources"])
