/** A main server in small. `npm run build`, then `npm start`. */
import 'reflect-metadata';

import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';

import { AppModule } from './app.module';
import { settingsFrom } from './settings';

async function main(): Promise<void> {
  const settings = settingsFrom(process.env);
  const module = AppModule.with(settings);
  // #region bootstrap
  const app = await NestFactory.create<NestExpressApplication>(module, { rawBody: true });
  // A mix of a thousand stems names all of them. Express takes 100 kB, and refuses it for ever.
  app.useBodyParser('json', { limit: '4mb' });
  // WaveFlow keeps a connection for 4 s. Node closes idle ones after 5 s: too little in between.
  app.getHttpServer().keepAliveTimeout = 65_000;
  // #endregion bootstrap
  app.enableShutdownHooks();
  await app.listen(settings.port, settings.host);
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});
