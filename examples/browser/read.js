/** What waveform-data reads in a file, as JSON: `node read.js song.json`, `node read.js song.dat`. */
import { readFileSync } from 'node:fs';

import { pixelsOf, readWaveform } from './waveform-data.js';

const [path, ...options] = process.argv.slice(2);
const bytes = readFileSync(path);
const isJson = bytes.subarray(0, 1).toString() === '{';
// A Buffer of Node is a part of a larger ArrayBuffer.
const own = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length);
const waveform = readWaveform(isJson ? JSON.parse(bytes) : own);

function described(one) {
  const channels = Array.from({ length: one.channels }, (_, index) => one.channel(index));
  return {
    channels: one.channels,
    bits: one.bits,
    length: one.length,
    sample_rate: one.sample_rate,
    scale: one.scale,
    duration: one.duration,
    low: channels.map((channel) => channel.min_array()),
    high: channels.map((channel) => channel.max_array()),
  };
}

const found = { whole: described(waveform) };
for (const option of options) {
  const [name, value] = option.split('=');
  if (name === 'width') found.pixels = pixelsOf(waveform, Number(value));
  else found.resampled = described(waveform.resample({ [name]: Number(value) }));
}
process.stdout.write(JSON.stringify(found));
