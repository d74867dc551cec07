/** Draws the files that the address names: `?audio=song.wav&waveform=song.json&dat=song.dat`. */
import { drawOverview, drawOverviewAsLoudAsItIs, drawWithPeaks } from './peaks.js';
import { drawOnCanvas, readWaveform } from './waveform-data.js';
import { drawAsLoudAsItIs, drawWithWavesurfer, fetchJson } from './wavesurfer.js';

const element = (id) => document.getElementById(id);
const { audio: song, waveform, dat } = Object.fromEntries(new URLSearchParams(location.search));
const audio = element('audio');
audio.src = song;

const drawn = {
  wavesurfer: await drawWithWavesurfer(element('wavesurfer'), { audio: song, waveform }),
  loud: await drawAsLoudAsItIs(element('loud'), { audio: song, waveform }),
  peaks: await drawWithPeaks(
    { overview: element('overview'), zoomview: element('zoomview'), audio },
    dat,
  ),
  json: await drawOverview({ overview: element('json'), audio }, waveform),
  loudJson: await drawOverviewAsLoudAsItIs({ overview: element('loud-json'), audio }, waveform),
};
const content = await fetchJson(waveform);
drawOnCanvas(element('canvas'), readWaveform(content), content.amplitude);

// For whoever tries it in the browser's console.
Object.assign(window, { drawn, drawWithPeaks });
document.body.dataset.drawn = 'yes';
