// Uploads on their way: a row for each, with progress, cancelling, and what went wrong.

import * as api from "./api.js";
import { announce } from "./announce.js";
import { el, icon } from "./dom.js";
import { figure, size, t } from "./words.js";

const AT_ONCE = 2;

/** Uploads files and shows them below the stems, until the studio lists them itself. */
export class Uploads {
  constructor(list, onChange) {
    this.list = list;
    this.onChange = onChange;
    this.all = [];
    this.known = new Set();
    this.mostBytes = Infinity;
    window.addEventListener("beforeunload", (event) => {
      if (this.all.some((one) => one.state === "running")) event.preventDefault();
    });
  }

  add(files) {
    const rows = files.map((file) => new UploadRow(file, this));
    this.all.push(...rows);
    this.list.append(...rows.map((one) => one.row));
    this.advance();
  }

  advance() {
    const running = this.all.filter((one) => one.state === "running").length;
    const waiting = this.all.filter((one) => one.state === "waiting");
    waiting.slice(0, Math.max(0, AT_ONCE - running)).forEach((one) => one.start());
    this.onChange();
  }

  /** Take away the rows of stems that the studio lists now. */
  listed(stems) {
    const fresh = new Set(stems.filter((stem) => !this.known.has(stem.stem_id)));
    this.known = new Set(stems.map((stem) => stem.stem_id));
    for (const one of [...this.all]) {
      if (this.known.has(one.stemId)) this.remove(one);
      else one.claim(fresh);
    }
  }

  remove(one) {
    this.all = this.all.filter((other) => other !== one);
    one.row.remove();
    this.advance();
  }

  relabel() {
    this.all.forEach((one) => one.show());
  }
}

class UploadRow {
  constructor(file, uploads) {
    Object.assign(this, { file, uploads, state: "waiting", part: 0, problem: null, stemId: null });
    this.meta = el("p", { class: "hint" });
    this.body = el("div", { class: "body" });
    this.mark = el("span", { class: "mark" }, icon("upload"));
    const name = el("div", { class: "name" }, el("h3", {}, file.name), this.meta);
    this.row = el(
      "li",
      { class: "row upload", "data-name": file.name },
      el("div", { class: "lead" }, el("div", { class: "chooser" }), this.mark, name),
      this.body,
    );
    this.show();
  }

  async start() {
    this.state = "running";
    this.show();
    try {
      this.requireFit();
      const running = api.upload(this.file, (part) => this.advance(part));
      this.cancel = running.cancel;
      this.stemId = await running.done;
      this.sent();
    } catch (error) {
      if (!(error instanceof api.Refused)) throw error;
      this.fail(error.message);
    }
  }

  fail(sentence) {
    if (this.row.hidden) {
      // It is stored, and only the answer was lost.
      this.uploads.remove(this);
      return;
    }
    this.state = "failed";
    this.problem = sentence;
    this.show();
    announce(t("says_failed", this.file.name, sentence));
    this.uploads.advance();
  }

  /** The list may come before the answer that says which stem this has become. */
  claim(fresh) {
    if (this.state !== "running" || this.row.hidden) return;
    const own = [...fresh].find((stem) => this.isLike(stem));
    this.row.hidden = fresh.delete(own);
  }

  isLike(stem) {
    const named = stem.name.normalize() === this.file.name.normalize();
    return named && stem.size_bytes === this.file.size;
  }

  requireFit() {
    const most = this.uploads.mostBytes;
    const own = this.file.size;
    if (own > most) throw new api.Refused(t("too_large", size(own), size(most)));
  }

  sent() {
    if (this.stemId === null) {
      this.uploads.remove(this);
      return;
    }
    this.state = "sent";
    announce(t("uploaded", this.file.name));
    if (this.uploads.known.has(this.stemId)) this.uploads.remove(this);
    else this.uploads.advance();
  }

  advance(part) {
    this.part = part;
    this.showPart();
  }

  show() {
    this.row.dataset.step = this.state === "failed" ? "failed" : "upload";
    this.meta.textContent = size(this.file.size);
    this.mark.replaceChildren(icon(this.state === "failed" ? "warning" : "upload"));
    this.body.replaceChildren(...(this.state === "failed" ? this.failure() : this.way()));
    this.showPart();
  }

  showPart() {
    if (!this.bar) return;
    this.bar.value = this.part;
    this.percent.textContent = `${figure(100 * this.part, 0)} %`;
  }

  way() {
    const label = this.state === "waiting" ? t("upload_waiting") : t("uploading");
    this.bar = el("progress", { max: 1, value: 0, "aria-label": `${label}: ${this.file.name}` });
    this.percent = el("output");
    const cancel = this.button("cancel", () => this.giveUp());
    cancel.setAttribute("aria-label", t("cancel_of", this.file.name));
    return [
      el("p", { class: "hint" }, label),
      el("div", { class: "progress-line" }, this.bar, this.percent, cancel),
    ];
  }

  giveUp() {
    if (this.state === "waiting") this.uploads.remove(this);
    else this.cancel?.();
  }

  failure() {
    this.bar = null;
    return [
      el("p", { class: "notice bad" }, this.problem),
      el(
        "div",
        { class: "progress-line" },
        this.button("try_again", () => {
          Object.assign(this, { state: "waiting", part: 0 });
          this.show();
          this.uploads.advance();
        }),
        this.button("dismiss", () => this.uploads.remove(this)),
      ),
    ];
  }

  button(words, act) {
    return el("button", { class: "button small", type: "button", on: { click: act } }, t(words));
  }
}
