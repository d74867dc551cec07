/** Lets a request through if one of our secrets has signed it, within the last five minutes. */
import {
  CanActivate,
  ExecutionContext,
  Inject,
  Injectable,
  RawBodyRequest,
  UnauthorizedException,
} from '@nestjs/common';
import type { Request } from 'express';
import { Webhook, WebhookVerificationError } from 'standardwebhooks';

import { SETTINGS, Settings } from '../settings';

// #region guard
@Injectable()
export class SignatureGuard implements CanActivate {
  private readonly webhooks: Webhook[];

  constructor(@Inject(SETTINGS) settings: Settings) {
    this.webhooks = settings.webhookSecrets.map((secret) => new Webhook(secret));
  }

  canActivate(context: ExecutionContext): boolean {
    const request = context.switchToHttp().getRequest<RawBodyRequest<Request>>();
    // The bytes that came: what is parsed and written again has others.
    const body = request.rawBody ?? Buffer.alloc(0);
    const headers = request.headers as Record<string, string>;
    if (this.webhooks.some((webhook) => isGenuine(webhook, body, headers))) return true;
    throw new UnauthorizedException('The signature is missing, wrong, or too old.');
  }
}

function isGenuine(webhook: Webhook, body: Buffer, headers: Record<string, string>): boolean {
  try {
    webhook.verify(body, headers, { jsonParse: false });
    return true;
  } catch (error) {
    if (error instanceof WebhookVerificationError) return false;
    throw error;
  }
}
// #endregion guard
