// The page: what the studio has, kept in step with what it tells.

import * as api from "./api.js";
import { byId, tell } from "./dom.js";
import { takeFiles } from "./drops.js";
import { follow, relabelBanner } from "./live.js";
import { Mixer } from "./mixer.js";
import { MixRow } from "./mix_row.js";
import { StemRow } from "./stem_row.js";
import { Uploads } from "./uploads.js";
import { currentLanguage, setLanguage, size, t, translate } from "./words.js";

const stems = new Map();
const mixes = new Map();
const mixer = new Mixer(stems, mixes);
const uploads = new Uploads(byId("stem-list"), () => showSections());
let state = { limits: { max_upload_bytes: Infinity }, stems: [], mixes: [] };
let makingSong = false;

function show(next) {
  state = next;
  const most = state.limits.max_upload_bytes;
  uploads.mostBytes = most;
  tell(byId("drop-hint"), Number.isFinite(most) ? t("drop_hint", size(most)) : null);
  uploads.listed(state.stems);
  for (const stem of state.stems) rowOf(stems, stem.stem_id, () => newStem(stem)).update(stem);
  state.mixes.forEach((mix, index) => {
    rowOf(mixes, mix.mix_id, () => newMix(mix, index + 1)).update(mix, namesOf(mix));
  });
  forget(stems, state.stems.map((stem) => stem.stem_id));
  forget(mixes, state.mixes.map((mix) => mix.mix_id));
  showSections();
}

function rowOf(rows, id, make) {
  if (!rows.has(id)) rows.set(id, make());
  return rows.get(id);
}

function newStem(stem) {
  const row = new StemRow(stem, () => mixer.show());
  // Uploads on their way stay last.
  byId("stem-list").insertBefore(row.row, byId("stem-list").querySelector(".upload"));
  return row;
}

function newMix(mix, number) {
  const row = new MixRow(mix, number);
  byId("mix-list").prepend(row.row);
  return row;
}

/** Take away the rows of what the studio has no more: one that was started anew, say. */
function forget(rows, ids) {
  for (const [id, row] of rows) {
    if (ids.includes(id)) continue;
    row.player?.close();
    row.row.remove();
    rows.delete(id);
  }
}

function namesOf(mix) {
  const names = new Map(state.stems.map((stem) => [stem.stem_id, stem.name]));
  return mix.stem_ids.map((id) => names.get(id) ?? id);
}

function showSections() {
  const busy = [...stems.values()].filter((row) => !row.ended).length;
  const empty = state.stems.length + uploads.all.length === 0;
  byId("drop").classList.toggle("empty", empty);
  byId("stems").hidden = empty;
  byId("mixes").hidden = state.mixes.length === 0;
  byId("everything").hidden = state.stems.length === 0;
  byId("stems-count").textContent = t("stems_count", state.stems.length, busy);
  mixer.show();
}

async function song() {
  makingSong = true;
  showSong();
  tell(byId("song-problem"), null);
  try {
    await api.startSong();
  } catch (error) {
    if (!(error instanceof api.Refused)) throw error;
    tell(byId("song-problem"), error.message);
  } finally {
    makingSong = false;
    showSong();
  }
}

function showSong() {
  byId("song").disabled = makingSong;
  byId("song").textContent = t(makingSong ? "song_busy" : "song");
}

function relabel() {
  translate(document);
  const other = currentLanguage() === "ko" ? "en" : "ko";
  byId("language").textContent = t("other_language");
  byId("language").lang = other;
  byId("language").onclick = () => {
    setLanguage(other);
    relabel();
  };
  byId("everything").setAttribute("aria-label", t("everything"));
  showSong();
  relabelBanner();
  uploads.relabel();
  show(state);
}

takeFiles((files) => uploads.add(files));
byId("song").addEventListener("click", song);
relabel();
follow((next) => {
  show(next);
  byId("main").classList.remove("waiting");
});
