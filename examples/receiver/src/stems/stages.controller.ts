/** What the front end asks. Whoever is logged in, and may see what, is left out here. */
import {
  BadRequestException,
  Body,
  Controller,
  Get,
  NotFoundException,
  Param,
  Post,
} from '@nestjs/common';

import { Stage, Stem, StemsService, Upload } from './stems.service';
import { Waveforms } from './waveforms';

/**
 * Here it is believed. A real server takes the user from the login, and as `filepath` only a key
 * that it gave out itself for this upload: who may name any key can have any object read, or
 * deleted as a duplicate.
 */
interface Uploads {
  userId: string;
  trackId: string;
  stems: Upload[];
}

@Controller()
export class StagesController {
  constructor(
    private readonly stems: StemsService,
    private readonly waveforms: Waveforms,
  ) {}

  @Post('stages')
  uploaded(@Body() uploads: Uploads | undefined): Promise<Stage> {
    const { userId, trackId, stems } = uploads ?? {};
    if (typeof userId !== 'string' || typeof trackId !== 'string') {
      throw new BadRequestException('userId and trackId have to be texts.');
    }
    if (!Array.isArray(stems) || !stems.every((stem) => typeof stem?.filepath === 'string')) {
      throw new BadRequestException('stems has to be a list of {"filepath": …}.');
    }
    return this.stems.uploaded(userId, trackId, stems);
  }

  @Get('stages/:stageId')
  stage(@Param('stageId') stageId: string): Stage & { stems: Stem[] } {
    const stage = this.stems.stage(stageId);
    return { ...stage, stems: stage.stemIds.map((stemId) => this.stems.stem(stemId)) };
  }

  // #region waveform
  @Get('stems/:stemId/waveform')
  async waveform(@Param('stemId') stemId: string) {
    const { waveformPath, datPath, filepath } = this.stems.stem(stemId);
    if (waveformPath === null) throw new NotFoundException('There is no waveform yet.');
    return {
      audio: await this.waveforms.address(filepath),
      waveform: await this.waveforms.address(waveformPath),
      dat: datPath && (await this.waveforms.address(datPath)),
    };
  }
  // #endregion waveform
}
