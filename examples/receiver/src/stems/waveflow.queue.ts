/** Sends WaveFlow its messages. */
import { SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { Inject, Injectable, OnModuleDestroy } from '@nestjs/common';

import { SETTINGS, Settings } from '../settings';
import type { Task } from './messages';

// #region send
@Injectable()
export class WaveflowQueue implements OnModuleDestroy {
  private readonly sqs = new SQSClient({});

  constructor(@Inject(SETTINGS) private readonly settings: Settings) {}

  /** `id` is yours: WaveFlow logs it as `task_id`, and `/mixing-complete` says it again. */
  async send(id: string, task: Task): Promise<void> {
    const body = JSON.stringify({ task: task.task, id, args: [], kwargs: task.kwargs });
    await this.sqs.send(
      new SendMessageCommand({ QueueUrl: this.settings.queueUrl, MessageBody: body }),
    );
  }

  onModuleDestroy(): void {
    this.sqs.destroy();
  }
}
// #endregion send
