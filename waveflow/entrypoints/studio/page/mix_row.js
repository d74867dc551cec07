// One mix: of which stems, how far it is, how it sounds.

import { announce } from "./announce.js";
import { fill } from "./dom.js";
import { Row } from "./row.js";
import { clock, explained, figure, t } from "./words.js";

const WAY = ["queued", "mixing", "done"];

export class MixRow extends Row {
  constructor(mix, number) {
    super("mixes", mix.mix_id);
    this.number = number;
    this.step = null;
    // Where the mixer's "Go to it" leads.
    this.heading.tabIndex = -1;
  }

  update(mix, names) {
    this.head(t("mix_name", this.number), facts(mix, names));
    this.turn(mix);
    this.row.dataset.step = mix.step;
    this.showSteps(WAY, mix.step === "done" ? null : mix.step, t("mix_step"));
    this.showNotice("bad", problem(mix));
    if (mix.has_audio) this.showPlayer(mix.duration_s);
    else this.showMark(problem(mix) ? "warning" : "wave");
    this.showLevels(mix.levels);
    const has = [mix.has_audio, mix.has_waveform, mix.has_dat];
    fill(this.foot, `${has} ${t("download_audio")}`, () => [this.links(mix)]);
  }

  turn(mix) {
    const before = this.step;
    this.step = mix.step;
    if (before === null || before === mix.step) return;
    if (mix.step === "done") announce(t("mix_done", this.name));
    if (mix.step === "failed") announce(t("says_failed", this.name, explained(mix.error)));
  }
}

function problem(mix) {
  if (mix.step === "failed" && mix.error) return explained(mix.error);
  return mix.step === "done" && !mix.has_audio ? t("mix_gone") : "";
}

function facts(mix, names) {
  return [
    mix.duration_s ? clock(mix.duration_s) : null,
    // The average of the stems is how a mix is made; less than that is worth a word.
    mix.gain_db < -0.05 ? t("turned_down", figure(-mix.gain_db, 1)) : null,
    t("mix_of", names.join(", ")),
  ]
    .filter(Boolean)
    .join(" · ");
}
