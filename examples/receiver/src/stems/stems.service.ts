/**
 * The platform's part: which step comes next for a stem and its stage.
 *
 * All of it lies in memory. A real server has a database, and does everything that one webhook
 * leads to in the transaction of the inbox.
 */
import { Injectable, Logger, NotFoundException } from '@nestjs/common';
import { randomUUID } from 'node:crypto';

import type { Completion, Failure, HashCheck, Levels, MixingComplete } from '../webhooks/bodies';
import { isForOperators, KEPT } from './failures';
import { WaveflowQueue } from './waveflow.queue';

export interface Upload {
  filepath: string;
  originalFilename: string;
}

/** The paths are null until there is something. */
interface Drawn {
  waveformPath: string | null;
  datPath: string | null;
  levels: Levels | null;
}

const NOTHING_YET: Drawn = { waveformPath: null, datPath: null, levels: null };

export interface Stem extends Upload, Drawn {
  stemId: string;
  stageId: string;
  userId: string;
  trackId: string;
  step: 'hashing' | 'analyzing' | 'removing' | 'done' | 'duplicate' | 'failed';
  audioHash: string | null;
  /** Key of the copy that is kept. */
  duplicateOf: string | null;
  durationS: number | null;
  failure: Failure | null;
}

export interface Stage extends Drawn {
  stageId: string;
  stemIds: string[];
  step: 'collecting' | 'mixing' | 'done' | 'failed';
  mixPath: string | null;
  failure: Failure | null;
}

@Injectable()
export class StemsService {
  private readonly log = new Logger(StemsService.name);
  private readonly stems = new Map<string, Stem>();
  private readonly stages = new Map<string, Stage>();

  constructor(private readonly queue: WaveflowQueue) {}

  stem(stemId: string): Stem {
    const stem = this.stems.get(stemId);
    if (!stem) throw new NotFoundException(`There is no stem ${stemId}.`);
    return stem;
  }

  stage(stageId: string): Stage {
    const stage = this.stages.get(stageId);
    if (!stage) throw new NotFoundException(`There is no stage ${stageId}.`);
    return stage;
  }

  /** The uploads of a stage are in the bucket: have them hashed. */
  async uploaded(userId: string, trackId: string, uploads: Upload[]): Promise<Stage> {
    const stageId = randomUUID();
    const stems = uploads.map((upload) => newStem(upload, { stageId, userId, trackId }));
    const stemIds = stems.map((stem) => stem.stemId);
    const stage: Stage = {
      ...NOTHING_YET,
      stageId,
      stemIds,
      step: 'collecting',
      mixPath: null,
      failure: null,
    };
    this.stages.set(stageId, stage);
    for (const stem of stems) this.stems.set(stem.stemId, stem);
    await Promise.all(stems.map((stem) => this.sendHashRequest(stem)));
    return stage;
  }

  // #region hashed
  async hashed(event: HashCheck): Promise<void> {
    const stem = this.known(event.stemId);
    if (!stem) return;
    const isCopy = event.owner === 'other';
    // Before the message is sent: its result may be here before `send` returns.
    Object.assign(stem, {
      step: isCopy ? 'removing' : 'analyzing',
      audioHash: event.audio_hash,
      duplicateOf: event.duplicate_of,
      failure: null,
    });
    if (isCopy) await this.sendDuplicateRequest(stem, event.audio_hash);
    else await this.sendAnalysisRequest(stem, event.audio_hash);
  }
  // #endregion hashed

  // #region completed
  async completed(event: Completion): Promise<void> {
    const stem = this.known(event.stemId);
    if (!stem) return;
    if (event.status === 'FAILED') {
      if (KEPT.has(event.result.code)) {
        Object.assign(stem, { step: 'analyzing', duplicateOf: null });
        await this.sendAnalysisRequest(stem, stem.audioHash); // The file is there after all.
        return;
      }
      this.fail(stem, event.result);
    } else if (event.result.isDuplicate) {
      Object.assign(stem, { step: 'duplicate', failure: null }); // Show the stem that is kept.
    } else {
      Object.assign(stem, {
        step: 'done',
        durationS: event.result.duration,
        waveformPath: event.result.waveform_data_path,
        datPath: event.result.waveform_dat_path ?? null,
        levels: event.result.levels ?? null,
        failure: null, // of an earlier try, before an operator re-drove it
      });
    }
    await this.mixIfComplete(this.stage(stem.stageId));
  }

