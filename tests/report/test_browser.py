"""The HTML report in a real Chromium: it works from disk, asks no network, runs nothing foreign."""

from __future__ import annotations

import importlib.util
import itertools
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sami_eval.report.comparison_page import comparison_page as page
from sami_eval.report.report_page import reproduction_page
from tests.browser import CHROMIUM, DRIVER, chromium
from tests.documents import comparison, document
from tests.evil import TEXTS, evil_run
from tests.report.test_html_report import small_run
from tests.report.test_passk_html import folder as passk_folder
from tests.report.test_reproduce_console import document as reproduction

if TYPE_CHECKING:
    from selenium.webdriver import Chrome
    from selenium.webdriver.remote.webelement import WebElement

pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="no Chromium here: apt-get install chromium chromium-driver"
)
__all__ = ["passk_folder"]
LIST = "#items button"
ANSWER = r"""Of $\sum_{i=1}^n i$, **so** $\nosuch{3}$:

$$\begin{aligned}
a &= b + c + d + e + f + g + h + i + j + k + l + m + n + o + p + q + r
\end{aligned}$$

| n | sum |
|---|-----|
| 3 | 6   |

    code

It is 42"""
LONGER = ANSWER.removesuffix("42") + "a number. " * 300


@pytest.fixture(scope="module")
def browser() -> Iterator[Chrome]:
    with chromium() as driver:
        yield driver


def show(browser: Chrome, path: Path, hash_: str = "") -> None:
    browser.get("about:blank")  # so that a new hash loads the page anew
    for kind in ("browser", "performance"):
        browser.get_log(kind)
    browser.get(f"file://{path}{hash_}")


def complaints(browser: Chrome) -> list[str]:
    return [row["message"] for row in browser.get_log("browser")]


def requests(browser: Chrome) -> list[str]:
    rows = [json.loads(row["message"])["message"] for row in browser.get_log("performance")]
    sent = [row["params"] for row in rows if row["method"] == "Network.requestWillBeSent"]
    return [params["request"]["url"].split("#")[0] for params in sent]


def names(browser: Chrome) -> list[str]:
    found = browser.find_elements("css selector", f"{LIST} .what")
    return [one.get_attribute("textContent").split()[0] for one in found]


def choose(browser: Chrome, id_: str, value: str) -> None:
    set_value = "arguments[0].value = arguments[1]; arguments[0].dispatchEvent(new Event('input'))"
    browser.execute_script(set_value, browser.find_element("id", id_), value)


