"""The site that ``make docs`` built, looked at as a reader does: in a browser, on two screens, light and dark."""

import json
import os
from pathlib import Path

import pytest

HTML = Path(__file__).resolve().parents[1] / "docs" / "_build" / "html"
WIDTHS = (1280, 390)
PAGES = [
    *("index", "start", "results", "gallery", "theory/repaired", "theory/counterexample", "tutorials/own_mixture"),
    *("reference/command_line", "reference/api", "reference/json"),
]
"""The widest of each kind; the slow test has them all."""
OUTSIDE = ("chrome:", "about:", "data:", "file:", "blob:")


@pytest.fixture(scope="module")
def site() -> Path:
    """The built site; ``.ci/run`` builds it first and insists."""
    if not (HTML / "index.html").is_file():
        if "REQUIRE_SITE" in os.environ:
            pytest.fail("docs/_build/html is missing; run make docs")
        pytest.skip("docs/_build/html is missing; run make docs")
    return HTML


def opened(browser, address: str, width: int, scheme: str) -> None:
    """Show a page on a screen of that width, in that colour scheme, and wait until its formulas are set."""
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    )
    browser.get(address)
    browser.set_script_timeout(60)
    browser.execute_async_script(
        "const done = arguments[arguments.length - 1];"
        "if (window.MathJax && MathJax.startup && MathJax.startup.promise) MathJax.startup.promise.then(() => done());"
        "else done();"
    )


def complaints(browser) -> list[str]:
    """What the console holds since the last look."""
    return [line["message"] for line in browser.get_log("browser") if line["level"] in ("SEVERE", "WARNING")]


def requests(browser) -> list[str]:
    """Addresses that the pages have asked for since the last look."""
    events = [json.loads(line["message"])["message"] for line in browser.get_log("performance")]
    return [each["params"]["request"]["url"] for each in events if each["method"] == "Network.requestWillBeSent"]


def look(browser, path: Path, width: int, scheme: str) -> None:
    """A page has no complaint, asks nothing of the network, and is no wider than the screen."""
    opened(browser, path.as_uri(), width, scheme)
    assert complaints(browser) == []
    asked = requests(browser)
    assert asked, "the log of requests is empty, so nothing was shown"
    assert not [url for url in asked if not url.startswith(OUTSIDE)]
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    broken = "return [...document.images].filter(i => i.complete && !i.naturalWidth).map(i => i.src)"
    assert browser.execute_script(broken) == []
    assert browser.execute_script("return [...document.querySelectorAll('mjx-merror')].map(e => e.title)") == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("page", PAGES)
def test_a_page_needs_nothing_else(browser, site, page, width, scheme):
    look(browser, site / f"{page}.html", width, scheme)


@pytest.mark.slow
@pytest.mark.parametrize("width", WIDTHS)
def test_every_page_needs_nothing_else(browser, site, width):
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 40
    for page in pages:
        look(browser, page, width, "light")


def test_formulas_are_set(browser, site):
    opened(browser, (site / "theory" / "repaired.html").as_uri(), 1280, "light")
    assert browser.execute_script("return document.querySelectorAll('mjx-container svg').length") > 30


def test_dark_is_dark_and_light_is_light(browser, site):
    grey = (
        "return getComputedStyle(document.body).backgroundColor.match(/\\d+/g).slice(0, 3).reduce((a, b) => a + +b, 0)"
    )
    shades = {}
    for scheme in ("light", "dark"):
        opened(browser, (site / "index.html").as_uri(), 1280, scheme)
        shades[scheme] = browser.execute_script(grey)
    assert shades["dark"] < 200 < 600 < shades["light"]


def test_search_finds_a_page(browser, site):
    browser.get(f"{(site / 'search.html').as_uri()}?q=counterexample")
    from selenium.webdriver.support.ui import WebDriverWait

    links = "return [...document.querySelectorAll('#search-results li a')].map(a => a.getAttribute('href'))"
    wanted = "theory/counterexample"  # results come one after the other: wait for this one
    assert WebDriverWait(browser, 20).until(lambda driver: any(wanted in link for link in driver.execute_script(links)))


def test_links_lead_somewhere(site):
    """Links between pages, anchors included; Sphinx has checked those that it made."""
    import re
    from urllib.parse import unquote

    broken = []
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        for target in set(re.findall(r'href="([^"#?]+)"', text)):
            if not re.match(r"[a-z]+:", target) and not (page.parent / unquote(target)).exists():
                broken.append((str(page.relative_to(site)), target))
    assert not broken
