// What the rows of stems and mixes share: head, waveform, levels, downloads, and their upkeep.

import * as api from "./api.js";
import { el, fill, icon } from "./dom.js";
import { levelList } from "./levels.js";
import { Player } from "./player.js";
import { t } from "./words.js";

/** One row; `kind` is `stems` or `mixes`, as in the addresses. Parts keep still between updates. */
export class Row {
  constructor(kind, id) {
    this.kind = kind;
    this.id = id;
    this.player = null;
    this.chooser = el("div", { class: "chooser" });
    this.act = el("div", { class: "act" });
    this.heading = el("h3");
    this.meta = el("p", { class: "hint" });
    this.steps = el("ol", { class: "steps" });
    this.notice = el("div");
    this.waveLine = el("div", { class: "wave-line", hidden: true });
    this.problem = el("p", { class: "notice bad", role: "alert", hidden: true });
    this.levels = el("div");
    this.foot = el("div", { class: "foot" });
    const name = el("div", { class: "name" }, this.heading, this.meta);
    const parts = [this.steps, this.notice, this.waveLine, this.problem, this.levels, this.foot];
    this.row = el(
      "li",
      { class: "row", "data-kind": kind, "data-id": id },
      el("div", { class: "lead" }, this.chooser, this.act, name),
      el("div", { class: "body" }, ...parts),
    );
  }

  head(name, meta) {
    this.name = name;
    this.heading.textContent = name;
    this.heading.title = name;
    this.meta.textContent = meta;
    this.meta.title = meta;
  }

  /** The steps of `way`, with words from `words`; none when `step` isn't on it. */
  showSteps(way, step, words) {
    const at = way.indexOf(step);
    this.steps.hidden = at < 0;
    fill(this.steps, `${way} ${step} ${Object.values(words)}`, () =>
      way.map((one, index) =>
        el(
          "li",
          {
            class: index < at ? "past" : index === at ? "now" : null,
            "aria-current": index === at ? "step" : null,
          },
          words[one],
        ),
      ),
    );
  }

  /** A sentence in place of the waveform; `kind` is `warn` or `bad`. */
  showNotice(kind, sentence) {
    fill(this.notice, `${kind} ${sentence}`, () =>
      sentence ? [el("p", { class: `notice ${kind}` }, sentence)] : [],
    );
  }

  /** A drawing where there is nothing to play. */
  showMark(name) {
    fill(this.act, name, () => [el("span", { class: "mark" }, icon(name))]);
  }

  /** Button, waveform and time, made once; later only their words. */
  showPlayer(durationS) {
    this.waveLine.hidden = false;
    if (!this.player) this.makePlayer(durationS);
    this.wave.setAttribute("aria-label", t("position", this.name));
    this.player.relabel();
    this.showButton();
  }

  makePlayer(durationS) {
    this.wave = el("div", { class: "wave", role: "slider", tabindex: 0, "aria-valuemin": 0 });
    const time = el("span", { class: "time", "aria-hidden": "true" });
    this.waveLine.append(this.wave, time);
    this.button = el("button", { class: "play", type: "button" });
    this.player = new Player({
      wave: this.wave,
      time,
      durationS,
      address: api.path(this.kind, this.id, "audio", "?play=1"),
      fetchDocument: () => api.waveform(this.kind, this.id),
      onChange: () => this.showButton(),
      onProblem: (words, detail = "") => this.showProblem(words, detail),
    });
    this.button.addEventListener("click", () => this.player.toggle());
    this.act.dataset.key = "player";
    this.act.replaceChildren(this.button);
  }

  showButton() {
    const { playing } = this.player;
    this.row.classList.toggle("playing", playing);
    this.button.setAttribute("aria-label", t(playing ? "pause" : "play", this.name));
    fill(this.button, String(playing), () => [icon(playing ? "pause" : "play")]);
    if (playing) this.problem.hidden = true;
  }

  showProblem(words, detail) {
    this.problem.hidden = false;
    this.problem.textContent = [t(words), detail].filter(Boolean).join(" ");
  }

  showLevels(levels) {
    fill(this.levels, levels ? JSON.stringify(levels) + t("loudness") : "", () =>
      levels ? [levelList(levels)] : [],
    );
  }

  /** Links to what there is of audio, waveform and .dat. */
  links(facts) {
    const there = [
      ["audio", facts.has_audio],
      ["waveform", facts.has_waveform],
      ["dat", facts.has_dat],
    ].filter(([, has]) => has);
    if (there.length === 0) return null;
    return el("p", { class: "links" }, ...there.map(([what]) => this.link(what)));
  }

  link(what) {
    const words = t(`download_${what}`);
    const address = api.path(this.kind, this.id, what, "?download=1");
    const label = t("download_of", words, this.name);
    return el("a", { href: address, download: true, "aria-label": label }, icon("download"), words);
  }
}
