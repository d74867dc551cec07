// A waveform that plays: wavesurfer.js on the peaks that WaveFlow made, and one sound at a time.

import WaveSurfer from "/vendor/wavesurfer.esm.js";
import { clock, t } from "./words.js";

const STEP_S = 5;
const PAGE_S = 30;
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const nonce = document.querySelector('meta[name="csp-nonce"]').content;

const players = new Set();
dark.addEventListener("change", () => players.forEach((player) => player.paint()));

/** Calls back, once, when an element comes near the window. */
const nearing = new IntersectionObserver(
  (entries) => {
    for (const entry of entries.filter((one) => one.isIntersecting)) {
      nearing.unobserve(entry.target);
      entry.target.dispatchEvent(new CustomEvent("near"));
    }
  },
  { rootMargin: "400px" },
);

function colours() {
  const style = getComputedStyle(document.documentElement);
  const named = (name) => style.getPropertyValue(name).trim();
  return {
    waveColor: named("--wave"),
    progressColor: named("--wave-played"),
    cursorColor: named("--cursor"),
  };
}

/**
 * Drives one waveform in `wave`, an element with the role of a slider.
 *
 * The audio is an element that loads nothing until it is played, and then in parts; the picture is
 * drawn from the document's peaks, when it comes near the window. `fetchDocument` gives it.
 */
export class Player {
  constructor({ wave, time, address, durationS, fetchDocument, onChange, onProblem }) {
    Object.assign(this, { wave, time, durationS, fetchDocument, onChange, onProblem });
    this.audio = new Audio();
    this.audio.preload = "none";
    this.audio.src = address;
    for (const event of ["play", "pause", "ended"]) {
      this.audio.addEventListener(event, () => this.changed());
    }
    for (const event of ["timeupdate", "seeking"]) {
      this.audio.addEventListener(event, () => this.relabel());
    }
    this.audio.addEventListener("error", () => this.fail());
    wave.addEventListener("keydown", (event) => this.key(event));
    wave.addEventListener("near", () => this.draw(), { once: true });
    wave.classList.add("waiting");
    players.add(this);
    nearing.observe(wave);
    this.relabel();
  }

  get playing() {
    // What has failed isn't paused by that.
    return !this.audio.paused && !this.audio.ended && !this.audio.error;
  }

  async toggle() {
    if (this.playing) {
      this.audio.pause();
      return;
    }
    for (const other of players) if (other !== this) other.audio.pause();
    if (this.audio.error) this.audio.load();
    try {
      await this.audio.play();
    } catch (error) {
      // Pausing before it began is no failure.
      if (error.name !== "AbortError") this.fail();
    }
  }

  fail() {
    this.changed();
    this.onProblem("play_problem");
  }

  seek(seconds) {
    this.audio.currentTime = Math.min(Math.max(seconds, 0), this.durationS);
    this.surfer?.setTime(this.audio.currentTime);
    this.relabel();
  }

  async draw() {
    let drawn;
    try {
      drawn = await this.fetchDocument();
    } catch (error) {
      this.onProblem("wave_problem", error.message);
      return;
    }
    this.wave.classList.remove("waiting");
    this.surfer = WaveSurfer.create({
      container: this.wave,
      media: this.audio,
      peaks: [drawn.peaks],
      duration: drawn.duration,
      height: "auto",
      barWidth: 2,
      barGap: 1,
      barRadius: 2,
      cursorWidth: 1,
      dragToSeek: { debounceTime: 0 },
      cspNonce: nonce,
      ...colours(),
    });
    this.surfer.on("redrawcomplete", () => (this.wave.dataset.drawn = "true"));
    this.surfer.on("interaction", () => this.relabel());
  }

  /** Stop, and let go of the audio. */
  close() {
    players.delete(this);
    nearing.unobserve(this.wave);
    this.audio.pause();
    this.surfer?.destroy();
  }

  paint() {
    this.surfer?.setOptions(colours());
  }

  key(event) {
    const now = this.audio.currentTime;
    const act = {
      " ": () => this.toggle(),
      Enter: () => this.toggle(),
      ArrowLeft: () => this.seek(now - STEP_S),
      ArrowDown: () => this.seek(now - STEP_S),
      ArrowRight: () => this.seek(now + STEP_S),
      ArrowUp: () => this.seek(now + STEP_S),
      PageDown: () => this.seek(now - PAGE_S),
      PageUp: () => this.seek(now + PAGE_S),
      Home: () => this.seek(0),
      End: () => this.seek(this.durationS),
    }[event.key];
    if (!act || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    act();
  }

  changed() {
    this.relabel();
    this.onChange(this.playing);
  }

  relabel() {
    const now = this.audio.currentTime;
    this.wave.toggleAttribute("data-begun", now > 0);
    this.time.textContent = `${clock(now)} / ${clock(this.durationS)}`;
    this.wave.setAttribute("aria-valuemax", this.durationS.toFixed(1));
    this.wave.setAttribute("aria-valuenow", now.toFixed(1));
    this.wave.setAttribute("aria-valuetext", t("position_now", clock(now), clock(this.durationS)));
  }
}
