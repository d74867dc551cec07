// The state of the studio as it changes, over server-sent events, for as long as the page is open.

import * as api from "./api.js";
import { byId, tell } from "./dom.js";
import { announce } from "./announce.js";
import { t } from "./words.js";

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 8000;
// Of many tabs the studio serves some at a time, and has the others come back.
const TURN_MS = 3000;

let source = null;
let timer = null;
let waitMs = FIRST_WAIT_MS;
let problem = null;

/** Have `onState` told the whole state, at once and after each change. */
export function follow(onState) {
  const again = () => connect(onState);
  byId("banner-again").addEventListener("click", () => {
    waitMs = FIRST_WAIT_MS;
    again();
  });
  window.addEventListener("online", again);
  again();
}

/** Show what is wrong in the language of now. */
export function relabelBanner() {
  tell(byId("banner-text"), problem && t(problem));
  byId("banner").hidden = !problem;
  byId("banner-again").hidden = problem === "locked_out";
}

function connect(onState) {
  clearTimeout(timer);
  source?.close();
  const own = new EventSource("/api/events");
  source = own;
  own.addEventListener("state", (event) => {
    found();
    onState(JSON.parse(event.data));
  });
  own.onerror = () => {
    // The browser would try again for ever, also where the answer is no.
    own.close();
    if (own === source) lose(onState);
  };
}

function found() {
  waitMs = FIRST_WAIT_MS;
  if (!problem) return;
  problem = null;
  relabelBanner();
  announce(t("back"));
}

async function lose(onState) {
  const own = source;
  const status = await api.status();
  if (own !== source) return;
  const answers = status === 200;
  const locked = status === 401 || status === 403;
  problem = answers ? null : locked ? "locked_out" : "lost";
  relabelBanner();
  timer = setTimeout(() => connect(onState), answers ? TURN_MS : waitMs);
  waitMs = Math.min(2 * waitMs, LONGEST_WAIT_MS);
}
