import { Injectable } from '@nestjs/common';
import { invalidInput } from '#kernel';
import { AccountKitDirectory } from '#platform';

/** Whose account kit it is. */
export interface Governed {
  platformId: string;
  accountKitId: string;
}

/** The bounds that account kits set to the scopes of keys. */
@Injectable()
export class KitScopes {
  constructor(private readonly kits: AccountKitDirectory) {}

  /**
   * The scopes of a new key: those wanted, or all that the kit names when none are. Throws `invalid_input` when the
   * kit does not allow one.
   */
  async granted(governed: Governed, wanted: string[] | undefined): Promise<string[]> {
    const allowed = await this.allowed(governed);
    if (wanted === undefined) return allowed ?? [];
    if (allowed && wanted.some((scope) => !allowed.includes(scope))) {
      throw invalidInput('scopes', 'must be scopes that the account kit of the user allows');
    }
    return wanted;
  }

  /** What is left of a key's scopes under the kit as it is now. */
  async remaining(governed: Governed, scopes: readonly string[]): Promise<readonly string[]> {
    if (scopes.length === 0) return scopes;
    const allowed = await this.allowed(governed);
    return allowed ? scopes.filter((scope) => allowed.includes(scope)) : scopes;
  }

  /** Null for any. A kit that is not known allows none. */
  private async allowed({ platformId, accountKitId }: Governed): Promise<string[] | null> {
    const kit = await this.kits.find(platformId, accountKitId);
    return kit ? kit.keyScopes : [];
  }
}
