// The page's language: which one, and its words, numbers, times and sizes.

import { en } from "./words.en.js";
import { ko } from "./words.ko.js";

const LANGUAGES = { en, ko };
const KEPT = "waveflow-studio-language";

let language = remembered() ?? (navigator.language.startsWith("ko") ? "ko" : "en");

export function currentLanguage() {
  return language;
}

export function setLanguage(name) {
  language = name;
  try {
    localStorage.setItem(KEPT, name);
  } catch {
    // A browser that keeps nothing asks again next time.
  }
}

function remembered() {
  try {
    const name = localStorage.getItem(KEPT);
    return name in LANGUAGES ? name : null;
  } catch {
    return null;
  }
}

/** The words for `key`; a function in the table is given the other arguments. */
export function t(key, ...facts) {
  const words = LANGUAGES[language][key];
  if (words === undefined) throw new Error(`no words for ${key}`);
  return typeof words === "function" ? words(...facts) : words;
}

/** What the server says of a failure: in this language if its code is known, else its sentence. */
export function explained(error) {
  return LANGUAGES[language].failures[error.code] ?? error.sentence;
}

/** Put words into everything below `root` that names them by `data-t`. */
export function translate(root) {
  document.documentElement.lang = language;
  for (const element of root.querySelectorAll("[data-t]")) {
    element.textContent = t(element.dataset.t);
  }
}

/** A number with so many decimals and a real minus sign. */
export function figure(value, decimals) {
  return formatted(value, { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
}

function formatted(value, format) {
  return new Intl.NumberFormat(language, format).format(value).replace("-", "−");
}

/** A number with at most so many decimals. */
function upTo(value, decimals) {
  return formatted(value, { maximumFractionDigits: decimals });
}

/** Seconds as 1:02, or 1:00:02 from an hour on. */
export function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const tail = String(s).padStart(2, "0");
  return h ? `${h}:${String(m).padStart(2, "0")}:${tail}` : `${m}:${tail}`;
}

/** Bytes as people say them, in steps of 1024, as the limit for uploads is meant. */
export function size(bytes) {
  if (bytes < 1024) return `${figure(bytes, 0)} B`;
  if (bytes < 1024 ** 2) return `${figure(bytes / 1024, 0)} kB`;
  if (bytes < 1024 ** 3) return `${upTo(bytes / 1024 ** 2, 1)} MB`;
  return `${upTo(bytes / 1024 ** 3, 2)} GB`;
}
