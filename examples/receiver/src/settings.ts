/** What the process is told by its environment; AWS's own settings are the SDK's. */
export interface Settings {
  host: string;
  port: number;
  /** One secret, or two while one takes over. */
  webhookSecrets: string[];
  queueUrl: string;
  bucket: string;
  /** A server on this machine is asked at /bucket/key, not at bucket.host/key. */
  pathStyle: boolean;
}

export const SETTINGS = Symbol('SETTINGS');

export function settingsFrom(environment: NodeJS.ProcessEnv): Settings {
  const required = (name: string): string => {
    const value = environment[name];
    if (!value) throw new Error(`${name} is not set.`);
    return value;
  };
  const port = Number(environment['PORT'] || 3000);
  if (!Number.isInteger(port)) throw new Error('PORT has to be a whole number.');
  return {
    host: environment['HOST'] ?? '127.0.0.1',
    port,
    webhookSecrets: secretsIn(required('WAVEFLOW_WEBHOOK_SECRET')),
    queueUrl: required('SQS_QUEUE_URL'),
    bucket: required('S3_BUCKET_NAME'),
    pathStyle: environment['AWS_ENDPOINT_URL'] !== undefined,
  };
}

/** With a key that is empty or short, others than WaveFlow could sign. */
function secretsIn(text: string): string[] {
  const secrets = text.split(/[\s,]+/).filter(Boolean);
  const keys = secrets.map((each) => Buffer.from(each.replace(/^whsec_/, ''), 'base64'));
  if (keys.length === 0 || keys.some((key) => key.length < 24 || key.length > 64)) {
    throw new Error('WAVEFLOW_WEBHOOK_SECRET has to be whsec_ and the base64 of 24 to 64 bytes.');
  }
  return secrets;
}
