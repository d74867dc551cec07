/**
 * The bodies of WaveFlow's webhooks. There may be more keys than these: later versions add some,
 * and none is ever taken away.
 */
import { BadRequestException } from '@nestjs/common';

// #region hash-check
interface Hashed {
  stemId: string;
  userId: string | null;
  trackId: string | null;
  stageId: string | null;
  /** Key of the stem in the bucket. */
  filepath: string;
  /** SHA-256 of its bytes, 64 hexadecimal digits. */
  audio_hash: string;
  /** As the message said it. */
  timestamp: string | number | null;
  original_filename: string;
  status: 'hash_generated';
}

export type HashCheck = Hashed &
  ( // Whose the content is, in this track.
    | { owner: 'self'; duplicate_of: null }
    | { owner: 'other'; duplicate_of: string }
  );
// #endregion hash-check

// #region completion
export interface Failure {
  /** One sentence for the musician: what is wrong, and what to do. */
  error: string;
  /** The same for ever; `failures.ts` has all of them. */
  code: string;
}

interface Analyzed {
  isDuplicate?: never;
  audio_data_hash: string;
  waveform_data_path: string;
  file_size: number;
  /** Seconds. */
  duration: number;
  sample_rate: number;
  num_peaks: number;
  /** With WAVEFLOW_LEVELS only. */
  levels?: Levels;
  /** With WAVEFLOW_DAT_BITS only. */
  waveform_dat_path?: string;
}

interface DuplicateDeleted {
  isDuplicate: true;
  action: 'duplicate_deleted';
  audio_data_hash: string;
}

interface Completed {
  stemId: string;
  userId: string | null;
  trackId: string | null;
  upstreamId: string | null;
  timestamp: string;
  original_filename: string | null;
  /** Seconds. */
  processing_time: number;
}

export type Completion = Completed &
  (
    | { status: 'SUCCESS'; result: Analyzed; audio_wave_path: string }
    | { status: 'SUCCESS'; result: DuplicateDeleted; audio_wave_path: null }
    | { status: 'FAILED'; result: Failure; audio_wave_path: null }
  );
// #endregion completion

// #region mixing-complete
interface Mixed {
  stageId: string;
  upstreamId: string | null;
  /** `id` of the message that asked for the mix. */
  task_id: string;
  stem_count: number;
  stem_paths: string[];
  processed_at: string;
}

export type MixingComplete = Mixed &
  (
    | {
        status: 'SUCCESS';
        mixed_file_path: string;
        waveform_data_path: string;
        levels?: Levels;
        waveform_dat_path?: string;
      }
    | { status: 'FAILED'; mixed_file_path: null; waveform_data_path: null; result: Failure }
  );
// #endregion mixing-complete

// #region levels
interface ChannelLevels {
  /** dB relative to full scale, between samples as well; null for silence, as all dB here. */
  true_peak_dbtp: number | null;
  sample_peak_dbfs: number | null;
  rms_dbfs: number | null;
  clipped_samples: number;
  dc_offset: number;
  silent: boolean;
}

export interface Levels extends ChannelLevels {
  /** Loudness as streaming services measure it (ITU-R BS.1770); null below -70 LUFS. */
  integrated_lufs: number | null;
  /** Null where there is too little to compare. */
  loudness_range_lu: number | null;
  leading_silence_s: number;
  trailing_silence_s: number;
  channels: ChannelLevels[];
}
// #endregion levels

/** The body as `/hash-check` has it. Whoever signs them is trusted for the rest of the keys. */
export function hashCheck(body: unknown): HashCheck {
  const { stemId, status, owner } = fieldsOf(body);
  expect(typeof stemId === 'string', 'stemId');
  expect(status === 'hash_generated', 'status');
  expect(owner === 'self' || owner === 'other', 'owner');
  return body as HashCheck;
}

/** The body as `/completion` has it. */
export function completion(body: unknown): Completion {
  const { stemId, status, result } = fieldsOf(body);
  expect(typeof stemId === 'string', 'stemId');
  expect(status === 'SUCCESS' || status === 'FAILED', 'status');
  expect(typeof result === 'object' && result !== null, 'result');
  return body as Completion;
}

/** The body as `/mixing-complete` has it. */
export function mixingComplete(body: unknown): MixingComplete {
  const { stageId, status } = fieldsOf(body);
  expect(typeof stageId === 'string', 'stageId');
  expect(status === 'SUCCESS' || status === 'FAILED', 'status');
  return body as MixingComplete;
}

function fieldsOf(body: unknown): Record<string, unknown> {
  expect(typeof body === 'object' && body !== null && !Array.isArray(body), 'the body');
  return body as Record<string, unknown>;
}

function expect(condition: boolean, what: string): asserts condition {
  if (!condition) throw new BadRequestException(`${what} is not as WaveFlow sends it.`);
}
