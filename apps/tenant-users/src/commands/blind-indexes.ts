import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { KEY_STORE } from '#platform';
import type { SubjectKeyStore } from '#privacy';
import { BlindIndexing } from '../read-models/blind-indexing.js';

@Injectable()
export class BlindIndexes extends BlindIndexing implements OnModuleInit {
  constructor(@Inject(KEY_STORE) private readonly keys: SubjectKeyStore) {
    super(new Uint8Array());
  }

  async onModuleInit(): Promise<void> {
    this.secret = await this.keys.secret('blind-index');
  }
}
