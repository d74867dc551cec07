// Levels as figures with a word for each that tells a musician what to think of it.

import { el } from "./dom.js";
import { figure, t } from "./words.js";

/** The list of a recording's levels, or a sentence where there is nothing to hear. */
export function levelList(levels) {
  if (levels.silent) return el("p", { class: "notice warn" }, t("all_silent"));
  const items = [loudness, peak, range, clipping, silence].map((make) => make(levels));
  return el("dl", { class: "levels" }, ...items);
}

function item(name, value, word = null, warns = false) {
  return el(
    "div",
    { class: warns ? "warn" : null, "data-level": name },
    el("dt", {}, t(name)),
    el("dd", {}, value, word && el("span", { class: "word" }, word)),
  );
}

/** The word for the first limit that `value` is above, or the last word. */
function graded(value, limits, words) {
  const index = limits.findIndex((limit) => value > limit);
  return words[index < 0 ? limits.length : index];
}

function loudness({ integrated_lufs: lufs }) {
  if (lufs === null) return item("loudness", "–", t("unmeasured"));
  const word = graded(lufs, [-10, -16, -24, -35], t("loudness_words"));
  return item("loudness", `${figure(lufs, 1)} LUFS`, word);
}

function peak({ true_peak_dbtp: db }) {
  if (db === null) return item("true_peak", "–");
  // Delivery specifications ask for 1 dB: lossy encoders add about that much.
  const word = db > 0 ? "over" : db > -1 ? "close" : "fine";
  return item("true_peak", `${figure(db, 1)} dBTP`, t("peak_words")[word], word !== "fine");
}

function range({ loudness_range_lu: lu }) {
  if (lu === null) return item("range", "–", t("unmeasured"));
  const word = graded(-lu, [-4, -8, -15], t("range_words"));
  return item("range", `${figure(lu, 1)} LU`, word);
}

function clipping({ clipped_samples: count }) {
  if (!count) return item("clipped", t("clipped_none"));
  return item("clipped", t("clipped_some", figure(count, 0)), t("clipped_word"), true);
}

function silence({ leading_silence_s: start, trailing_silence_s: end }) {
  // Shorter than that is how recordings are, and no news.
  const parts = [
    start >= 0.1 ? t("silence_start", figure(start, 1)) : null,
    end >= 0.1 ? t("silence_end", figure(end, 1)) : null,
  ].filter(Boolean);
  return item("silence", parts[0] ?? t("silence_none"), parts[1]);
}
