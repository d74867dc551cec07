/** Addresses at which a browser fetches from the bucket, without a key of AWS. */
import { GetObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { Inject, Injectable, OnModuleDestroy } from '@nestjs/common';

import { SETTINGS, Settings } from '../settings';

// #region presigned
const VALID_FOR_S = 900;

@Injectable()
export class Waveforms implements OnModuleDestroy {
  private readonly s3: S3Client;

  constructor(@Inject(SETTINGS) private readonly settings: Settings) {
    this.s3 = new S3Client({ forcePathStyle: settings.pathStyle });
  }

  /** Of an object: `waveform_data_path`, `waveform_dat_path`, `mixed_file_path`, a stem. */
  address(key: string): Promise<string> {
    const get = new GetObjectCommand({ Bucket: this.settings.bucket, Key: key });
    return getSignedUrl(this.s3, get, { expiresIn: VALID_FOR_S });
  }
  // #endregion presigned

  onModuleDestroy(): void {
    this.s3.destroy();
  }
}
