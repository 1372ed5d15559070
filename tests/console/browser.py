"""A browser that remembers what no page may do: errors, forbidden things, requests to other hosts."""

import urllib.parse

from checks import equal, expect
from world import origin

# All pages, as the navigation has them.
PAGES = [
    "/",
    "/jobs",
    "/runs",
    "/conflicts",
    "/errors",
    "/waiting",
    "/skipped?mapping=CUSTOMER",
    "/dead-letters",
    "/couplings?mapping=CUSTOMER",
    "/history",
    "/mappings",
    "/mappings?mapping=CUSTOMER",
]


class Visit:
    """A browser context that was let in."""

    def __init__(self, browser, entrance, **options):
        self.console = origin(entrance)
        self.host = urllib.parse.urlsplit(entrance).netloc
        self.troubles = []
        self.context = browser.new_context(**options)
        self.page = self.context.new_page()
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.troubles.append(f"a script failed: {error}"))
        self.page.on("request", self._asked)
        self.page.goto(entrance)
        # The page of the entrance leads on by itself.
        self.page.wait_for_url(f"{self.console}/")

    def _said(self, message):
        if message.type in ("error", "warning"):
            self.troubles.append(f"the browser's console: {message.text}")

    def _asked(self, request):
        if urllib.parse.urlsplit(request.url).netloc != self.host:
            self.troubles.append(f"a request to another host: {request.url}")

    def open(self, path):
        """Opens a page of the console."""
        answer = self.page.goto(f"{self.console}{path}")
        equal(answer.status, 200, f"the status of {path}")
        return self.page

    def expect_clean(self):
        """Fails when a page did what it may not."""
        expect(not self.troubles, "; ".join(self.troubles))

    def close(self):
        """Ends it."""
        self.expect_clean()
        self.context.close()

    def focused(self):
        """What the keyboard is at: its element and text."""
        return self.page.evaluate(
            "() => { const at = document.activeElement;"
            " return `${at.tagName} ${(at.getAttribute('aria-label') || at.innerText || at.name || '').trim()}`; }"
        )

    def tab_to(self, wanted, most=80):
        """Presses Tab until the keyboard is at this element, and sees that it shows."""
        for _ in range(most):
            self.page.keyboard.press("Tab")
            if self.focused() == wanted:
                outline = self.page.evaluate("() => getComputedStyle(document.activeElement).outlineStyle")
                expect(outline != "none", f"the focus at {wanted} does not show")
                return
        expect(False, f"the keyboard does not come to {wanted}; it is at {self.focused()}")
