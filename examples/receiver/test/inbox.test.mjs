/** The inbox, with deliveries that come at once, fail, and come again after weeks. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import inbox from '../dist/webhooks/inbox.js';

const DAY_MS = 24 * 3600 * 1000;

/** Work that ends when it is told to. */
function held() {
  const work = { done: 0 };
  const ended = new Promise((succeed, fail) => Object.assign(work, { succeed, fail }));
  work.run = () => ended.then(() => void work.done++);
  return work;
}

test('a second delivery does nothing', async () => {
  const box = new inbox.InMemoryInbox();
  const work = held();
  work.succeed();
  assert.equal(await box.once('msg_1', work.run), 'taken');
  assert.equal(await box.once('msg_1', work.run), 'repeated');
  assert.equal(work.done, 1);
});

test('deliveries at once wait for the first', async () => {
  const box = new inbox.InMemoryInbox();
  const work = held();
  const all = [1, 2, 3, 4].map(() => box.once('msg_1', work.run));
  const other = held();
  other.succeed();
  assert.equal(await box.once('msg_2', other.run), 'taken'); // which nobody waits for
  assert.equal(work.done, 0);
  work.succeed();
  assert.deepEqual(await Promise.all(all), ['taken', 'repeated', 'repeated', 'repeated']);
  assert.equal(work.done, 1);
});

test('what failed is done by the next, also by one that waits', async () => {
  const box = new inbox.InMemoryInbox();
  const [first, second] = [held(), held()];
  const failing = box.once('msg_1', first.run);
  const waiting = [box.once('msg_1', second.run), box.once('msg_1', second.run)];
  first.fail(new Error('the database is away'));
  await assert.rejects(failing, /the database is away/);
  second.succeed();
  assert.deepEqual(await Promise.all(waiting), ['taken', 'repeated']);
  assert.deepEqual([first.done, second.done], [0, 1]);
});

test('work that throws at once is not noted either', async () => {
  const box = new inbox.InMemoryInbox();
  const broken = () => {
    throw new Error('no such stem');
  };
  await assert.rejects(box.once('msg_1', broken), /no such stem/);
  assert.equal(await box.once('msg_1', async () => {}), 'taken');
});

test('ids are kept for fifteen days', async () => {
  let now = 0;
  const box = new inbox.InMemoryInbox(() => now);
  await box.once('msg_1', async () => {});
  now = 14 * DAY_MS;
  assert.equal(await box.once('msg_1', async () => {}), 'repeated');
  now = 16 * DAY_MS;
  assert.equal(await box.once('msg_1', async () => {}), 'taken');
});
