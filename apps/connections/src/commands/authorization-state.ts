import { timingSafeEqual } from 'node:crypto';
import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { parse, stringify } from 'uuid';
import { isId } from '#kernel';
import { KEY_STORE } from '#platform';
import { blindIndex, type SubjectKeyStore } from '#privacy';

export interface AwaitedConsent {
  userId: string;
  connectionId: string;
}

const ID_BYTES = 16;
const MAC_BYTES = 32;

/**
 * What goes to the provider and comes back by the browser. `state` (RFC 6749, section 10.12) names its connection
 * under an HMAC, so that a forged one is refused without a look-up; that it is used once, the connection sees to.
 * The PKCE verifier (RFC 7636) never leaves the service but for the token endpoint. Both follow from the
 * connection's id and a secret of this service, so neither is stored.
 */
@Injectable()
export class AuthorizationState implements OnModuleInit {
  private key: Uint8Array = new Uint8Array();

  constructor(@Inject(KEY_STORE) private readonly keys: SubjectKeyStore) {}

  async onModuleInit(): Promise<void> {
    this.key = await this.keys.secret('connection-authorization');
  }

  stateOf({ userId, connectionId }: AwaitedConsent): string {
    const ids = [parse(userId), parse(connectionId)];
    return Buffer.concat([...ids, this.macOf({ userId, connectionId })]).toString('base64url');
  }

  /** Undefined unless this service made it. */
  read(state: string): AwaitedConsent | undefined {
    const bytes = Buffer.from(state, 'base64url');
    if (bytes.length !== 2 * ID_BYTES + MAC_BYTES || bytes.toString('base64url') !== state) return undefined;
    const ids = [bytes.subarray(0, ID_BYTES), bytes.subarray(ID_BYTES, 2 * ID_BYTES)];
    if (!ids.every(isUuid)) return undefined;
    const [userId = '', connectionId = ''] = ids.map((id) => stringify(id));
    const consent = { userId, connectionId };
    return timingSafeEqual(bytes.subarray(2 * ID_BYTES), this.macOf(consent)) ? consent : undefined;
  }

  /** 43 characters, 256 bits. */
  codeVerifierOf(connectionId: string): string {
    return blindIndex(this.key, 'code_verifier', connectionId).toString('base64url');
  }

  private macOf({ userId, connectionId }: AwaitedConsent): Buffer {
    return blindIndex(this.key, 'state', userId, connectionId);
  }
}

function isUuid(bytes: Uint8Array): boolean {
  const hex = Buffer.from(bytes).toString('hex');
  return isId(
    `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`,
  );
}