  private fail(stem: Stem, failure: Failure): void {
    stem.step = 'failed';
    stem.failure = failure;
    if (isForOperators(failure.code)) this.log.error(`${stem.stemId}: ${failure.code}`);
  }
  // #endregion completed

  // #region mixed
  async mixed(event: MixingComplete): Promise<void> {
    const stage = this.stages.get(event.stageId);
    if (!stage) return this.log.warn(`a mix of the unknown stage ${event.stageId}`);
    if (event.status === 'FAILED') {
      stage.step = 'failed';
      stage.failure = event.result;
      return;
    }
    Object.assign(stage, {
      step: 'done',
      mixPath: event.mixed_file_path,
      waveformPath: event.waveform_data_path,
      datPath: event.waveform_dat_path ?? null,
      levels: event.levels ?? null,
      failure: null,
    });
  }
  // #endregion mixed

  /** Another server's, or long gone. Answered with 2xx, or it would come again and again. */
  private known(stemId: string): Stem | undefined {
    const stem = this.stems.get(stemId);
    if (!stem) this.log.warn(`a webhook about the unknown stem ${stemId}`);
    return stem;
  }

  private async mixIfComplete(stage: Stage): Promise<void> {
    const stems = stage.stemIds.map((stemId) => this.stem(stemId));
    const settled = stems.every((stem) => ['done', 'duplicate', 'failed'].includes(stem.step));
    const paths = new Set(stems.flatMap((stem) => this.playedFrom(stem)));
    if (stage.step !== 'collecting' || !settled || paths.size === 0) return;
    stage.step = 'mixing'; // before the first await: two completions may be here at once
    try {
      await this.sendMixRequest(stage, [...paths]);
    } catch (error) {
      if (stage.step === 'mixing') stage.step = 'collecting'; // it may have been sent all the same
      throw error;
    }
  }

  /** A copy is gone from the bucket: the one that is kept plays in its place, if it can. */
  private playedFrom({ step, filepath, duplicateOf }: Stem): string[] {
    if (step === 'done') return [filepath];
    if (step !== 'duplicate' || duplicateOf === null) return [];
    const kept = [...this.stems.values()].find((stem) => stem.filepath === duplicateOf);
    return kept?.step === 'failed' ? [] : [duplicateOf];
  }

  // #region requests
  private sendHashRequest(stem: Stem): Promise<void> {
    return this.queue.send(`hash-${stem.stemId}`, {
      task: 'app.tasks.generate_hash_and_webhook',
      kwargs: {
        ...ofStem(stem),
        stageId: stem.stageId,
        timestamp: new Date().toISOString(),
        original_filename: stem.originalFilename,
      },
    });
  }

  private sendDuplicateRequest(stem: Stem, audioHash: string): Promise<void> {
    return this.queue.send(`duplicate-${stem.stemId}`, {
      task: 'app.tasks.process_duplicate_file',
      kwargs: { ...ofStem(stem), audio_hash: audioHash },
    });
  }

  private sendAnalysisRequest(stem: Stem, audioHash: string | null): Promise<void> {
    return this.queue.send(`analysis-${stem.stemId}`, {
      task: 'app.tasks.process_audio_analysis',
      kwargs: {
        ...ofStem(stem),
        ...(audioHash && { audio_hash: audioHash }),
        original_filename: stem.originalFilename,
        upstreamId: stem.stageId,
      },
    });
  }

  private sendMixRequest(stage: Stage, stemPaths: string[]): Promise<void> {
    return this.queue.send(`mix-${stage.stageId}`, {
      task: 'app.tasks.mix_stems_and_upload',
      kwargs: { stageId: stage.stageId, stem_paths: stemPaths },
    });
  }
  // #endregion requests
}

function ofStem({ stemId, userId, trackId, filepath }: Stem) {
  return { stemId, userId, trackId, filepath };
}

function newStem(upload: Upload, of: Pick<Stem, 'stageId' | 'userId' | 'trackId'>): Stem {
  return {
    ...upload,
    ...of,
    ...NOTHING_YET,
    stemId: randomUUID(),
    step: 'hashing',
    audioHash: null,
    duplicateOf: null,
    durationS: null,
    failure: null,
  };
}
