"""Whether a page can be read: axe finds nothing, nothing is cut off, no part is empty or turns on.

``look`` also draws the page, where a folder is given (FIL_PICTURES).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from playwright.async_api import Page

AXE = Path(__file__).parents[1] / "cti" / "desk" / "node_modules" / "axe-core" / "axe.min.js"
# A laptop, a tablet, a telephone, and the laptop at 200 %.
SIZES = ((1280, 720), (820, 1180), (390, 844), (640, 360))
FIRST = {"width": SIZES[0][0], "height": SIZES[0][1]}
RUN_AXE = """async () => {
  const rules = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
  const found = await axe.run(document, { runOnly: { type: "tag", values: rules },
    resultTypes: ["violations"] });
  return found.violations.map((one) => one.id + ": " +
    one.nodes.map((node) => node.target.join(" ") + " (" + node.failureSummary + ")").join(" | "));
}"""
# What sticks out of the page or of its own box, holds no word, or turns for ever.
FAULTS = """() => {
  const faults = [], wide = document.documentElement.scrollWidth - innerWidth;
  if (wide > 0) faults.push("the page is " + wide + " px too wide");
  const name = (one) => one.tagName.toLowerCase() + (one.id ? "#" + one.id : "." + one.className);
  for (const one of document.querySelectorAll("body *")) {
    if (!one.checkVisibility({ visibilityProperty: true })) continue;
    if (one.matches(".skip")) continue; // seen once it has the keyboard
    const style = getComputedStyle(one), box = one.getBoundingClientRect();
    if (box.width <= 1 || box.height <= 1) continue;
    if (box.right > innerWidth + 1 || box.left < -1) faults.push(name(one) + " sticks out");
    const cut = one.scrollWidth > one.clientWidth + 1 && style.overflowX !== "visible"
      || one.scrollHeight > one.clientHeight + 1 && ["hidden", "clip"].includes(style.overflowY);
    if (cut && !["SELECT", "INPUT", "TEXTAREA"].includes(one.tagName))
      faults.push(name(one) + " is cut off");
    if (style.animationIterationCount.includes("infinite") && style.animationName !== "none")
      faults.push(name(one) + " turns for ever");
    if (["SECTION", "DIALOG", "UL", "P"].includes(one.tagName) && !one.textContent.trim())
      faults.push(name(one) + " is empty");
  }
  return faults;
}"""


async def look(page: Page, name: str, *, axe: bool = True) -> list[str]:
    """What is wrong with the page as it is now, in light and in dark, at every size."""
    pictures = os.environ.get("FIL_PICTURES")
    wrong: list[str] = []
    if axe and not await page.evaluate("() => 'axe' in window"):
        await page.evaluate(AXE.read_text(encoding="utf-8"))
    for scheme in ("light", "dark"):
        await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        if axe:
            found: list[Any] = await page.evaluate(RUN_AXE)
            wrong += [f"{name}, {scheme}: {one}" for one in found]
        if pictures:
            path = Path(pictures) / f"{name}-{scheme}.png"
            await page.screenshot(path=path, full_page=True, animations="disabled")
    await page.emulate_media(color_scheme="light")
    for width, height in SIZES:
        await page.set_viewport_size({"width": width, "height": height})
        wrong += [f"{name}, {width} px: {one}" for one in await page.evaluate(FAULTS)]
    await page.set_viewport_size(FIRST)
    return wrong
