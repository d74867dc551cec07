/** What the main server asks of WaveFlow, as the queue carries it. */

// #region fields
interface OfStem {
  /** Becomes part of keys: up to 128 letters, digits, `.`, `_`, `-`. */
  stemId: string;
  userId: string;
  /** Duplicates are looked for within a track. */
  trackId: string;
  /** The stem's key, as it is: not URL-encoded. */
  filepath: string;
}

export interface HashRequest extends OfStem {
  stageId?: string;
  /** These two come back in `/hash-check`. */
  timestamp?: string | number;
  original_filename?: string;
}

export interface DuplicateRequest extends OfStem {
  audio_hash: string;
}

export interface AnalysisRequest extends OfStem {
  /** Compared with the file's, and logged if it differs. */
  audio_hash?: string;
  original_filename?: string;
  timestamp?: string | number;
  /** Comes back in `/completion`, for whatever it helps you with. */
  upstreamId?: string;
  /** 1 to 4000; 4000 when it is left out. */
  num_peaks?: number;
}

export interface MixRequest {
  /** Becomes part of keys, like `stemId`. */
  stageId: string;
  /** Keys; one or more. */
  stem_paths: string[];
  upstreamId?: string;
}

export type Task =
  | { task: 'app.tasks.generate_hash_and_webhook'; kwargs: HashRequest }
  | { task: 'app.tasks.process_duplicate_file'; kwargs: DuplicateRequest }
  | { task: 'app.tasks.process_audio_analysis'; kwargs: AnalysisRequest }
  | { task: 'app.tasks.mix_stems_and_upload'; kwargs: MixRequest };
// #endregion fields
