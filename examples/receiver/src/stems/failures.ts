/** Who mends what, by the `code` of a failure. */

// #region failures
/** The musician can mend it: show `error`, which says how. */
export const MUSICIANS_TO_MEND: ReadonlySet<string> = new Set([
  'object_not_found',
  'empty_file',
  'file_too_large',
  'audio_too_long',
  'not_audio',
  'unsupported_format',
  'unsupported_encoding',
  'invalid_audio',
  'audio_truncated',
  'audio_not_finite',
  'decoder_crashed',
  'decoder_timeout',
  'decoder_out_of_memory',
  'mix_too_long',
]);

/** WaveFlow would not delete the "duplicate". The file is there, so it is a stem like any other. */
export const KEPT: ReadonlySet<string> = new Set([
  'last_copy',
  'unknown_content',
  'content_changed',
  'owner_lost',
]);

/** Neither: somebody has to look at the server or at WaveFlow. */
export function isForOperators(code: string): boolean {
  return !MUSICIANS_TO_MEND.has(code) && !KEPT.has(code);
}
// #endregion failures
