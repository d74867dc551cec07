/** The inbox in PostgreSQL, compiled to run in this process. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';

import { PGlite } from '@electric-sql/pglite';

import postgres from '../dist/webhooks/postgres.inbox.js';

let database;
let box;

before(async () => {
  database = await PGlite.create();
  await database.exec('create table stems (stem_id text)');
  await database.exec(postgres.TABLE);
  box = new postgres.PostgresInbox(database);
});
beforeEach(() => database.exec('delete from stems; delete from webhooks_taken'));
after(() => database.close());

const store = (transaction) => transaction.query('insert into stems values ($1)', ['s1']);
const count = async (table) =>
  (await database.query(`select count(*)::int as n from ${table}`)).rows[0].n;

test('a second delivery does nothing', async () => {
  assert.equal(await box.once('msg_1', store), 'taken');
  assert.equal(await box.once('msg_1', store), 'repeated');
  assert.equal(await count('stems'), 1);
});

test('of deliveries at once one is taken', async () => {
  const outcomes = await Promise.all([1, 2, 3, 4].map(() => box.once('msg_1', store)));
  assert.deepEqual(outcomes.sort(), ['repeated', 'repeated', 'repeated', 'taken']);
  assert.equal(await count('stems'), 1);
});

test('of work that fails nothing is left, and the next does it', async () => {
  const broken = async (transaction) => {
    await store(transaction);
    throw new Error('no such stage');
  };
  await assert.rejects(box.once('msg_1', broken), /no such stage/);
  assert.deepEqual([await count('stems'), await count('webhooks_taken')], [0, 0]);
  assert.equal(await box.once('msg_1', store), 'taken');
});

test('ids are kept for fifteen days', async () => {
  await box.once('msg_1', store);
  await database.exec(`insert into webhooks_taken values ('msg_0', now() - interval '16 days')`);
  await database.exec(postgres.FORGET);
  assert.equal(await count('webhooks_taken'), 1);
  assert.equal(await box.once('msg_1', store), 'repeated');
});
