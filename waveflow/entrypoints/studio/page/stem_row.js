// One stem: where it is on its way, and what came of it.

import { announce } from "./announce.js";
import { el, fill } from "./dom.js";
import { Row } from "./row.js";
import { clock, explained, figure, size, t } from "./words.js";

const WAY = ["queued", "hashing", "deciding", "analyzing", "done"];
const ENDS = ["done", "duplicate", "failed"];
const WAY_OF_A_COPY = ["queued", "hashing", "deciding", "removing", "duplicate"];

export class StemRow extends Row {
  constructor(stem, onChoice) {
    super("stems", stem.stem_id);
    this.box = el("input", { type: "checkbox", on: { change: onChoice } });
    this.step = null;
    this.playable = false;
  }

  get ended() {
    return ENDS.includes(this.step);
  }

  get choosable() {
    return this.playable;
  }

  get chosen() {
    return this.choosable && this.box.checked;
  }

  update(stem) {
    this.head(stem.name, facts(stem));
    this.turn(stem);
    this.row.dataset.step = stem.step;
    this.playable = stem.step === "done" && stem.has_audio;
    const way = stem.step === "removing" ? WAY_OF_A_COPY : WAY;
    this.showSteps(way, this.ended ? null : stem.step, t("step"));
    this.showNotice(...notice(stem));
    if (this.playable) this.showPlayable(stem);
    else this.showMark({ duplicate: "same", failed: "warning", done: "warning" }[stem.step] ?? "wave");
    this.showLevels(stem.levels);
    this.showFoot(stem);
  }

  /** Tell of the end of its way, once, to those who listen. A stem that is ready is chosen. */
  turn(stem) {
    const before = this.step;
    this.step = stem.step;
    if (before === stem.step) return;
    if (stem.step === "done") this.box.checked = true;
    if (before !== null) announceEnd(stem);
  }

  showPlayable(stem) {
    fill(this.chooser, "box", () => [el("label", { class: "choose" }, this.box)]);
    this.box.setAttribute("aria-label", t("choose", stem.name));
    this.showPlayer(stem.duration_s);
  }

  showFoot(stem) {
    // What is on its way has no time for that; what has failed is on the musician's own disk.
    const links = stem.step === "done" ? this.links(stem) : null;
    const has = [stem.step, stem.has_audio, stem.has_waveform, stem.has_dat];
    fill(this.foot, `${has} ${stem.history.length} ${t("happened")}`, () => [
      stem.history.length ? this.story(stem.history) : null,
      links,
    ]);
  }

  story(history) {
    const open = this.foot.querySelector("details")?.open ?? false;
    return el(
      "details",
      { class: "story", open },
      el("summary", {}, t("happened")),
      el("ol", {}, ...history.map(moment)),
    );
  }
}

function moment({ at_s: at, sentence }) {
  return el("li", {}, el("time", {}, t("seconds", figure(at, 2))), el("span", {}, sentence));
}

function facts(stem) {
  return [
    stem.duration_s ? clock(stem.duration_s) : null,
    stem.sample_rate_hz ? `${stem.sample_rate_hz / 1000} kHz` : null,
    size(stem.size_bytes),
  ]
    .filter(Boolean)
    .join(" · ");
}

function notice(stem) {
  if (stem.step === "duplicate") {
    const other = stem.duplicate_of?.name;
    return ["warn", other ? t("same_as", other) : t("same")];
  }
  if (stem.step === "failed" && stem.error) return ["bad", explained(stem.error)];
  // Somebody has removed it, before this start of the studio.
  return stem.step === "done" && !stem.has_audio ? ["bad", t("gone")] : ["", ""];
}

function announceEnd(stem) {
  if (stem.step === "done") announce(t("says_done", stem.name));
  if (stem.step === "duplicate") {
    announce(t("says_duplicate", stem.name, stem.duplicate_of?.name ?? ""));
  }
  if (stem.step === "failed") announce(t("says_failed", stem.name, explained(stem.error)));
}
