/** Where WaveFlow tells what came of its work. `WEBHOOK_URL` is the address of `/webhooks`. */
import { Body, Controller, Headers, HttpCode, Inject, Logger, Post, UseGuards } from '@nestjs/common';

import { StemsService } from '../stems/stems.service';
import { completion, hashCheck, mixingComplete } from './bodies';
import { INBOX, Inbox } from './inbox';
import { SignatureGuard } from './signature.guard';

// #region controller
@Controller('webhooks')
@UseGuards(SignatureGuard)
export class WebhooksController {
  private readonly log = new Logger(WebhooksController.name);

  constructor(
    @Inject(INBOX) private readonly inbox: Inbox,
    private readonly stems: StemsService,
  ) {}

  @Post('hash-check')
  @HttpCode(200)
  hashCheck(@Headers('webhook-id') id: string, @Body() body: unknown) {
    const event = hashCheck(body);
    return this.once(id, () => this.stems.hashed(event));
  }

  @Post('completion')
  @HttpCode(200)
  completion(@Headers('webhook-id') id: string, @Body() body: unknown) {
    const event = completion(body);
    return this.once(id, () => this.stems.completed(event));
  }

  @Post('mixing-complete')
  @HttpCode(200)
  mixingComplete(@Headers('webhook-id') id: string, @Body() body: unknown) {
    const event = mixingComplete(body);
    return this.once(id, () => this.stems.mixed(event));
  }

  /** What throws is answered with 500, and told again; the second of two with 200, like the first. */
  private async once(id: string, work: () => Promise<void>) {
    const outcome = await this.inbox.once(id, work);
    if (outcome === 'repeated') this.log.log(`${id} was delivered again`);
    return { success: true, outcome };
  }
}
// #endregion controller
