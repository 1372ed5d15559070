"""The console in a real browser: what people do with it, and what no page may do."""

import os
import sys
import urllib.error
import urllib.request
from pathlib import Path

from browser import PAGES, Visit
from checks import Checks, Failed, equal, expect, wait_until
from playwright.sync_api import expect as see
from playwright.sync_api import sync_playwright
from world import World

PHONE = {"width": 360, "height": 740}
DESK = {"width": 1200, "height": 800}


def conflict_by_button(visit, world, number, side, name):
    """A person settles a conflict with the button of a side."""
    page = visit.open("/conflicts?mapping=CUSTOMER")
    conflict = page.locator("article.conflict", has=page.get_by_role("heading", name=number)).first
    see(conflict).to_contain_text(f"{number} as Finance calls it")
    see(conflict).to_contain_text(f"{number} as Sales calls it")
    conflict.get_by_role("button", name=f"{side} wins").click()
    see(page.locator(".notice.good")).to_contain_text(f"{side} wins", timeout=15_000)
    equal(world.customer(number)["displayName"], name, "the customer's name")
    equal(world.account(number)["name"], name, "the account's name")


def conflict_by_field(visit, world):
    """A person lets another side win in each field."""
    number = world.numbers[0]
    page = visit.open("/conflicts?mapping=CUSTOMER")
    conflict = page.locator("article.conflict", has=page.get_by_role("heading", name=number)).first
    conflict.get_by_role("row", name="Name").get_by_label("Dataverse").first.check()
    conflict.get_by_role("row", name="Phone").get_by_label("Business Central").first.check()
    conflict.get_by_role("button", name="As chosen, field by field").click()
    see(page.locator(".notice.good")).to_contain_text("field by field", timeout=15_000)
    for row, phone, name in [
        (world.customer(number), "phoneNumber", "displayName"),
        (world.account(number), "telephone1", "name"),
    ]:
        equal((row[name], row[phone]), (f"{number} as Sales calls it", "030 1111"), "name and telephone")


def dead_letter(visit, world):
    """A record becomes a dead letter while Dataverse is down, and is replayed once it is up again."""
    number = world.numbers[8]
    world.change_customer(number, displayName="Came back from the dead letters")
    world.dataverse.outage(True)
    page = visit.open(f"/couplings?mapping=CUSTOMER&side=bc&name={number}")
    page.get_by_role("button", name=f"Synchronize {number}").click()

    def died():
        visit.open("/dead-letters")
        return page.get_by_role("button", name="Replay", exact=False).count() >= 1

    wait_until("the record is a dead letter", died, 30)
    page.screenshot(path=world.pictures / "dead-letters.png")
    expect(world.account(number)["name"] != "Came back from the dead letters", "it was written already")
    world.dataverse.outage(False)
    letters = page.get_by_role("button", name=f"Replay {number}")
    # Both directions were asked for, so there is a letter for each.
    count = letters.count()
    letters.first.click()
    see(page.locator(".notice.good")).to_contain_text("1 moved", timeout=15_000)
    visit.open("/dead-letters")
    if count > 1:
        page.get_by_text("Replay all…").click()
        page.get_by_role("button", name="Replay all").click()
        see(page.locator(".notice").first).to_contain_text("Replay of all dead letters", timeout=15_000)
    wait_until(
        "the record arrives", lambda: world.account(number)["name"] == "Came back from the dead letters", 20
    )
    visit.open("/dead-letters")
    see(page.get_by_text("No dead letters.")).to_be_visible()


def failure_retried(visit, world):
    """A record that Dataverse refused is tried again with its button; another one is skipped and brought back."""
    page = visit.open("/errors?mapping=CUSTOMER")
    see(page.locator("table").first).to_contain_text("writing the account failed")
    page.get_by_role("button", name=f"Retry {world.numbers[7]}").click()
    see(page.locator(".notice.good")).to_contain_text("1 modified", timeout=15_000)
    equal(world.account(world.numbers[7])["name"], "Unwanted in Sales", "the account's name")
    page = visit.open("/skipped?mapping=CUSTOMER")
    page.get_by_role("button", name=f"Bring back {world.numbers[3]}").click()
    see(page.locator(".notice.good")).to_be_visible(timeout=15_000)
    visit.open("/skipped?mapping=CUSTOMER")
    see(page.get_by_text("No record is skipped.")).to_be_visible()


