"""`make screens`: pictures of the portal's screens, in both languages, light, dark and on a phone.

The same seed, clock, zone and size each time; a person looks at them.
"""

import asyncio
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from playwright.async_api import async_playwright

from tests.portal.served import CHROMIUM, screens_of, serving

SHOWN: Final = (
    *("sign-in", "balance", "activity", "call", "calls", "reports", "rates-country", "extensions"),
    *("billing", "receipt", "notices", "users", "audit-trail"),
)
DESKTOP: Final = {"width": 1280, "height": 860}
VARIANTS: Final[Mapping[str, Mapping[str, Any]]] = {
    "en": {"viewport": DESKTOP},
    "fr": {"viewport": DESKTOP, "locale": "fr-FR"},
    "en-dark": {"viewport": DESKTOP, "color_scheme": "dark"},
    "fr-phone": {"viewport": {"width": 390, "height": 844}, "locale": "fr-FR"},
}


async def take(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as work:
        async with (
            serving(Path(work)) as served,
            async_playwright() as playwright,
        ):
            browser = await playwright.chromium.launch(executable_path=CHROMIUM)
            known = {screen.name: screen for screen in screens_of(served.site)}
            for variant, options in VARIANTS.items():
                for name in SHOWN:
                    screen = known[name]
                    async with served.signed_in(browser, screen.who, **options) as page:
                        await page.goto(served.address + screen.path)
                        await page.screenshot(path=folder / f"{name}.{variant}.png")
            await browser.close()


if __name__ == "__main__":
    chosen = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/screens")
    chosen.mkdir(parents=True, exist_ok=True)
    asyncio.run(take(chosen))
