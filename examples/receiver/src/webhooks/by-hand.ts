/** Verifying signatures without a library. */
// #region by-hand
import { createHmac, timingSafeEqual } from 'node:crypto';

type Headers = Record<string, string | undefined>;

export function isGenuine(headers: Headers, rawBody: Buffer, secrets: string[]): boolean {
  const id = headers['webhook-id'];
  const timestamp = headers['webhook-timestamp'];
  if (!(Math.abs(Date.now() / 1000 - Number(timestamp)) < 300)) return false; // NaN as well
  const given = (headers['webhook-signature'] ?? '').split(' ').map((each) => Buffer.from(each));
  return secrets.some((secret) => {
    const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64');
    if (key.length < 24) throw new Error('A secret is too short.'); // anybody can sign with an empty one
    const signed = createHmac('sha256', key).update(`${id}.${timestamp}.`).update(rawBody);
    const wanted = Buffer.from(`v1,${signed.digest('base64')}`);
    return given.some((each) => each.length === wanted.length && timingSafeEqual(each, wanted));
  });
}
// #endregion by-hand
