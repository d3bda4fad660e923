// Calls under way: asked for again every two seconds while the page is looked at. Without this script
// the page is the same, as it was when it was opened.
"use strict";

for (const place of document.querySelectorAll("[data-refresh]")) {
  let busy = false;
  setInterval(async () => {
    if (document.hidden || busy || place.contains(document.activeElement)) return;
    busy = true;
    try {
      const answer = await fetch(place.dataset.refresh, { redirect: "error" });
      if (answer.ok) {
        const read = new DOMParser().parseFromString(await answer.text(), "text/html");
        place.replaceChildren(...read.body.childNodes);
      }
    } catch {
      // The network is away, or nobody is signed in any more: what stands there stays.
    } finally {
      busy = false;
    }
  }, 2000);
}

// A payment under way: the page is opened anew every few seconds, until it is no longer.
const reload = document.querySelector("[data-reload]");
if (reload) setTimeout(() => location.reload(), 1000 * Number(reload.dataset.reload));
