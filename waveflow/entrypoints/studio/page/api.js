// What the page asks the studio for. Refusals become errors with a sentence for people.

import { t } from "./words.js";

// No form and no link of another site can send this header.
const OURS = { "X-Waveflow": "1" };

/** A refusal: its message is the sentence to show. */
export class Refused extends Error {}

export function path(kind, id, what, query = "") {
  return `/api/${kind}/${encodeURIComponent(id)}/${what}${query}`;
}

export async function startSong() {
  await asked("/api/song", { method: "POST", headers: OURS });
}

/** Have the stems mixed; returns the mix's id. */
export async function startMix(stemIds) {
  const answer = await asked("/api/mixes", {
    method: "POST",
    headers: { ...OURS, "Content-Type": "application/json" },
    body: JSON.stringify({ stem_ids: stemIds }),
  });
  return (await answer.json()).mix_id;
}

export async function waveform(kind, id) {
  return (await asked(path(kind, id, "waveform"))).json();
}

/** How the studio answers now: a status, or null when it doesn't. */
export async function status() {
  try {
    return (await fetch("/api/state", { cache: "no-store" })).status;
  } catch {
    return null;
  }
}

async function asked(address, options) {
  let answer;
  try {
    answer = await fetch(address, options);
  } catch {
    throw new Refused(t("lost"));
  }
  if (!answer.ok) throw new Refused(sentence(await answer.text()) ?? t("refused"));
  return answer;
}

function sentence(body) {
  try {
    return JSON.parse(body).error;
  } catch {
    return null;
  }
}

/**
 * Upload one file; `onProgress` is told the part that is sent, 0 to 1. Returns
 * `{done, cancel}`: a promise of the stem's id, and a function. A cancelled one resolves to null.
 */
export function upload(file, onProgress) {
  // fetch has no progress of what is sent.
  const request = new XMLHttpRequest();
  const done = new Promise((resolve, reject) => {
    request.upload.onprogress = (event) => onProgress(event.total ? event.loaded / event.total : 1);
    request.onabort = () => resolve(null);
    request.onerror = () => reject(new Refused(t("upload_lost")));
    request.onload = () => {
      const { status, responseText: body } = request;
      if (status === 201) resolve(JSON.parse(body).stem_id);
      else reject(new Refused(sentence(body) ?? t("upload_refused", status)));
    };
  });
  request.open("PUT", `/api/stems?name=${encodeURIComponent(file.name)}`);
  request.setRequestHeader("X-Waveflow", OURS["X-Waveflow"]);
  request.setRequestHeader("Content-Type", "application/octet-stream");
  request.send(file);
  return { done, cancel: () => request.abort() };
}
