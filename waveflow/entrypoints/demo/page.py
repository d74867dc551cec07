"""The stand-in main server's one page: upload stems, see their waveforms, hear the mix."""

from __future__ import annotations

PAGE = b"""\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>WaveFlow</title>
<style>
  body { font: 16px/1.5 sans-serif; max-width: 50rem; margin: 2rem auto; padding: 0 1rem }
  table { border-collapse: collapse; width: 100% }
  td { border-top: 1px solid #ccc; padding: .3rem .5rem; vertical-align: middle }
  canvas { width: 100%; height: 3rem; display: block }
  audio { width: 100% }
</style>
<h1>WaveFlow</h1>
<p><label>Upload stems: <input type="file" id="files" multiple></label> <span id="note"></span></p>
<p id="away"></p>
<table id="stems"></table>
<h2>Mix</h2>
<div id="mix">none yet</div>
<script>
const at = key => "/objects/" + key.split("/").map(encodeURIComponent).join("/");
const element = id => document.getElementById(id);
const shown = {};
let mixed = null;

element("files").onchange = async event => {
  for (const file of event.target.files) {
    element("note").textContent = "uploading " + file.name;
    try {
      const answer = await fetch("/stems/" + encodeURIComponent(file.name),
                                 {method: "PUT", body: file});
      if (!answer.ok) throw (await answer.json()).error;
      element("note").textContent = "";
    } catch (problem) {
      element("note").textContent = file.name + ": " + problem;
      break;
    }
  }
  event.target.value = "";
};

async function draw(canvas, key) {
  const {peaks} = await (await fetch(at(key))).json();
  canvas.width = 1000; canvas.height = 60;
  const pen = canvas.getContext("2d");
  peaks.forEach((peak, index) => pen.fillRect(
    index * 1000 / peaks.length, 30 - 30 * peak, 1, Math.max(1, 60 * peak)));
}

function progress(stem) {
  if (stem.error) return stem.error;
  if (stem.verdict === "duplicate") return stem.status ? "duplicate, deleted" : "duplicate";
  return stem.status ? "" : stem.verdict ? "new, waiting for its waveform" : "waiting";
}

function row(stem) {
  const line = element("stems").insertRow();
  line.insertCell().textContent = stem.name;
  line.insertCell().textContent = progress(stem);
  const last = line.insertCell();
  last.style.width = "50%";
  if (stem.waveform) draw(last.appendChild(document.createElement("canvas")), stem.waveform);
  return line;
}

async function look() {
  let state;
  try {
    state = await (await fetch("/stems")).json();
    element("away").textContent = "";
  } catch {
    element("away").textContent = "The stand-in does not answer.";
    return;
  }
  const text = JSON.stringify(state.stems);
  if (text !== shown.text) {
    shown.text = text;
    element("stems").replaceChildren();
    state.stems.forEach(row);
  }
  if (!state.mix && mixed !== state.mix_error) {
    mixed = state.mix_error;
    element("mix").textContent = mixed || "none yet";
  }
  if (state.mix && state.mix !== mixed) {
    mixed = state.mix;
    const canvas = document.createElement("canvas"), sound = document.createElement("audio");
    sound.controls = true; sound.src = at(state.mix);
    element("mix").replaceChildren(canvas, sound);
    draw(canvas, state.mix_waveform);
  }
}
look();
setInterval(look, 1000);
</script>
</html>
"""