def history_tells(visit, world):
    """The history of a record tells what became of it, and leads on from a search by name."""
    page = visit.open(f"/couplings?mapping=CUSTOMER&side=bc&name={world.numbers[4]}")
    page.get_by_role("link", name=world.numbers[4]).first.click()
    see(page.get_by_role("heading", level=1)).to_contain_text("History of")
    see(page.locator(".story")).to_contain_text("modified")
    see(page.locator(".story")).to_contain_text(f"{world.numbers[4]} & Sons <Trade>")
    page.screenshot(path=world.pictures / "history.png")


def keyboard_alone(visit, world):
    """Without a pointer: past the navigation, to another page, and a job is run."""
    page = visit.open("/")
    page.keyboard.press("Tab")
    equal(visit.focused(), "A Skip to the content", "the first stop of the keyboard")
    expect(page.locator(".skip").bounding_box()["x"] >= 0, "the way past the navigation does not show")
    page.keyboard.press("Enter")
    equal(visit.focused().split()[0], "MAIN", "where it leads")
    visit.open("/")
    visit.tab_to("A Jobs")
    page.keyboard.press("Enter")
    see(page.get_by_role("heading", level=1, name="Jobs")).to_be_visible()
    visit.tab_to("BUTTON Run CUSTOMER", most=200)
    page.keyboard.press("Enter")
    see(page.locator(".notice")).to_contain_text("Run of CUSTOMER", timeout=15_000)


def on_a_phone(browser, world, scheme):
    """360 pixels wide: nothing has to be scrolled sideways, and every button can be met with a finger."""
    visit = Visit(browser, world.entrance, viewport=PHONE, color_scheme=scheme, device_scale_factor=2)
    for path in PAGES:
        page = visit.open(path)
        width = page.evaluate("() => document.documentElement.scrollWidth")
        expect(width <= PHONE["width"], f"{path} is {width} pixels wide")
        small = page.evaluate(
            "() => [...document.querySelectorAll('main button')].filter(b => b.offsetParent && b.offsetHeight < 30).length"
        )
        equal(small, 0, f"buttons of {path} that are too small")
        name = path.strip("/").split("?")[0] or "overview"
        page.screenshot(path=world.pictures / f"phone-{name}-{scheme}.png")
    visit.close()


def every_page(browser, world, scheme):
    """Each page opens without an error, a violation of its policy or a request to another host, and can be told apart."""
    visit = Visit(browser, world.entrance, viewport=DESK, color_scheme=scheme)
    grounds = set()
    for path in PAGES:
        page = visit.open(path)
        grounds.add(page.evaluate("() => getComputedStyle(document.body).backgroundColor"))
        expect(page.evaluate("() => document.documentElement.scrollWidth") <= DESK["width"], f"{path} is too wide")
        contrast = page.evaluate(CONTRAST)
        expect(not contrast, f"{path} is hard to read: {contrast[:3]}")
        name = path.strip("/").replace("?mapping=", "-of-") or "overview"
        page.screenshot(path=world.pictures / f"{name}-{scheme}.png")
    equal(len(grounds), 1, "grounds of the pages")
    visit.close()
    return grounds.pop()


# Texts whose contrast with what is behind them is below 4.5 to 1 (WCAG 2.2, 1.4.3).
CONTRAST = """() => {
  const parts = (color) => (color.match(/[\\d.]+/g) || []).map(Number);
  const light = (color) => {
    const [r, g, b] = parts(color).map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (at) => {
    for (; at; at = at.parentElement) {
      const ground = getComputedStyle(at).backgroundColor;
      const [, , , alpha] = parts(ground);
      if (alpha === undefined || alpha > 0.99) return ground;
    }
    return "rgb(255, 255, 255)";
  };
  const found = [];
  for (const at of document.querySelectorAll("body *")) {
    const own = [...at.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || !at.offsetParent || at.closest("svg, option")) continue;
    const [a, b] = [light(getComputedStyle(at).color), light(behind(at))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) found.push(`${at.tagName} ${at.textContent.trim().slice(0, 30)} ${ratio.toFixed(2)}`);
  }
  return found;
}"""


