// Choosing stems, and having them mixed.

import * as api from "./api.js";
import { byId, el, tell } from "./dom.js";
import { t } from "./words.js";

export class Mixer {
  constructor(stems, mixes) {
    Object.assign(this, { stems, mixes, busy: false, latest: null });
    byId("mixer").addEventListener("submit", (event) => {
      event.preventDefault();
      this.mix();
    });
    byId("all").addEventListener("click", () => this.chooseAll());
  }

  show() {
    const rows = this.choosable();
    const chosen = rows.filter((row) => row.chosen).length;
    byId("mixer").hidden = rows.length === 0;
    byId("mixer-count").textContent = t("mixer_count", chosen);
    byId("all").textContent = t(chosen === rows.length ? "choose_none" : "choose_all");
    byId("mix").disabled = this.busy || chosen === 0;
    this.showNews();
  }

  choosable() {
    return [...this.stems.values()].filter((row) => row.choosable);
  }

  chooseAll() {
    const rows = this.choosable();
    const all = rows.some((row) => !row.chosen);
    rows.forEach((row) => (row.box.checked = all));
    this.show();
  }

  async mix() {
    this.busy = true;
    this.show();
    tell(byId("mix-problem"), null);
    try {
      const chosen = this.choosable().filter((row) => row.chosen);
      this.latest = await api.startMix(chosen.map((row) => row.id));
    } catch (error) {
      if (!(error instanceof api.Refused)) throw error;
      tell(byId("mix-problem"), error.message);
    } finally {
      this.busy = false;
      this.show();
    }
  }

  /** What became of the mix that was asked for last, on this page. */
  showNews() {
    const row = this.mixes.get(this.latest);
    if (!row) return;
    const words = { done: "mix_done", failed: "mix_failed" }[row.step] ?? "mix_busy";
    const key = `${t(words, row.name)} ${row.step}`;
    if (byId("mixer-news").dataset.key === key) return;
    byId("mixer-news").dataset.key = key;
    byId("mixer-news").replaceChildren(
      t(words, row.name),
      " ",
      row.step === "done" ? this.wayTo(row) : "",
    );
  }

  wayTo(row) {
    const go = (event) => {
      event.preventDefault();
      row.row.scrollIntoView({ block: "center" });
      row.button.focus();
    };
    return el("a", { href: "#mixes-title", on: { click: go } }, t("mix_listen"));
  }
}
