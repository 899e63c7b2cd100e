"""Write docs/images/dashboard-*.png from a running dashboard: python apps/dashboard/screenshots.py http://127.0.0.1:8501 USER [NAME ...]

On a fresh `tracker up`, its data should be `tracker simulate --scenario shop --users 4800 --days 90`, then
`tracker simulate --users 40 --rate 0.4 --duration 1500`. USER is one of that shop's, with some sessions in the last month.
"""

import sys
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "tests" / "support"))

from runs import Runs  # noqa: E402  # the tests' own

IMAGES = ROOT / "docs" / "images"
CHROMIUM = "/usr/bin/chromium"
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
FUNNEL = "step1=page_view&step2=product_view&step3=add_to_cart&step4=purchase"


class Shot(NamedTuple):
    """One image: the page down to `height` pixels, or the part of it with the key `part`."""

    name: str
    path: str
    height: int
    width: int = 1280
    scheme: str = "light"
    part: str = ""


SHOTS = [
    Shot("web", "web?", 1500),
    Shot("map", "web?world=Europe&", 2600, part="map"),
    Shot("live", "live?", 1000),
    Shot("overview", "?", 1500),
    Shot("overview-dark", "?", 1500, scheme="dark"),
    Shot("overview-phone", "?", 1400, width=390),
    Shot("users", "users?sort=events&", 1000),
    Shot("user", "users?user={user}&", 1000),
    Shot("funnels", f"funnels?{FUNNEL}&", 1300),
    Shot("retention", "retention?range=90+days&", 900),
    Shot("journeys", "journeys?", 1000),
    Shot("sessions", "sessions?", 1100),
    Shot("explore", "explore?", 900),
]


def take(browser: Browser, url: str, shot: Shot) -> None:
    """Open the page as high as the image, so that all of it is drawn, and keep the picture."""
    context = browser.new_context(
        viewport={"width": shot.width, "height": shot.height},
        color_scheme="dark" if shot.scheme == "dark" else "light",
        locale="en-US",
    )
    context.set_default_timeout(120_000)  # the machine may be busy
    page = context.new_page()
    runs = Runs(page)
    page.goto(f"{url}/{shot.path.format(user=sys.argv[2])}tz=Europe/Berlin")
    while not runs.drawn():
        page.wait_for_timeout(100)
    page.wait_for_timeout(1000)  # charts and tables take their size after they are drawn
    shown = page.locator(f".st-key-{shot.part}") if shot.part else page
    reduce_colours(shown.screenshot()).save(IMAGES / f"dashboard-{shot.name}.png", optimize=True)
    context.close()


def reduce_colours(png: bytes) -> Image.Image:
    """The picture with a palette of 256 colours: a third of the size."""
    return Image.open(BytesIO(png)).convert("RGB").quantize(256, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)


def main() -> None:
    """Take all pictures, or those that are named after the user."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for shot in SHOTS:
            if shot.name in (sys.argv[3:] or [shot.name]):
                take(browser, sys.argv[1].rstrip("/"), shot)
        browser.close()


if __name__ == "__main__":
    main()
