/** Reading waveforms with waveform-data: the JSON, or a `.dat` of 8 or 16 bits. */
import WaveformData from 'waveform-data';

// #region read
/** `content` is the JSON, parsed, or the bytes of a `.dat` (an ArrayBuffer). */
export function readWaveform(content) {
  return WaveformData.create(content);
}

/**
 * As many pixels as a canvas is wide, each from the lowest to the highest sample, -1 to 1.
 *
 * With the JSON's `amplitude` they are as loud as they are; without, its largest is 1.
 * A `.dat` is absolute: its amplitude is 1.
 */
export function pixelsOf(waveform, width, amplitude = 1) {
  // It can take pixels together, but not apart: a short recording is narrower than the canvas.
  const fitted = width < waveform.length ? waveform.resample({ width }) : waveform;
  const step = amplitude / (2 ** (fitted.bits - 1) - 1);
  const channel = fitted.channel(0);
  return Array.from({ length: fitted.length }, (_, index) => ({
    low: channel.min_sample(index) * step,
    high: channel.max_sample(index) * step,
  }));
}
// #endregion read

// #region draw
/** A canvas of your own, without any library that draws. */
export function drawOnCanvas(canvas, waveform, amplitude = 1) {
  const pen = canvas.getContext('2d');
  const middle = canvas.height / 2;
  pixelsOf(waveform, canvas.width, amplitude).forEach(({ low, high }, x) => {
    pen.fillRect(x, middle - high * middle, 1, Math.max(1, (high - low) * middle));
  });
}
// #endregion draw
