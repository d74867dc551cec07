/** Puts the parts together. */
import { DynamicModule, Module } from '@nestjs/common';

import { HealthController } from './health.controller';
import { SETTINGS, Settings } from './settings';
import { StagesController } from './stems/stages.controller';
import { StemsService } from './stems/stems.service';
import { WaveflowQueue } from './stems/waveflow.queue';
import { Waveforms } from './stems/waveforms';
import { INBOX, InMemoryInbox } from './webhooks/inbox';
import { WebhooksController } from './webhooks/webhooks.controller';

@Module({})
export class AppModule {
  static with(settings: Settings): DynamicModule {
    return {
      module: AppModule,
      controllers: [WebhooksController, StagesController, HealthController],
      providers: [
        StemsService,
        WaveflowQueue,
        Waveforms,
        { provide: SETTINGS, useValue: settings },
        { provide: INBOX, useFactory: () => new InMemoryInbox() },
      ],
    };
  }
}
