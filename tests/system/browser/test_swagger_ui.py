"""The pages in a real browser: a new user can log in at `/docs` and try the API. No other host is contacted."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service as ChromeDriver
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.expected_conditions import element_to_be_clickable, visibility_of_element_located
from selenium.webdriver.support.wait import WebDriverWait

from tests.support.factories import PASSWORD
from tests.support.services import skip_or_fail
from tests.system.harness.deploy import Deploy
from tests.system.harness.process import Service

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
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A web process with one user."""
    folder = tmp_path_factory.mktemp("web")
    urls = (f"sqlite:///{folder}/app.db", f"sqla+sqlite:///{folder}/broker.db")
    with Deploy(*urls, folder) as deploy:
        web = deploy.web()
        web.sign_up("ada@example.org")
        yield web


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Chrome]:
    """A browser with a new profile."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not chromium or not driver:
        skip_or_fail("chromium and chromedriver are not both on the PATH")
    options = ChromeOptions()
    options.binary_location = chromium or ""
    for flag in (*FLAGS, f"--user-data-dir={tmp_path}/profile"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    browser = Chrome(options=options, service=ChromeDriver(driver))
    try:
        yield browser
    finally:
        browser.quit()


def find(browser: Chrome, selector: str) -> WebElement:
    """Wait until the element of a selector is visible."""
    return WebDriverWait(browser, 120).until(visibility_of_element_located((By.CSS_SELECTOR, selector)))


def press(browser: Chrome, selector: str) -> None:
    """Wait until a button is enabled, and press it."""
    WebDriverWait(browser, 120).until(element_to_be_clickable((By.CSS_SELECTOR, selector))).click()


def contacted_hosts(browser: Chrome) -> set[str]:
    """The hosts of the page's requests."""
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    sent = [each["params"]["request"]["url"] for each in messages if each["method"] == "Network.requestWillBeSent"]
    return {urlsplit(url).netloc for url in sent if urlsplit(url).scheme not in ("chrome", "data", "blob")}


def console_errors(browser: Chrome) -> list[str]:
    """The errors in the browser's console."""
    return [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]


def test_a_user_logs_in_at_docs_and_reads_the_account(web: Service, browser: Chrome, tmp_path: Path) -> None:
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

    assert contacted_hosts(browser) == {f"127.0.0.1:{web.port}"}
    assert console_errors(browser) == []


def test_the_landing_page_leads_to_the_documentation(web: Service, browser: Chrome, tmp_path: Path) -> None:
    browser.get(web.url)
    assert find(browser, "h1").text == "It runs."
    browser.save_screenshot(str(tmp_path / "landing.png"))
    assert console_errors(browser) == []
    press(browser, "a[href^='/docs']")
    assert find(browser, ".info .title").text.startswith("Barah")
    assert contacted_hosts(browser) == {f"127.0.0.1:{web.port}"}
