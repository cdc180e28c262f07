"""The pages, in a real browser: whoever comes new can log in at `/docs` and try the API, without any other host."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.expected_conditions import element_to_be_clickable, visibility_of_element_located
from selenium.webdriver.support.wait import WebDriverWait

from tests.support.clients import PASSWORD
from tests.support.environment import service_variables
from tests.support.services import skip_or_fail
from tests.system.formation import Program, Web

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1280,1600",
)


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """A web process with one user, Ada."""
    folder = tmp_path_factory.mktemp("web")
    urls = (f"sqlite:///{folder}/app.db", f"sqla+sqlite:///{folder}/broker.db")
    with Program(["flask", "db", "upgrade"], folder, service_variables(*urls)) as migration:
        assert migration.wait() == 0, migration.log()
    with Web(*urls, folder) as web:
        web.user("ada@example.org")
        yield web


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Chrome]:
    """A browser without a past."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not chromium or not driver:
        skip_or_fail("chromium and chromedriver are not both on the PATH")
    options = ChromeOptions()
    options.binary_location = chromium or ""
    for flag in (*FLAGS, f"--user-data-dir={tmp_path}/profile"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    browser = Chrome(options=options, service=Service(driver))
    try:
        yield browser
    finally:
        browser.quit()


def find(browser: Chrome, selector: str) -> WebElement:
    """The element that a selector finds, once it can be seen."""
    return WebDriverWait(browser, 20).until(visibility_of_element_located((By.CSS_SELECTOR, selector)))


def press(browser: Chrome, selector: str) -> None:
    """Press a button, once it can be pressed."""
    WebDriverWait(browser, 20).until(element_to_be_clickable((By.CSS_SELECTOR, selector))).click()


def hosts_asked(browser: Chrome) -> set[str]:
    """The hosts that the page's requests went to; the browser's own pages are none."""
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    sent = [each["params"]["request"]["url"] for each in messages if each["method"] == "Network.requestWillBeSent"]
    return {urlsplit(url).netloc for url in sent if urlsplit(url).scheme not in ("chrome", "data", "blob")}


def complaints(browser: Chrome) -> list[str]:
    """What the browser's console reports as errors."""
    return [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]


def test_whoever_comes_new_logs_in_at_docs_and_reads_their_account(web: Web, browser: Chrome, tmp_path: Path) -> None:
    browser.get(f"{web.url}/docs")
    assert find(browser, ".info .title").text.startswith("Barah")
    browser.save_screenshot(str(tmp_path / "docs.png"))

    press(browser, ".auth-wrapper .authorize")
    browser.save_screenshot(str(tmp_path / "authorize.png"))
    find(browser, "#oauth_username").send_keys("ada@example.org")
    find(browser, "#oauth_password").send_keys(PASSWORD)
    press(browser, ".auth-container:has(#oauth_username) .authorize")
    find(browser, ".auth-container:has(.auth-btn-wrapper .btn-done) h6")
    press(browser, ".auth-container .btn-done")

    operation = "#operations-users-getMe"
    press(browser, f"{operation} .opblock-summary-control")
    press(browser, f"{operation} .try-out__btn")
    press(browser, f"{operation} .execute")
    answer = find(browser, f"{operation} .live-responses-table .response")
    browser.save_screenshot(str(tmp_path / "answer.png"))
    assert answer.find_element(By.CSS_SELECTOR, ".response-col_status").text.startswith("200")
    assert '"email": "ada@example.org"' in answer.text

    assert hosts_asked(browser) == {f"127.0.0.1:{web.port}"}
    assert complaints(browser) == []


def test_the_landing_page_leads_to_the_documentation(web: Web, browser: Chrome, tmp_path: Path) -> None:
    browser.get(web.url)
    assert find(browser, "h1").text == "It runs."
    browser.save_screenshot(str(tmp_path / "landing.png"))
    assert complaints(browser) == []
    press(browser, "a[href^='/docs']")
    assert find(browser, ".info .title").text.startswith("Barah")
    assert hosts_asked(browser) == {f"127.0.0.1:{web.port}"}