def reading(browser: Chrome) -> str:
    return str(browser.find_element("id", "reading").text)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "report.html"
    path.write_text(page(small_run()), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Answers with mathematics, a long one and an empty one."""
    run, path = small_run(), tmp_path_factory.mktemp("told") / "report.html"
    prompts = [replace(one, turns=("Add the numbers from 1 to n.", "And?")) for one in run.prompts]
    answers = [
        replace(one, turns=(ANSWER, "") if one.model == "sami" else (LONGER, "Yes."))
        for one in run.responses
    ]
    said = [replace(one, text="**A** shows that $x^2$ is right. [[A]]") for one in run.verdicts]
    html = page(replace(run, prompts=prompts, responses=answers, verdicts=said))
    path.write_text(html, encoding="utf-8")
    return path


def test_it_opens_from_disk_without_network_or_complaint(browser: Chrome, small: Path) -> None:
    show(browser, small)
    assert names(browser) == ["q1", "q2"]
    assert reading(browser).startswith("q1 · writing · sami : dpo")
    assert complaints(browser) == []
    assert requests(browser) == [f"file://{small}"]


def test_filters_and_search_narrow_the_list(browser: Chrome, small: Path) -> None:
    show(browser, small)
    choose(browser, "category", "math")
    assert names(browser) == ["q2"]
    choose(browser, "category", "all")
    choose(browser, "outcome", "a")  # q1: both orders say a; q2: they disagree, a tie
    assert names(browser) == ["q1"]
    choose(browser, "outcome", "all")
    browser.find_element("id", "inconsistent").click()
    assert names(browser) == ["q2"]
    browser.find_element("id", "reset").click()
    choose(browser, "search", "Q2")
    assert names(browser) == ["q2"]
    choose(browser, "search", "nowhere to be found")
    assert names(browser) == []


def test_a_link_opens_its_question_and_keys_move_on(browser: Chrome, small: Path) -> None:
    from selenium.webdriver import ActionChains

    show(browser, small, "#read/q2/sami/dpo")
    assert reading(browser).startswith("q2 · math")
    ActionChains(browser).send_keys("k").perform()
    assert reading(browser).startswith("q1 · writing")
    assert browser.current_url.endswith("#read/q1/sami/dpo")
    ActionChains(browser).send_keys("j").perform()
    assert reading(browser).startswith("q2 · math")


def test_a_judge_s_thoughts_are_folded_until_they_are_opened(
    browser: Chrome, tmp_path: Path
) -> None:
    run, path = small_run(), tmp_path / "report.html"
    judged = [
        replace(one, text="It is A.", thoughts="<b>Hm, rather B.</b>") for one in run.verdicts
    ]
    path.write_text(page(replace(run, verdicts=judged)), encoding="utf-8")
    show(browser, path, "#read/q1/sami/dpo")
    assert reading(browser).count("It is A.") == 2
    assert "Hm" not in reading(browser)
    browser.find_element("css selector", ".verdict summary").click()
    assert reading(browser).count("<b>Hm, rather B.</b>") == 1
    assert complaints(browser) == []


@pytest.mark.parametrize("width", [390, 1280])
def test_neither_a_long_name_nor_a_long_formula_scrolls_a_page_sideways(
    browser: Chrome, tmp_path: Path, width: int
) -> None:
    run, path, name = small_run(), tmp_path / "report.html", "sami" + "x" * 120
    wide = r"so $1 + 2 + 3 + 4 + 5 + 6 + 7 + 8 + 9 + 10 + 11 + 12 = 78$, $\hspace{999em}x$"
    answers = [
        replace(one, model=name if one.model == "sami" else "dpo", turns=(wide, wide))
        for one in run.responses
    ]
    judged = [replace(one, a=name) for one in run.verdicts]
    shown = document(comparison(name, "dpo"))
    html = page(replace(run, document=shown, responses=answers, verdicts=judged))
    path.write_text(html, encoding="utf-8")
    size: dict[str, Any] = {"width": width, "height": 844, "deviceScaleFactor": 1}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size | {"mobile": width < 500})
    try:
        show(browser, path)
        assert wait_for(browser, ".side .formula[tabindex]").tag_name == "span"
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width
        assert browser.execute_script(UNREACHABLE) == []
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


UNREACHABLE = """
return [...document.querySelectorAll("*")].filter((one) => {
  const style = getComputedStyle(one);
  const scrolls = (way) => ["auto", "scroll"].includes(style[`overflow${way}`]);
  if (!scrolls("X") && !scrolls("Y")) return false;
  const named = one.getAttribute("aria-label") && one.tabIndex >= 0;
  return !named && !one.querySelector("a, button, input, select, summary");
}).map((one) => one.outerHTML.slice(0, 80));
"""


def test_what_scrolls_is_reached_by_keys(browser: Chrome, small: Path, passk_folder: Path) -> None:
    show(browser, small)
    for raw in (False, True):
        if raw:
            browser.find_element("id", "raw").click()
        assert browser.execute_script(UNREACHABLE) == []
    show(browser, passk_folder / "report.html")
    browser.execute_script(OPEN_ALL)
    assert browser.execute_script(UNREACHABLE) == []


def test_answers_are_read_as_they_were_meant(browser: Chrome, told: Path) -> None:
    show(browser, told)
    first, second = browser.find_elements("css selector", ".pair")
    a, b = first.find_elements("css selector", ".side")
    assert a.find_element("css selector", "math > *").tag_name == "munderover"
    assert a.find_element("css selector", "strong").text == "so"
    assert "\\nosuch{3}" in a.text  # a formula that cannot be read is its source
    assert "(empty answer)" in second.text
    # A long answer is folded until it is asked for, and both are compared word by word.
    assert len(b.find_elements("css selector", ".fold")) == 1
    b.find_element("css selector", ".unfold").click()
    assert len(b.find_elements("css selector", ".fold")) == 0
    browser.find_element("id", "compared").click()
    marked = wait_for(browser, ".side.a mark")
    assert marked.text.strip() == "42"
    assert complaints(browser) == []


def wait_for(browser: Chrome, selector: str) -> WebElement:
    """Texts are opened in the background."""
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(browser, 20).until(lambda one: one.find_element("css selector", selector))


def test_keys_and_filters_lead_somewhere(browser: Chrome, told: Path) -> None:
    from selenium.webdriver import ActionChains, Keys

    show(browser, told)
    first = browser.find_element("css selector", LIST)
    assert first.text.startswith("Add the numbers")  # the prompt, not its id
    first.send_keys(Keys.ARROW_DOWN)
    assert "q2" in browser.switch_to.active_element.text
    choose(browser, "category", "math")
    assert reading(browser).startswith("q2")
    choose(browser, "outcome", "b")
    assert "No question matches" in reading(browser)
    assert "no question matches" in browser.find_element("id", "items").text
    browser.find_element("css selector", "h1").click()
    ActionChains(browser).send_keys("?").perform()
    assert browser.find_element("id", "keys").is_displayed()
    ActionChains(browser).send_keys(Keys.ESCAPE).perform()
    assert not browser.find_element("id", "keys").is_displayed()
    for theme in ("dark", "light"):
        choose(browser, "theme", theme)
        paper = "return getComputedStyle(document.body).backgroundColor"
        assert browser.execute_script(paper) == PAPER[theme]
    choose(browser, "theme", "system")
    buttons = [one.text for one in browser.find_elements("css selector", "#tools button")]
    assert buttons == ["download CSV", "download JSON"]
    assert complaints(browser) == []


PAPER = {"dark": "rgb(20, 23, 27)", "light": "rgb(255, 255, 255)"}
OPEN_ALL = "document.querySelectorAll('details').forEach((one) => one.open = true)"
AXE = """
const done = arguments[0];
axe.run(document).then((found) => done(found.violations.map((one) => [one.id, one.nodes[0].html])));
"""


def test_no_page_breaks_a_rule_of_accessibility(
    browser: Chrome, told: Path, passk_folder: Path
) -> None:
    (folder,) = importlib.util.find_spec("axe_selenium_python").submodule_search_locations
    axe = (Path(folder) / "node_modules/axe-core/axe.min.js").read_text(encoding="utf-8")
    for path in (told, passk_folder / "report.html"):
        for dark, width in itertools.product((False, True), (1280, 390)):
            scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
            browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
            size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
            browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
            show(browser, path)
            browser.execute_script(
                "document.querySelectorAll('details').forEach((d) => d.open = 1)"
            )
            browser.execute_script(axe)
            assert browser.execute_async_script(AXE) == [], (path, scheme, width)
            assert browser.execute_script("return document.documentElement.scrollWidth") <= width
            heading = browser.find_element("css selector", "h1").rect
            assert heading["y"] + heading["height"] < 400
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_hostile_texts_run_nothing_and_stay_texts(browser: Chrome, tmp_path: Path) -> None:
    path = tmp_path / "evil.html"
    path.write_text(page(evil_run()), encoding="utf-8")
    show(browser, path)
    buttons = browser.find_elements("css selector", LIST)
    assert len(buttons) == len(TEXTS)
    slowest = 0.0
    for button in buttons:
        start = time.monotonic()
        browser.execute_script("arguments[0].click()", button)
        slowest = max(slowest, time.monotonic() - start)
    # Quadratic work on a text of 100,000 characters would take minutes, not seconds.
    assert slowest < 20
    choose(browser, "search", "onerror")
    assert len(names(browser)) == 1
    browser.execute_script("arguments[0].click()", browser.find_element("css selector", LIST))
    assert 'onerror="window.hacked = 3"' in reading(browser)
    choose(browser, "search", "right to left")
    browser.execute_script("arguments[0].click()", browser.find_element("css selector", LIST))
    # Half a surrogate pair stands beside it, which the driver cannot hand over.
    holds = "return document.body.textContent.includes(arguments[0])"
    assert browser.execute_script(holds, r"\u202eright to left\u202c")
    assert browser.execute_script("return window.hacked") is None
    assert complaints(browser) == []
    assert requests(browser) == [f"file://{path}"]


def test_a_report_of_pass_at_k_opens_without_network_or_complaint(
    browser: Chrome, passk_folder: Path
) -> None:
    path = passk_folder / "report.html"
    show(browser, path)
    assert browser.find_element("id", "differences").text == "Paired differences"
    assert complaints(browser) == []
    assert requests(browser) == [f"file://{path}"]


def test_a_page_of_tables_alone_opens_and_its_tables_are_reached_by_keys(
    browser: Chrome, tmp_path: Path
) -> None:
    path = tmp_path / "report.html"
    path.write_text(reproduction_page(reproduction("mtbench", embedded=True)), encoding="utf-8")
    show(browser, path)
    names = [one.text for one in browser.find_elements("css selector", "h2")]
    assert names == ["principles shown", "not shown", "Provenance"]
    assert len(browser.find_elements("css selector", "svg .dot")) == 6
    assert browser.execute_script(UNREACHABLE) == []
    assert complaints(browser) == []
    assert requests(browser) == [f"file://{path}"]
