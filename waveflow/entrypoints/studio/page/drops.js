// Files that are dropped anywhere on the page, or picked.

import { byId } from "./dom.js";

/** Have `onFiles` told arrays of files, however they come. */
export function takeFiles(onFiles) {
  const input = byId("files");
  byId("choose-files").addEventListener("click", () => input.click());
  input.addEventListener("change", () => {
    onFiles([...input.files]);
    input.value = "";
  });
  takeDrops(onFiles);
}

function takeDrops(onFiles) {
  const veil = (shows) => (byId("veil").hidden = !shows);
  const listen = (kind, act) =>
    window.addEventListener(kind, (event) => {
      if (![...event.dataTransfer.types].includes("Files")) return;
      event.preventDefault();
      act(event);
    });
  listen("dragenter", () => veil(true));
  listen("dragover", (event) => {
    event.dataTransfer.dropEffect = "copy";
    veil(true);
  });
  listen("drop", async (event) => {
    veil(false);
    onFiles(await dropped(event.dataTransfer));
  });
  // It leaves each element that it passes; only the window has nothing beyond it.
  window.addEventListener("dragleave", (event) => event.relatedTarget ?? veil(false));
}

async function dropped(transfer) {
  // Entries are only there until the first pause.
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.() ?? null);
  if (!entries.some((entry) => entry?.isDirectory)) return [...transfer.files];
  return (await Promise.all(entries.filter(Boolean).map(inside))).flat();
}

/** All files of an entry: itself, or what is in the folder and those below it. */
async function inside(entry) {
  if (entry.isFile) return [await new Promise((resolve, reject) => entry.file(resolve, reject))];
  const reader = entry.createReader();
  const found = [];
  // A reader gives some at a time, and none at the end.
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) return found;
    for (const one of some) found.push(...(await inside(one)));
  }
}
