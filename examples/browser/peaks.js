/** Drawing a waveform with peaks.js 4: an overview, and a view that zooms. */
import Peaks from 'peaks.js';

import { fetchJson } from './wavesurfer.js';

// #region dat
/** From a `.dat` of 8 bits, which has a pixel for each 512 samples: enough to zoom in. */
export function drawWithPeaks({ overview, zoomview, audio }, datAddress) {
  return init({
    overview: { container: overview },
    zoomview: { container: zoomview },
    mediaElement: audio,
    dataUri: { arraybuffer: datAddress },
    zoomLevels: [512, 1024, 2048, 4096],
  });
}

function init(options) {
  return new Promise((succeed, fail) => {
    Peaks.init(options, (error, peaks) => (error ? fail(error) : succeed(peaks)));
  });
}
// #endregion dat

// #region json
/** From the JSON alone, as it is: the overview. Each stem fills the height. */
export async function drawOverview({ overview, audio }, waveformAddress) {
  return init({
    overview: { container: overview },
    mediaElement: audio,
    dataUri: { json: waveformAddress },
  });
}

/** The same, but quiet stems look quiet. */
export async function drawOverviewAsLoudAsItIs({ overview, audio }, waveformAddress) {
  const waveform = await fetchJson(waveformAddress);
  const peaks = await init({
    overview: { container: overview },
    mediaElement: audio,
    waveformData: { json: waveform },
  });
  peaks.views.getView('overview').setAmplitudeScale(waveform.amplitude);
  return peaks;
}
// #endregion json
