/** What becomes of stems when webhooks come early, late, or a second time. */
import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

import service from '../dist/stems/stems.service.js';

const ANALYSIS = 'app.tasks.process_audio_analysis';
const MIX = 'app.tasks.mix_stems_and_upload';
const KEPT = 'users/u1/kept.wav';

let sent;
let onSend;
let stems;

beforeEach(() => {
  sent = [];
  onSend = async () => {};
  stems = new service.StemsService({
    async send(_, task) {
      sent.push(task);
      await onSend(task);
    },
  });
});

async function uploaded(...filepaths) {
  const uploads = filepaths.map((filepath) => ({ filepath, originalFilename: filepath }));
  const stage = await stems.uploaded('u1', 't1', uploads);
  return [stage, ...stage.stemIds.map((stemId) => stems.stem(stemId))];
}

const hashed = (stem, duplicate_of = null) =>
  stems.hashed({
    stemId: stem.stemId,
    audio_hash: 'ab',
    owner: duplicate_of === null ? 'self' : 'other',
    duplicate_of,
  });
const completed = (stem, status, result) =>
  stems.completed({ stemId: stem.stemId, status, result });
const analysed = (stem) => completed(stem, 'SUCCESS', { duration: 1, waveform_data_path: 'w.json' });
const removed = (stem) => completed(stem, 'SUCCESS', { isDuplicate: true });
const failed = (stem, code) => completed(stem, 'FAILED', { error: 'It failed.', code });
const mixes = () => sent.filter((task) => task.task === MIX).map((task) => task.kwargs.stem_paths);

test('a result that is here before the message was answered for is not overwritten', async () => {
  const [stage, stem] = await uploaded('a.wav');
  onSend = (task) => (task.task === ANALYSIS ? analysed(stem) : undefined);
  await hashed(stem);
  assert.deepEqual([stem.step, stage.step], ['done', 'mixing']);
});

test('nor is that of a copy that was not deleted', async () => {
  const [stage, stem] = await uploaded('a.wav');
  await hashed(stem, KEPT);
  onSend = (task) => (task.task === ANALYSIS ? analysed(stem) : undefined);
  await failed(stem, 'last_copy');
  assert.deepEqual([stem.step, stage.step, stem.duplicateOf], ['done', 'mixing', null]);
});

test('a message that was not sent is sent by the next delivery', async () => {
  const [, stem] = await uploaded('a.wav');
  onSend = async () => {
    throw new Error('the queue is away');
  };
  await assert.rejects(hashed(stem), /away/);
  onSend = async () => {};
  await hashed(stem);
  assert.equal(sent.filter((task) => task.task === ANALYSIS).length, 2);
  onSend = async () => {
    throw new Error('the queue is away');
  };
  await assert.rejects(analysed(stem), /away/);
  onSend = async () => {};
  await analysed(stem);
  assert.deepEqual(mixes(), [['a.wav'], ['a.wav']]);
});

test('of a stem that failed and was re-driven the failure is forgotten', async () => {
  const [, stem] = await uploaded('a.wav');
  await hashed(stem);
  await failed(stem, 'internal_error');
  assert.equal(stem.failure.code, 'internal_error');
  await analysed(stem);
  assert.deepEqual([stem.step, stem.failure], ['done', null]);
});

test('the copy that is kept plays in the place of one that was deleted, once', async () => {
  const [, a, copyOfA, copyOfAnother, broken] = await uploaded('a.wav', 'b.wav', 'c.wav', 'd.wav');
  await hashed(a);
  await hashed(copyOfA, 'a.wav');
  await hashed(copyOfAnother, KEPT);
  await analysed(a);
  await removed(copyOfA);
  await failed(broken, 'not_audio');
  assert.deepEqual(mixes(), []);
  await removed(copyOfAnother);
  assert.deepEqual(mixes(), [['a.wav', KEPT]]);
});

test('the copy of a file that cannot be read does not spoil the mix', async () => {
  const [, a, broken, copyOfBroken] = await uploaded('a.wav', 'b.wav', 'c.wav');
  await hashed(a);
  await hashed(broken);
  await hashed(copyOfBroken, 'b.wav');
  await removed(copyOfBroken);
  await failed(broken, 'not_audio');
  await analysed(a);
  assert.deepEqual(mixes(), [['a.wav']]);
});

test('a mix that is here though its message seemed not to be sent is kept', async () => {
  const [stage, stem] = await uploaded('a.wav');
  await hashed(stem);
  onSend = async () => {
    await stems.mixed({ stageId: stage.stageId, status: 'SUCCESS', mixed_file_path: 'mix.wav' });
    throw new Error('no answer in time');
  };
  await assert.rejects(analysed(stem), /no answer/);
  await analysed(stem);
  assert.deepEqual([stage.step, stage.mixPath, mixes().length], ['done', 'mix.wav', 1]);
});
