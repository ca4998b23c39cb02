import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { KEY_STORE } from '#platform';
import { blindIndex, type SubjectKeyStore } from '#privacy';

/** Stands in for the names of secrets, which are as personal as the secrets. */
@Injectable()
export class SecretNames implements OnModuleInit {
  private key: Uint8Array = new Uint8Array();

  constructor(@Inject(KEY_STORE) private readonly keys: SubjectKeyStore) {}

  async onModuleInit(): Promise<void> {
    this.key = await this.keys.secret('vault-name');
  }

  /** The same name of two users has two indexes. */
  index(userId: string, name: string): string {
    return blindIndex(this.key, userId, name).toString('base64url');
  }
}