def both_schemes(browser, world):
    """The pages follow the scheme that a person has chosen."""
    light, dark = every_page(browser, world, "light"), every_page(browser, world, "dark")
    expect(light != dark, f"both schemes have the ground {light}")


def without_scripts(browser, world):
    """With scripts switched off everything is there, and a conflict is settled."""
    visit = Visit(browser, world.entrance, viewport=DESK, java_script_enabled=False)
    for path in PAGES:
        visit.open(path)
    conflict_by_button(visit, world, world.numbers[2], "Dataverse", f"{world.numbers[2]} as Sales calls it")
    visit.close()


def kept_up_to_date(visit, world):
    """An open page shows what happened meanwhile, and stops when it is told to."""
    page = visit.open("/errors?mapping=CUSTOMER")
    world.dataverse.refuse("account", "Unwelcome")
    world.change_customer(world.numbers[9], displayName="Unwelcome")
    other = Visit(visit.context.browser, world.entrance)
    other.open(f"/couplings?mapping=CUSTOMER&side=bc&name={world.numbers[9]}")
    other.page.get_by_role("button", name=f"Synchronize {world.numbers[9]}").click()
    see(other.page.locator(".notice.bad")).to_contain_text("1 failed", timeout=15_000)
    other.close()
    see(page.locator("main")).to_contain_text(world.numbers[9], timeout=12_000)
    world.dataverse.refuse("account", None)
    page.get_by_role("button", name="Pause updating").click()
    see(page.get_by_text("Paused.")).to_be_visible()


def demonstration(browser, world):
    """The demonstration ends with a console on its world."""
    visit = Visit(browser, world.demonstrate(), viewport={"width": 1200, "height": 860})
    page = visit.open("/")
    see(page.get_by_text("the demonstration")).to_be_visible()
    see(page.locator(".plot svg")).to_be_visible()
    page.screenshot(path=world.pictures / "demonstration.png")
    visit.close()


def strangers_stay_out(world):
    """Who has not the key, or comes by another name, sees nothing."""
    for headers, status in [({}, 403), ({"Host": "evil.example"}, 421)]:
        try:
            urllib.request.urlopen(urllib.request.Request(f"{world.console}/jobs", headers=headers), timeout=5).close()
            raise Failed(f"{headers} was let in")
        except urllib.error.HTTPError as error:
            equal(error.code, status, f"the status with {headers}")
            expect("default-src 'none'" in error.headers["Content-Security-Policy"], "the answer has no policy")


def main(programs, folder, pictures):
    """All steps; ends with how many passed."""
    checks = Checks()
    world = World(Path(programs), Path(folder))
    world.pictures = Path(pictures)
    try:
        if not checks.step("something of everything", world.fill) or not checks.step("the console is served", world.serve):
            return checks.close()
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=os.environ["CHROMIUM"], args=["--no-sandbox"])
            checks.step("pages in both schemes", both_schemes, browser, world)
            checks.step("a phone, light", on_a_phone, browser, world, "light")
            checks.step("a phone, dark", on_a_phone, browser, world, "dark")
            visit = Visit(browser, world.entrance, viewport=DESK)
            first = world.numbers[1]
            checks.step(
                "a conflict by button", conflict_by_button, visit, world, first, "Business Central", f"{first} as Finance calls it"
            )
            checks.step("a conflict field by field", conflict_by_field, visit, world)
            checks.step("retry, and bring back", failure_retried, visit, world)
            checks.step("a dead letter comes back", dead_letter, visit, world)
            checks.step("the history of a record", history_tells, visit, world)
            checks.step("the keyboard alone", keyboard_alone, visit, world)
            checks.step("kept up to date", kept_up_to_date, visit, world)
            checks.step("nothing forbidden on the way", visit.close)
            checks.step("scripts switched off", without_scripts, browser, world)
            checks.step("strangers stay out", strangers_stay_out, world)
            checks.step("the demonstration", demonstration, browser, world)
            browser.close()
    finally:
        world.stop()
    return checks.close()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
