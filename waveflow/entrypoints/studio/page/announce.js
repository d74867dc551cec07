// Telling people who listen to the page instead of looking at it what has happened.

import { byId } from "./dom.js";

const GATHERED_MS = 400;

let waiting = [];
let timer = null;

/** Have a sentence read out; those that come close together are read as one. */
export function announce(sentence) {
  waiting.push(sentence);
  clearTimeout(timer);
  timer = setTimeout(() => {
    byId("announcements").textContent = waiting.join(" ");
    waiting = [];
  }, GATHERED_MS);
}
