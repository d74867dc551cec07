/** Verifying by hand comes to the same as the library. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Webhook } from 'standardwebhooks';

import byHand from '../dist/webhooks/by-hand.js';

const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
const OTHER = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
const BODY = Buffer.from('{"original_filename":"드럼 (1).wav"}');

function headers({ secrets = [SECRET], ageS = 0 } = {}) {
  const at = new Date(Date.now() - ageS * 1000);
  return {
    'webhook-id': 'msg_1',
    'webhook-timestamp': String(Math.floor(at / 1000)),
    'webhook-signature': secrets.map((one) => new Webhook(one).sign('msg_1', at, BODY)).join(' '),
  };
}

test('what our secret has signed is genuine', () => {
  assert.equal(byHand.isGenuine(headers(), BODY, [SECRET]), true);
});

test('while secrets change either of them will do, on either side', () => {
  assert.equal(byHand.isGenuine(headers({ secrets: [OTHER, SECRET] }), BODY, [SECRET]), true);
  assert.equal(byHand.isGenuine(headers(), BODY, [OTHER, SECRET]), true);
});

test('everything else is not', () => {
  const altered = Buffer.from(BODY.toString().replace('1', '2'));
  assert.equal(byHand.isGenuine(headers(), altered, [SECRET]), false);
  assert.equal(byHand.isGenuine(headers(), BODY, [OTHER]), false);
  assert.equal(byHand.isGenuine(headers({ ageS: 600 }), BODY, [SECRET]), false);
  assert.equal(byHand.isGenuine(headers({ ageS: -600 }), BODY, [SECRET]), false);
  assert.equal(byHand.isGenuine({ ...headers(), 'webhook-id': 'msg_2' }, BODY, [SECRET]), false);
  assert.equal(byHand.isGenuine({}, BODY, [SECRET]), false);
});

test('nobody signs with a secret that is empty or short', () => {
  for (const secret of ['', 'whsec_', 'whsec_AAAA']) {
    assert.throws(() => byHand.isGenuine(headers(), BODY, [secret]), /too short/);
  }
});
