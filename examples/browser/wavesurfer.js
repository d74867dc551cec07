/** Drawing a waveform with wavesurfer.js 7, without decoding the audio. */
import WaveSurfer from 'wavesurfer.js';

// #region draw
/** `audio` and `waveform` are addresses: of the stem or the mix, and of its waveform's JSON. */
export async function drawWithWavesurfer(container, { audio, waveform }) {
  const { peaks, duration } = await fetchJson(waveform);
  return WaveSurfer.create({
    container,
    url: audio,
    peaks: [peaks], // With peaks and duration nothing is decoded: the audio is only played.
    duration,
    height: 96,
    waveColor: '#4f46e5',
    progressColor: '#a5b4fc',
  });
}
// #endregion draw

// #region loud
/** The same, but quiet stems look quiet: of several below each other, each has its own level. */
export async function drawAsLoudAsItIs(container, { audio, waveform }) {
  const { peaks, duration, amplitude } = await fetchJson(waveform);
  const absolute = peaks.map((peak) => peak * Math.min(amplitude, 1)); // 1.0 is full scale
  return WaveSurfer.create({ container, url: audio, peaks: [absolute], duration, height: 96 });
}
// #endregion loud

// #region fetch
export async function fetchJson(address) {
  const answer = await fetch(address);
  if (!answer.ok) throw new Error(`The waveform can't be fetched: ${answer.status}.`);
  return answer.json();
}
// #endregion fetch
